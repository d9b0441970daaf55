"""Readers of large files without IO: a reader yields the spans of bytes that it needs, and its caller fetches them.

Readers are generators and know nothing of storage. A reader that gets fewer bytes than it asked for calls the file damaged.
"""

from collections.abc import Awaitable, Callable, Generator
from typing import NamedTuple


class Span(NamedTuple):
    """Consecutive bytes of a file."""

    offset: int
    size_bytes: int


type Reading[T] = Generator[Span, bytes, T]


def read_with[T](reading: Reading[T], fetch: Callable[[Span], bytes]) -> T:
    """Drive a reader to its result; `fetch` returns the bytes of a span, fewer where the file ends."""
    try:
        span = next(reading)
        while True:
            span = reading.send(fetch(span))
    except StopIteration as end:
        return end.value


async def read_with_async[T](reading: Reading[T], fetch: Callable[[Span], Awaitable[bytes]]) -> T:
    """As `read_with`, with an asynchronous `fetch`."""
    try:
        span = next(reading)
        while True:
            content = await fetch(span)
            span = reading.send(content)
    except StopIteration as end:
        return end.value
