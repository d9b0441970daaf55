"""Keep one language worker running: start the next one when it ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from local.functions.worker_connection import WorkerConnection
from local.processes import ProcessFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 5.0


class WorkerSupervisor:
    """The current worker of one app; the process changes when a worker ends."""

    def __init__(self, app: Path, env: Mapping[str, str], log: Path) -> None:
        self._app = app
        self._env = env
        self._log = log
        self._worker: WorkerConnection | None = None
        self._up = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> WorkerConnection:
        """Start the first worker, and replace each worker that ends.

        Raises:
            ProcessFailed: the app cannot be loaded; nothing is left running.
        """
        first = await WorkerConnection.start(self._app, self._env, self._log)
        self._take(first)
        self._watching = asyncio.create_task(self._watch(first))
        return first

    async def ready(self) -> WorkerConnection:
        """The worker that takes invocations; waits while one is being started."""
        while True:
            await self._up.wait()
            if self._worker and self._worker.is_up:
                return self._worker
            # `_watch` may not have seen the worker's end yet.
            self._up.clear()

    @property
    def latest(self) -> WorkerConnection | None:
        """The worker that was started last, even if it has ended; None before the first."""
        return self._worker

    async def stop(self) -> None:
        """End the worker and start no new one. Safe to repeat."""
        if self._watching:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self._worker:
            await self._worker.close()

    def _take(self, worker: WorkerConnection) -> None:
        self._worker = worker
        self._up.set()

    async def _watch(self, worker: WorkerConnection) -> None:
        while True:
            await worker.lost()
            await worker.close()
            _LOG.warning("The language worker ended with status %s; starting another.", worker.child.returncode)
            worker = await self._restart()
            _LOG.info("The language worker runs again, as process %s.", worker.child.pid)
            self._take(worker)

    async def _restart(self) -> WorkerConnection:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await WorkerConnection.start(self._app, self._env, self._log)
            except ProcessFailed as error:
                _LOG.error("%s\nNext attempt in %.1f s.", error, pause_seconds)
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
