"""The ground of the main job: the local stack, with a cluster if this machine can run one."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from typing import TYPE_CHECKING

from local.cluster import Cluster
from local.cluster.binaries import ClusterUnavailable
from local.cluster.given import given_kubeconfig
from local.demo.promises import Untrue
from local.stack import Stack
from local.stack.warm import AGENTS, WarmStack

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

NODES = 3
COPY_BYTES_PER_SECOND = 1_500_000
"""The most that a node copies, as this machine would be done before one could look."""
_GIVEN = "KUBECONFIG names a cluster of yours, whose nodes cannot be looked into or replaced. Unset it for a local one"


class Ground:
    """A stack under one folder; `start` finds out whether it can have a cluster."""

    def __init__(self, root: Path) -> None:
        """Describe the ground; nothing runs before `start`."""
        self.logs = root / "stack" / "logs"
        self.missing: str | None = None
        """Why there is no cluster; None when there is one."""
        self._root = root
        self._plain: Stack | None = None
        self._warm: WarmStack | None = None
        self._exit = contextlib.AsyncExitStack()

    @property
    def stack(self) -> Stack:
        """The app with its storage, once started."""
        stack = self._warm.stack if self._warm is not None else self._plain
        if stack is None:
            raise RuntimeError("the main job's stack was not started")
        return stack

    @property
    def warm(self) -> WarmStack | None:
        """The stack with its cluster; None without a cluster."""
        return self._warm

    async def start(self) -> None:
        """Start everything. If this machine cannot run a cluster, starts without one, and `missing` says why.

        Raises:
            ProcessFailed: a part could not be started; nothing is left running.
        """
        self.missing = _GIVEN if given_kubeconfig() is not None else await Cluster.obstacle()
        if self.missing is None:
            try:
                self._warm = await self._exit.enter_async_context(_warm_stack(self._root))
            except ClusterUnavailable as error:
                self.missing = str(error)
        if self._warm is None:
            self._plain = await self._exit.enter_async_context(Stack(self._root / "stack", events=True))

    async def stop(self) -> None:
        """End everything that was started. Safe to repeat."""
        await self._exit.aclose()


@contextlib.contextmanager
def only_one(root: Path) -> Generator[None]:
    """Hold the folder's lock, and remove the leftovers of a killed job; Untrue when another job holds the lock."""
    with (root / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Untrue(f"another main job is running under {root}; --root names another folder") from error
        shutil.rmtree(root / "cluster", ignore_errors=True)
        yield


def _warm_stack(root: Path) -> WarmStack:
    agents = {**AGENTS, "SHARDWARM_DOWNLOAD_BYTES_PER_SECOND": str(COPY_BYTES_PER_SECOND)}
    environment = ",".join(f"{name}={value}" for name, value in agents.items())
    return WarmStack(root, nodes=NODES, settings={"SHARDWARM_WARMER_ENVIRONMENT": environment}, events=True)
