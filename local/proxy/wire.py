"""HTTP/1.1 framing: where a message's head ends, and which bytes are its body. Nothing is rewritten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHUNK_BYTES = 256 * 1024
HEAD_LIMIT_BYTES = 256 * 1024


class Request(NamedTuple):
    """A request's head, as rules see it."""

    method: str
    path: str
    """As sent: still percent-encoded, without the query."""
    query: str
    headers: dict[str, str]
    """Names in lower case."""
    head: bytes
    """Exactly what arrived, the blank line included."""


class Response(NamedTuple):
    """An answer's head."""

    status: int
    headers: dict[str, str]
    head: bytes


async def read_request(stream: asyncio.StreamReader) -> Request | None:
    """The next request's head; None when the client has closed between two requests.

    Raises:
        asyncio.IncompleteReadError: closed in the middle of a head.
        ValueError: not HTTP/1.1.
    """
    head = await _read_head(stream)
    if head is None:
        return None
    first, headers = _parse(head)
    method, target, _ = first.split(" ", 2)
    path, _, query = target.partition("?")
    return Request(method, path, query, headers, head)


async def read_response(stream: asyncio.StreamReader) -> Response:
    """The next answer's head, an interim one (1xx) included.

    Raises:
        asyncio.IncompleteReadError: the upstream closed instead of answering.
        ValueError: not HTTP/1.1.
    """
    head = await _read_head(stream)
    if head is None:
        raise asyncio.IncompleteReadError(b"", None)
    first, headers = _parse(head)
    return Response(int(first.split(" ", 2)[1]), headers, head)


def request_body(request: Request, stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The request's body in pieces, unchanged; read it to its end."""
    if _is_chunked(request.headers):
        return _chunked(stream)
    return _counted(stream, int(request.headers.get("content-length", "0")))


def response_body(method: str, response: Response, stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The body of the answer to a request of that method, in pieces, unchanged; read it to its end."""
    if method == "HEAD" or response.status in {204, 304}:
        return _counted(stream, 0)
    if _is_chunked(response.headers):
        return _chunked(stream)
    if "content-length" in response.headers:
        return _counted(stream, int(response.headers["content-length"]))
    return _until_closed(stream)


def keeps_alive(request: Request, response: Response) -> bool:
    """Whether the connection may serve another request after this one."""
    closes = "close" in (request.headers.get("connection", "").lower(), response.headers.get("connection", "").lower())
    is_framed = (
        request.method == "HEAD"
        or response.status in {204, 304}
        or "content-length" in response.headers
        or _is_chunked(response.headers)
    )
    return is_framed and not closes


async def _read_head(stream: asyncio.StreamReader) -> bytes | None:
    try:
        return await stream.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None


def _parse(head: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return first, headers


def _is_chunked(headers: dict[str, str]) -> bool:
    return "chunked" in headers.get("transfer-encoding", "").lower()


async def _counted(stream: asyncio.StreamReader, size_bytes: int) -> AsyncIterator[bytes]:
    while size_bytes > 0:
        piece = await stream.read(min(size_bytes, CHUNK_BYTES))
        if not piece:
            raise asyncio.IncompleteReadError(b"", size_bytes)
        size_bytes -= len(piece)
        yield piece


async def _chunked(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while True:
        line = await stream.readuntil(b"\r\n")
        size_bytes = int(line.split(b";", 1)[0], 16)
        if size_bytes == 0:
            break
        yield line
        async for piece in _counted(stream, size_bytes + 2):
            yield piece
    # The last chunk, then trailers up to a blank line.
    yield line
    while line != b"\r\n":
        line = await stream.readuntil(b"\r\n")
        yield line


async def _until_closed(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await stream.read(CHUNK_BYTES):
        yield piece
