"""Child processes: start them, wait until they answer, stop them, and leave none behind.

A child has its own session, so Ctrl-C reaches only the parent, which then stops its children in order. The kernel kills a
child when its parent dies (`setpriv --pdeathsig`), so even a SIGKILL of the parent leaves nothing running. The kernel watches
the *thread* that started the child, and does not kill grandchildren: start programs, not wrappers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

POLL_SECONDS = 0.05
LOG_TAIL_LINES = 30
_LOG_TAIL_BYTES = 64 * 1024


class ProcessFailed(Exception):  # noqa: N818 - named for what happened, as the house style asks
    """A child ended, or was not ready in time; the message carries the end of its log."""


class Child:
    """One running program whose output goes to a log file."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process
        self._is_killed = False

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        pass_fds: Sequence[int] = (),
    ) -> Self:
        """Start a program; returns before it is ready.

        Args:
            name: of the child in messages.
            command: program and arguments; the program is looked up on PATH.
            log: receives both output streams, appended.
            env: the child's whole environment; None inherits the parent's.
            cwd: the child's folder; None inherits the parent's.
            pass_fds: open descriptors that the child inherits under the same numbers.

        Raises:
            ProcessFailed: the program does not exist or cannot be executed.
        """
        if shutil.which(command[0]) is None:
            raise ProcessFailed(f"{name} could not be started: no program {command[0]}")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            try:
                process = await asyncio.create_subprocess_exec(
                    *_bound_to_parent(command),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=env,
                    cwd=cwd,
                    start_new_session=True,
                    pass_fds=pass_fds,
                )
            except OSError as error:
                raise ProcessFailed(f"{name} could not be started: {error}") from error
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        """Process id; also the id of its session and process group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    @property
    def is_killed(self) -> bool:
        """Whether `kill` was called; the process may not have ended yet."""
        return self._is_killed

    async def ready(self, probe: Callable[[], Awaitable[bool]], timeout_seconds: float) -> None:
        """Wait until the probe says yes.

        Raises:
            ProcessFailed: the child ended first, or the time is up. The child is not stopped.
        """
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        while not await probe():
            if self.returncode is not None:
                raise self.failure(f"ended with status {self.returncode} before it was ready")
            if asyncio.get_running_loop().time() > deadline:
                raise self.failure(f"was not ready within {timeout_seconds:g} s")
            await asyncio.sleep(POLL_SECONDS)

    def failure(self, what: str) -> ProcessFailed:
        """An exception that says what happened and shows the end of the log."""
        return ProcessFailed(f"{self.name} {what}; end of {self.log}:\n{log_tail(self.log)}")

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Send SIGTERM and, after the grace period, SIGKILL; returns when the child is gone. Safe to repeat."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()

    def kill(self) -> None:
        """Send SIGKILL to the child and its process group; does not wait. Safe to repeat."""
        self._is_killed = True
        self._signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for the end; returns the exit status, negative for a signal."""
        return await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


def _bound_to_parent(command: Sequence[str]) -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else [*command]


def log_tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a log file; empty when the file does not exist."""
    with contextlib.suppress(FileNotFoundError), log.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])
    return ""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free now; another process may take it before you do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def port_open(port: int) -> bool:
    """Whether something accepts connections on that port of 127.0.0.1."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
