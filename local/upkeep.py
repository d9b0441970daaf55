"""Keep parts up: start them together, run until a signal asks for the end, stop them in order, and say how it ended."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import fcntl
import json
import signal
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

from local.ports import PortTaken
from local.processes import ProcessFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping
    from pathlib import Path

_EXPECTED = (ProcessFailed, RuntimeError, OSError, ExceptionGroup)


class Unavailable(Exception):  # noqa: N818 - named for what is, as the house style asks
    """This machine cannot run a part; the message says what is missing and what to do instead."""


class Together(abc.ABC):
    """Parts that start and stop together; `async with` does both. `_start` puts each part's end into `_exit`."""

    def __init__(self) -> None:
        self._exit = contextlib.AsyncExitStack()

    async def start(self) -> None:
        """Start all parts; returns when they can be used. If one cannot start, stops the others and raises its error."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all parts, the last one first. Safe to repeat."""
        await self._exit.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @abc.abstractmethod
    async def _start(self) -> None: ...


class Command(NamedTuple):
    """A command that keeps something up: what its messages say."""

    name: str
    """Of the thing: "stack" gives "The stack has ended"."""
    logs: Path | None = None
    """Where a reader finds out more about a failure."""
    other_port: str = ""
    """How to run the command on a free port; empty for a command that takes no port."""

    def run(self, work: Coroutine[Any, Any, None]) -> int:
        """Do the work until it ends or a signal asks for the end; print why it failed.

        Returns:
            The exit status: 0 when a signal ended it, 1 when it failed, 2 when this machine cannot run it.
        """
        try:
            asyncio.run(until_asked(work))
        except Unavailable as error:
            return _say(str(error), status=2)
        except PortTaken as error:
            return _say(f"{error} End that process, or use a free port: {self.other_port}", status=1)
        except _EXPECTED as error:
            logs = f"\nLogs: {self.logs}" if self.logs else ""
            return _say(f"The {self.name} ended: {first_cause(error)}{logs}", status=1)
        return 0

    def keep_up(self, root: Path, work: Callable[[Path], Coroutine[Any, Any, None]]) -> int:
        """Run the only one of these under a folder, see `run`.

        Args:
            root: folder for the lock and the addresses.
            work: is given the file in which it announces its addresses.
        """
        addresses = root / f"{self.name}.json"
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(only_one(root / f"{self.name}.lock"))
            except BlockingIOError:
                return _say(f"A {self.name} is already up under {root}; its addresses are in {addresses}.", status=1)
            status = self.run(work(addresses))
        if status == 0:
            print(f"The {self.name} has ended.")
        return status


async def until_asked(work: Coroutine[Any, Any, None]) -> None:
    """Do the work until it returns, raises, or SIGTERM or SIGINT asks for the end; a signal cancels it."""
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
    """Write the addresses to a file, and remove the file at the end."""
    try:
        file.write_text(json.dumps(addresses, indent=2) + "\n")
        yield
    finally:
        file.unlink(missing_ok=True)


@contextlib.contextmanager
def only_one(lock: Path) -> Generator[None]:
    """Hold a lock file; BlockingIOError when another process holds it. The kernel frees it when this process ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def first_cause(error: Exception) -> Exception:
    """The first error in a group of errors; a task group's own message says nothing."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error


def _say(sentence: str, *, status: int) -> int:
    print(sentence, file=sys.stderr)
    return status
