"""Capacity of nodes, in shards: one rule for the choice of N, the plan and the assignment.

A node's limit in bytes becomes a limit in shards by assuming its largest shards: a node with room for any m shards never
overflows, whichever m it gets. Layouts are balanced by bytes, so little room is lost. In return the assignment can be solved
exactly, which packing by bytes cannot.
"""

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

SAFE_FRACTION = Fraction(1, 2)
"""The part of a node's memory that shards may fill; the rest is for the search itself (contract 1.1)."""


def shards_per_node(shard_count: int, nodes: int, replicas: int = 1) -> int:
    """The number of shards on the fullest node when shards are spread evenly."""
    return -(-shard_count * replicas // nodes)


def budget_of(memory_bytes: int, safe: Fraction = SAFE_FRACTION) -> int:
    """The bytes of a node's memory that shards may fill."""
    return int(memory_bytes * safe)


def room(shard_bytes: Sequence[int], budget_bytes: int, companion_bytes: int = 0) -> int:
    """How many of the shards fit into a budget, whichever they are. `companion_bytes` are needed once on every node."""
    largest_first = list(accumulate(sorted(shard_bytes, reverse=True)))
    return bisect_right(largest_first, budget_bytes - companion_bytes)


def load(shard_bytes: Sequence[int], shards: int, companion_bytes: int = 0) -> int:
    """The most bytes that a node with this many shards can hold, whichever they are."""
    return companion_bytes + sum(sorted(shard_bytes, reverse=True)[:shards])


def least_ceiling(rooms: Sequence[int], shard_count: int, replicas: int = 1) -> int | None:
    """The smallest possible number of shards on the fullest node, within every node's room; None when the shards do not fit.

    Equals `shards_per_node` when every node has room for that many.
    """
    if not rooms:
        return None
    needed = shard_count * replicas
    for ceiling in range(shards_per_node(shard_count, len(rooms), replicas), shard_count + 1):
        # The sum is concave in the number of shards and 0 for none: if all shards fit, so does every part, on distinct nodes.
        if sum(min(ceiling, one) for one in rooms) >= needed:
            return ceiling
    return None
