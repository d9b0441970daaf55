"""The proxy's record of each request, and the longest chain of sequential requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Record(NamedTuple):
    """One request and its answer, as the client saw them; times are seconds of the monotonic clock."""

    method: str
    path: str
    """As sent: still percent-encoded, without the query."""
    query: str
    """As sent, without the question mark; empty when there is none."""
    status: int
    """Of the answer, even if it was cut; 0 when the upstream closed without one."""
    started: float
    """When the request's head had arrived at the proxy."""
    ended: float
    """When the last byte of the answer goes to the client, delay included."""
    response_bytes: int
    """Head and body of the answer on the wire."""
    fault: str
    """`fail` (the request did not reach the upstream), `cut` (it took effect, the answer was lost), or empty."""


def longest_chain(records: Iterable[Record]) -> int:
    """The longest chain of requests in which each one starts after the one before it has ended.

    With a delay much longer than the work on either side, this is the number of sequential round trips.
    """
    links = 0
    end = float("-inf")
    # Taking the earliest end first is the classic greedy choice: it leaves the most room for the rest of the chain.
    for record in sorted(records, key=lambda record: record.ended):
        if record.started >= end:
            links += 1
            end = record.ended
    return links
