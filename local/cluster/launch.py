"""How a container's process is started: its command, environment and folder, from its spec and its surroundings."""

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
    """What a container has from its pod."""

    pod: Object
    folder: Path
    """Working folder and HOME, unless the image or the container says otherwise."""
    logs: Path
    images: Mapping[str, Image]
    """May gain entries while containers wait for them."""
    lookup: Lookup
    volumes: Mapping[str, Path]
    variables: Mapping[str, str]
    """What the node adds to every container's environment."""
    changed: Callable[[], None]
    """To be called when a container's state has changed."""


class Launch(NamedTuple):
    """A command line and all that it needs; more commands can be run in the same place."""

    name: str
    command: list[str]
    env: dict[str, str]
    folder: Path
    mounts: list[Mount]

    async def start(self, log: Path, command: list[str] | None = None) -> Child:
        """Start the container's own command, or another one in the same place.

        Raises:
            ProcessFailed: there is no such program, or it cannot be executed.
        """
        line = self.command if command is None else [rewritten(word, self.mounts) for word in command]
        if not line:
            raise ProcessFailed("no command specified")
        found = shutil.which(line[0], path=self.env["PATH"])
        return await Child.start(self.name, [found or line[0], *line[1:]], log=log, env=self.env, cwd=self.folder)


def launch_of(spec: Object, image: Image, around: Surroundings) -> Launch:
    """Put a container's launch together.

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
    """Kill a program and all that it has started, also when it has ended itself."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
