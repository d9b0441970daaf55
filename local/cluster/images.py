"""Container images on one machine: programs and an environment instead of a file system."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Image:
    """How to run a container of this image as a process."""

    path: tuple[Path, ...] = ()
    """Folders to search for programs, before the machine's own."""
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    """As ENV in a Dockerfile; the container's own variables override it."""
    entrypoint: tuple[str, ...] = ()
    """As ENTRYPOINT in a Dockerfile; the container's command replaces it, its args follow it."""
    folder: Path | None = None
    """As WORKDIR in a Dockerfile; None stands for the pod's own folder."""


MACHINE = Image()
"""The machine's own programs."""


def project_python(**env: str) -> Image:
    """The project's Python with its packages and the project's modules."""
    return Image(path=(ROOT / ".venv/bin",), env={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **env})
