"""Reading a little of a large file: a reader asks for spans of bytes, and a caller with a connection fetches them.

Readers are generators and know nothing of storage. One that gets fewer bytes than it asked for takes the file for damaged.
"""

from collections.abc import Awaitable, Callable, Generator
from typing import NamedTuple


class Span(NamedTuple):
    """Consecutive bytes of a file."""

    offset: int
    size_bytes: int


type Reading[T] = Generator[Span, bytes, T]


def read_with[T](reading: Reading[T], fetch: Callable[[Span], bytes]) -> T:
    """Drive a reader; `fetch` gives the bytes of a span, fewer where the file ends."""
    try:
        span = next(reading)
        while True:
            span = reading.send(fetch(span))
    except StopIteration as end:
        return end.value


async def read_with_async[T](reading: Reading[T], fetch: Callable[[Span], Awaitable[bytes]]) -> T:
    """As `read_with`, with a `fetch` to wait for."""
    try:
        span = next(reading)
        while True:
            content = await fetch(span)
            span = reading.send(content)
    except StopIteration as end:
        return end.value
