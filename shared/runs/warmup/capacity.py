"""How many shards a node is to hold: one rule for selection, plan and assignment.

A limit in bytes is turned into a limit in shards by the largest shards: what has room for any m shards never overflows,
whichever m it gets. The layouts are balanced by bytes, so little is lost; and the assignment stays a problem that is
solved exactly, where packing by bytes is not.
"""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

SAFE_FRACTION = Fraction(1, 2)
"""Of a node's memory, what shards may fill; the rest is for the search itself (contract 1.1)."""


def shards_per_node(shard_count: int, nodes: int, replicas: int = 1) -> int:
    """The shards on the fullest node when they are spread evenly."""
    return -(-shard_count * replicas // nodes)


def budget_of(memory_bytes: int, safe: Fraction = SAFE_FRACTION) -> int:
    """The bytes that shards may fill of a node's memory."""
    return int(memory_bytes * safe)


def room(shard_bytes: Sequence[int], budget_bytes: int, companion_bytes: int = 0) -> int:
    """How many of the shards fit into a budget, whichever they are. `companion_bytes` are needed once on every node."""
    largest_first = list(accumulate(sorted(shard_bytes, reverse=True)))
    return bisect_right(largest_first, budget_bytes - companion_bytes)


def load(shard_bytes: Sequence[int], shards: int, companion_bytes: int = 0) -> int:
    """The bytes on a node that holds so many shards, whichever they are."""
    return companion_bytes + sum(sorted(shard_bytes, reverse=True)[:shards])


def least_ceiling(rooms: Sequence[int], shard_count: int, replicas: int = 1) -> int | None:
    """The fewest shards that the fullest node must hold, when no node holds more than its room; None when they do not fit.

    It is `shards_per_node` where every node has room for that many.
    """
    if not rooms:
        return None
    needed = shard_count * replicas
    for ceiling in range(shards_per_node(shard_count, len(rooms), replicas), shard_count + 1):
        # Concave in the number of shards looked at, and 0 at none: if all of them fit, so does any part, on distinct nodes.
        if sum(min(ceiling, one) for one in rooms) >= needed:
            return ceiling
    return None
