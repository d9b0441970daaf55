"""Rules of the proxy: fail, hold and cut requests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local.proxy.wire import Request

    type Match = Callable[[Request], bool]
    type Act = Callable[[Request], Awaitable[Fault | None]]

_NOT_MODIFIED = 304
REASONS = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict", 412: "Precondition Failed"}


@dataclass(frozen=True, slots=True)
class Fault:
    """How a failed request is answered."""

    status: int
    code: str
    delay_seconds: float

    def answer(self, method: str) -> bytes:
        """The whole answer in the form of Azure Storage's errors; without a body for HEAD and for 304."""
        message = f"{self.code}: this answer was made by a fault rule of the local proxy."
        body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{escape(self.code)}</Code>'
        body += f"<Message>{escape(message)}</Message></Error>"
        reason = REASONS.get(self.status, "Server Error")
        head = (
            f"HTTP/1.1 {self.status} {reason}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
            f"x-ms-error-code: {self.code}\r\nx-ms-version: 2021-10-04\r\n\r\n"
        )
        return head.encode() + (b"" if method == "HEAD" or self.status == _NOT_MODIFIED else body.encode())


class Rule:
    """Applies to requests that match, until `remove`. This base class does `cut` and `fail`."""

    def __init__(self, owner: list[Rule], match: Match, *, times: int | None, fault: Fault | None) -> None:
        self.hits = 0
        """How many requests have matched."""
        self.fault = fault
        """The answer; None cuts the connection instead."""
        self._owner = owner
        self._match = match
        self._times = times
        owner.append(self)

    def remove(self) -> None:
        """Stop applying to requests. Safe to repeat."""
        if self in self._owner:
            self._owner.remove(self)

    def meets(self, request: Request) -> bool:
        """Whether the rule applies to this request; counts the request if so."""
        if not self._match(request):
            return False
        self.hits += 1
        if self.hits == self._times:
            self.remove()
        return True


class Shortened(Rule):
    """Lets requests take effect, and breaks off in the middle of the answer's body."""


class CarriedOut(Rule):
    """Carries out requests by `act` in place of the upstream; `act` returns the fault to answer with, or None."""

    def __init__(self, owner: list[Rule], match: Match, act: Act) -> None:
        super().__init__(owner, match, times=None, fault=None)
        self.act = act


class Held(Rule):
    """Holds requests at the proxy before the upstream has seen them.

    After the release a request reaches the upstream even if its client has died: a late write, as on a network.
    """

    def __init__(self, owner: list[Rule], match: Match) -> None:
        super().__init__(owner, match, times=None, fault=None)
        self._released = asyncio.Event()
        self._arrived = asyncio.Condition()

    async def wait(self) -> None:
        """Wait for the release; the proxy calls this for each matching request."""
        async with self._arrived:
            self._arrived.notify_all()
        await self._released.wait()

    async def reached(self, count: int = 1) -> None:
        """Wait until `count` requests are held."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.hits >= count)

    def release(self) -> None:
        """Let held requests go on, and hold no more. Safe to repeat."""
        self.remove()
        self._released.set()
