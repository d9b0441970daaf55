"""One side of a relayed connection, which delays outgoing bytes."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_IN_FLIGHT_LIMIT_BYTES = 8 * 1024 * 1024


class Pipe:
    """A stream pair; `send` returns at once and delivers after the delay, in order."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_seconds: Callable[[], float]) -> None:
        self.reader = reader
        self._writer = writer
        self.delay_seconds = delay_seconds
        self._loop = asyncio.get_running_loop()
        self._in_flight: deque[bytes] = deque()
        self._in_flight_bytes = 0
        self._landed = asyncio.Event()
        self._last_landing = 0.0

    def send(self, data: bytes) -> float:
        """Deliver after the delay; returns when that will be, on the loop's clock."""
        delay = self.delay_seconds()
        now = self._loop.time()
        if delay <= 0 and not self._in_flight:
            self._writer.write(data)
            return now
        self._last_landing = max(now + delay, self._last_landing)
        self._in_flight.append(data)
        self._in_flight_bytes += len(data)
        # Timers of equal time may fire in any order, so each delivers the oldest piece.
        self._loop.call_at(self._last_landing, self._land)
        return self._last_landing

    async def ready(self) -> None:
        """Wait while too many bytes are in flight, so that a slow reader slows its sender."""
        while self._in_flight_bytes > _IN_FLIGHT_LIMIT_BYTES:
            self._landed.clear()
            await self._landed.wait()
        await self._writer.drain()

    async def flush(self) -> None:
        """Wait until all bytes are delivered."""
        while self._in_flight:
            self._landed.clear()
            await self._landed.wait()
        await self._writer.drain()

    def is_usable(self) -> bool:
        """Whether the peer still listens, as far as known."""
        return not (self.reader.at_eof() or self._writer.is_closing())

    def close(self) -> None:
        """Close the connection; bytes in flight are lost."""
        self._in_flight.clear()
        self._writer.close()

    def abort(self) -> None:
        """Close at once, with a reset."""
        self._in_flight.clear()
        self._writer.transport.abort()

    def _land(self) -> None:
        if self._in_flight:
            data = self._in_flight.popleft()
            self._in_flight_bytes -= len(data)
            if not self._writer.is_closing():
                self._writer.write(data)
        self._landed.set()
