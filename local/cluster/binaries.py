"""The control plane's programs: the script `build` compiles them once per user, then they are in the cache."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from local.upkeep import Unavailable

VERSION = "1.20.2"
_BUILD = Path(__file__).parent / "build"


class ClusterUnavailable(Unavailable):
    """This machine cannot run a local cluster; the message says what is missing and what to do instead."""


def programs() -> Path:
    """The folder for the programs, built or not."""
    environment = os.environ  # noqa: TID251  the place of caches is the user's setting, not the app's
    cache = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / f"shardwarm/kubernetes-{VERSION}"


async def obstacle() -> str | None:
    """Why the programs cannot be built, with advice; None when they exist or can be built."""
    process = await asyncio.create_subprocess_exec(str(_BUILD), "--check", stderr=asyncio.subprocess.PIPE)
    _, text = await process.communicate()
    return None if process.returncode == 0 else text.decode().strip().removeprefix("cluster: ")


async def ensure_programs() -> Path:
    """Build the programs unless they exist; prints progress to stderr. A build takes minutes.

    Raises:
        ClusterUnavailable: they could not be built.
    """
    folder = programs()
    if not folder.is_dir():
        process = await asyncio.create_subprocess_exec(str(_BUILD), start_new_session=True)
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            # The signal goes to the whole group: the script cleans up once the compiler has ended.
            os.killpg(process.pid, signal.SIGTERM)
            await process.wait()
            raise
        if status != 0:
            raise ClusterUnavailable(await obstacle() or "Kubernetes could not be built: see the messages above.")
    return folder
