"""The host's connection to one language worker process: start it, invoke functions, notice its end."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

from local.functions.wire import Answer, HttpCall, Invocation, Loaded, LoadedFunction, Value, frame, read_frame
from local.processes import Child

if TYPE_CHECKING:
    from collections.abc import Mapping

_REPOSITORY = Path(__file__).parents[2]
_LOAD_SECONDS = 120.0


class WorkerLost(Exception):  # noqa: N818 - named for what happened, as the house style asks
    """The worker ended before it answered; whether the function had its effect is unknown."""


class WorkerConnection:
    """A worker process that has loaded the app."""

    def __init__(self, child: Child, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.child = child
        self.functions: list[LoadedFunction] = []
        self._reader = reader
        self._writer = writer
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, app: Path, env: Mapping[str, str], log: Path) -> Self:
        """Start a worker and wait until it has loaded the app.

        Raises:
            ProcessFailed: the worker could not load it; the message carries the end of its log.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "local.functions.worker"]
            command += ["--app", str(app), "--socket", str(theirs.fileno())]
            child = await Child.start("language worker", command, log=log, env=env, cwd=_REPOSITORY, pass_fds=[theirs.fileno()])
        connection = cls(child, *await asyncio.open_connection(sock=ours))
        try:
            await connection._load()
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(_LOAD_SECONDS):
                first = await read_frame(self._reader)
        except TimeoutError as error:
            raise self.child.failure(f"did not load the app within {_LOAD_SECONDS:g} s") from error
        if first is None:
            raise self.child.failure(f"ended with status {await self.child.wait()} while it loaded the app")
        self.functions = Loaded.model_validate_json(first).functions
        self._listening = asyncio.create_task(self._listen())

    async def invoke(self, function_id: str, inputs: dict[str, Value | HttpCall]) -> Answer:
        """Run a function.

        Raises:
            WorkerLost: the worker ended; invoke the function in the next worker.
        """
        if not self.is_up:
            raise WorkerLost
        call = Invocation(id=next(self._ids), function_id=function_id, inputs=inputs)
        answer = self._waiting[call.id] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(frame(call))
            await self._writer.drain()
            return await answer
        except ConnectionError as error:
            raise WorkerLost from error
        finally:
            self._waiting.pop(call.id, None)

    @property
    def is_up(self) -> bool:
        """Whether the worker takes invocations: it is connected, and `kill` was not called."""
        return self._listening is not None and not self._listening.done() and not self.child.is_killed

    async def lost(self) -> None:
        """Wait until the worker has ended."""
        if self._listening:
            await asyncio.wait([self._listening])
        await self.child.wait()

    async def close(self) -> None:
        """End the worker; its unfinished invocations raise `WorkerLost`."""
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        if self._listening:
            await self._listening
        self.child.kill()
        await self.child.wait()

    async def _listen(self) -> None:
        while message := await read_frame(self._reader):
            answer = Answer.model_validate_json(message)
            waiting = self._waiting.get(answer.id)
            if waiting and not waiting.done():
                waiting.set_result(answer)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(WorkerLost())
