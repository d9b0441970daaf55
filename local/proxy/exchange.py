"""One request and its answer, as the proxy relays, fails or cuts them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from local.proxy.pipe import Pipe
from local.proxy.records import Record
from local.proxy.wire import (
    HEAD_LIMIT_BYTES,
    Request,
    Response,
    keeps_alive,
    read_response,
    request_body,
    response_body,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.proxy.rules import Act, Fault

_CONTINUE = 100
_CREATED = 201
_FIRST_FINAL = 200


class Upstream:
    """Upstream connection of one client connection: opened at the first use, and again after the upstream has closed it."""

    def __init__(self, delay_seconds: Callable[[], float], port: Callable[[], int]) -> None:
        self._delay_seconds = delay_seconds
        self._port = port
        self._pipe: Pipe | None = None

    async def pipe(self) -> Pipe:
        """A usable connection; OSError when the upstream does not listen."""
        if self._pipe is None or not self._pipe.is_usable():
            self.close()
            streams = await asyncio.open_connection("127.0.0.1", self._port(), limit=HEAD_LIMIT_BYTES)
            self._pipe = Pipe(*streams, self._delay_seconds)
        return self._pipe

    def close(self) -> None:
        """Close the connection if there is one."""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


class Exchange:
    """One request and the ways to treat it; each appends one record."""

    def __init__(self, request: Request, client: Pipe, upstream: Upstream, started: float) -> None:
        self.request = request
        self._client = client
        self._upstream = upstream
        self._started = started
        self._client_may_still_send = False

    async def relay(self, records: list[Record]) -> bool:
        """Relay request and answer; returns whether the connection may serve another request."""
        try:
            pipe = await self._upstream.pipe()
            response = await self._forward(pipe)
        except (OSError, asyncio.IncompleteReadError):
            records.append(self._record(0, asyncio.get_running_loop().time(), 0))
            raise
        ended = self._client.send(response.head)
        sent_bytes = len(response.head)
        try:
            async for piece in response_body(self.request.method, response, pipe.reader):
                # Wait before each piece and not after the last, so that the record exists before the client has the end.
                await self._client.ready()
                ended = self._client.send(piece)
                sent_bytes += len(piece)
        finally:
            # Even if the client has died: the upstream has answered, so the request took effect.
            records.append(self._record(response.status, ended, sent_bytes))
        return keeps_alive(self.request, response) and not self._client_may_still_send

    async def cut(self, records: list[Record]) -> None:
        """Relay the request and drop the answer; the caller closes the client's connection."""
        pipe = await self._upstream.pipe()
        response = await self._forward(pipe)
        async for _ in response_body(self.request.method, response, pipe.reader):
            pass
        records.append(self._record(response.status, asyncio.get_running_loop().time(), 0, fault="cut"))

    async def shorten(self, records: list[Record]) -> None:
        """Relay the request and half of the answer's body; the caller closes the client's connection."""
        pipe = await self._upstream.pipe()
        response = await self._forward(pipe)
        body = b"".join([piece async for piece in response_body(self.request.method, response, pipe.reader)])
        self._client.send(response.head)
        ended = self._client.send(body[: len(body) // 2])
        records.append(self._record(response.status, ended, len(response.head) + len(body) // 2, fault="cut"))

    async def fail(self, fault: Fault, records: list[Record]) -> None:
        """Read the whole request and answer it with an error."""
        if _expects_continue(self.request):
            self._client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        async for _ in request_body(self.request, self._client.reader):
            pass
        await asyncio.sleep(self._client.delay_seconds() + fault.delay_seconds)
        answer = fault.answer(self.request.method)
        ended = self._client.send(answer)
        records.append(self._record(fault.status, ended, len(answer), fault="fail"))

    async def carry_out(self, act: Act, records: list[Record]) -> None:
        """Let `act` carry out the request in place of the upstream, and answer with its result."""
        fault = await act(self.request)
        answer = fault.answer(self.request.method) if fault else b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
        ended = self._client.send(answer)
        records.append(self._record(fault.status if fault else _CREATED, ended, len(answer)))

    async def _forward(self, pipe: Pipe) -> Response:
        """Send the request; returns the head of its final answer."""
        pipe.send(self.request.head)
        if _expects_continue(self.request):
            interim = await read_response(pipe.reader)
            if interim.status != _CONTINUE:
                self._client_may_still_send = True
                return interim
            self._client.send(interim.head)
        async for piece in request_body(self.request, self._client.reader):
            pipe.send(piece)
            await pipe.ready()
        response = await read_response(pipe.reader)
        while response.status < _FIRST_FINAL:
            response = await read_response(pipe.reader)
        return response

    def _record(self, status: int, ended: float, response_bytes: int, fault: str = "") -> Record:
        request = self.request
        return Record(request.method, request.path, request.query, status, self._started, ended, response_bytes, fault)


def _expects_continue(request: Request) -> bool:
    return request.headers.get("expect", "").lower() == "100-continue"
