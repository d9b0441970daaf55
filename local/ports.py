"""TCP ports of 127.0.0.1: take one for a server, and say which process holds a port that is taken."""

from __future__ import annotations

import argparse
import contextlib
import errno
import re
import shlex
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROC = Path("/proc")
_LISTENING = "0A"
_HIGHEST = 65535
_LONGEST_COMMAND = 120


class Holder(NamedTuple):
    """A process that listens on a port."""

    pid: int
    command: str
    """Its command line, shortened."""

    def __str__(self) -> str:
        """The process as messages name it."""
        return f"process {self.pid} ({self.command})"


class PortTaken(OSError):  # noqa: N818 - named for what happened, as the house style asks
    """Another socket holds the port; the message names the port, and its process where that can be seen."""

    def __init__(self, port: int) -> None:
        holder = holder_of(port) or "a process that cannot be seen from here (another user's or another container's, perhaps)"
        super().__init__(errno.EADDRINUSE, f"Port {port} of 127.0.0.1 is taken by {holder}.")

    def __str__(self) -> str:
        """The sentence, without the error's number."""
        return str(self.strerror)


def take_port(port: int) -> socket.socket:
    """A socket that listens on the port, so that clients who connect early wait; 0 takes a free port.

    Raises:
        PortTaken: another socket holds it.
        OSError: this user may not take it (below 1024, say).
    """
    # asyncio sets TCP_NODELAY only where the protocol is spelled out; without it a reply waits 40 ms for an ACK.
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        # Two sockets may be bound to one port as long as neither listens; the second to listen fails.
        taken.listen()
    except OSError as error:
        taken.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(port) from error
        raise
    return taken


def require_free(port: int) -> None:
    """Raise what `take_port` raises, and leave the port free: for a look before a long start."""
    take_port(port).close()


def port_number(text: str) -> int:
    """A command's argument for a port; 0 stands for any free one."""
    if not text.isascii() or not text.isdigit() or int(text) > _HIGHEST:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port; ports are numbers from 0 (any free one) to {_HIGHEST}")
    return int(text)


def holder_of(port: int) -> Holder | None:
    """The process that listens on the port; None where that cannot be seen, on systems without /proc among others."""
    sockets = set(_listening_sockets(port))
    for descriptors in _PROC.glob("[0-9]*/fd") if sockets else ():
        # Processes end while we look, and those of other users may not be looked into.
        with contextlib.suppress(OSError):
            if any(str(descriptor.readlink()) in sockets for descriptor in descriptors.iterdir()):
                return Holder(int(descriptors.parent.name), _command_of(descriptors.parent))
    return None


def _listening_sockets(port: int) -> Iterator[str]:
    """Sockets that listen on the port, as links in /proc/PID/fd name them."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                _, local, _, state, *_, inode = line.split()[:10]
                if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                    yield f"socket:[{inode}]"


def _command_of(process: Path) -> str:
    words = (process / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
    line = re.sub(r"[^\x20-\x7e]", "?", shlex.join(words))
    return line if len(line) <= _LONGEST_COMMAND else f"{line[: _LONGEST_COMMAND - 1]}…"
