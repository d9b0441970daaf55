"""Command, environment and folder of a container's process, from its spec and its pod."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from local.cluster.environment import Lookup, Mount, mounts_of, rewritten, variables_of, words
from local.processes import Child, ProcessFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local.cluster.images import Image

type Object = dict[str, Any]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Surroundings(NamedTuple):
    """Properties of the pod that its containers need."""

    pod: Object
    folder: Path
    """Working folder and HOME, unless the image or the container says otherwise."""
    logs: Path
    images: Mapping[str, Image]
    """Images may be added while containers wait for them."""
    lookup: Lookup
    volumes: Mapping[str, Path]
    variables: Mapping[str, str]
    """Variables that the node adds to every container's environment."""
    changed: Callable[[], None]
    """Called when a container's state has changed."""


class Launch(NamedTuple):
    """A command line with its environment, which can run other commands too."""

    name: str
    command: list[str]
    env: dict[str, str]
    folder: Path
    mounts: list[Mount]

    async def start(self, log: Path, command: list[str] | None = None) -> Child:
        """Start the container's own command, or another one in its environment.

        Raises:
            ProcessFailed: the program does not exist, or cannot be executed.
        """
        line = self.command if command is None else [rewritten(word, self.mounts) for word in command]
        if not line:
            raise ProcessFailed("no command specified")
        found = shutil.which(line[0], path=self.env["PATH"])
        return await Child.start(self.name, [found or line[0], *line[1:]], log=log, env=self.env, cwd=self.folder)


def launch_of(spec: Object, image: Image, around: Surroundings) -> Launch:
    """Build a container's launch.

    Raises:
        NotYet: a ConfigMap or Secret that its environment refers to is missing.
    """
    mounts = mounts_of(spec, around.volumes)
    own = variables_of(spec, around.pod, around.lookup, mounts)
    path = ":".join([*map(str, image.path), _PATH])
    env = {"PATH": path, "HOME": str(around.folder), **image.env, **around.variables, **own}
    folder = Path(rewritten(spec.get("workingDir", ""), mounts) or image.folder or around.folder)
    return Launch(spec["name"], words(spec, image.entrypoint, own, mounts), env, folder, mounts)


def kill_group(child: Child) -> None:
    """Kill a program's process group, even if the program itself has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
