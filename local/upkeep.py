"""What is started together, kept up until somebody asks for its end, and ended in order."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import fcntl
import json
import signal
from typing import TYPE_CHECKING, Any, Self, cast

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Mapping
    from pathlib import Path


class Together(abc.ABC):
    """Parts that start and stop together; `async with` does both. `_start` puts each part's end into `_exit`."""

    def __init__(self) -> None:
        self._exit = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Start everything; returns when it can be used. Raises what a part raises, and leaves nothing running then."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End everything that was started, the last first. Safe to repeat."""
        await self._exit.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @abc.abstractmethod
    async def _start(self) -> None: ...


async def until_asked(work: Coroutine[Any, Any, None]) -> None:
    """Do the work until it ends by itself, by raising say, or SIGTERM or SIGINT asks for the end; it is cancelled then."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    working = asyncio.create_task(work)
    asking = asyncio.create_task(asked.wait())
    await asyncio.wait((working, asking), return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()
    if working.cancel():
        await asyncio.wait((working,))
    if not working.cancelled():
        await working


@contextlib.contextmanager
def announced(addresses: Mapping[str, object], file: Path) -> Generator[None]:
    """Say in a file, for as long as it lasts, where something is."""
    try:
        file.write_text(json.dumps(addresses, indent=2) + "\n")
        yield
    finally:
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def only_one(lock: Path) -> Generator[None]:
    """Hold a lock; BlockingIOError when another process holds it. The kernel frees it whatever happens."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def first_cause(error: Exception) -> Exception:
    """The first cause in a group of them: what a task group raises says nothing itself."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error
