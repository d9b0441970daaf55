"""Minimum-cost flow that matches shards to nodes and moves as few shards as possible; solved exactly.

Each shard needs `replicas` distinct nodes, and each node takes at most its ceiling. A pair that existed before costs 0, a new one
1. The algorithm is successive shortest paths: it adds one unit at a time along a cheapest path, which may move shards that are
already placed. A set of nodes is an integer whose bit k is node k, so that one operation covers 500 nodes.
"""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

_NO_PATH = (10**9, 0)


class _Step(NamedTuple):
    """One step of a path: the shard that is being placed displaces `shard` from `node`."""

    shard: int
    node: int


def match(ceilings: Sequence[int], held: Sequence[int], replicas: int) -> list[int]:
    """Match shards to nodes; returns for each shard the set of its nodes.

    Args:
        ceilings: how many shards each node may have.
        held: for each shard the set of nodes that already have it.
        replicas: how many nodes each shard needs.

    Raises:
        ValueError: the nodes do not have enough places.
    """
    placement = _Placement(ceilings, held)
    # A shard that stays costs nothing, so it is part of some cheapest flow: place those first, then the shards that must move.
    for shard in range(len(held)):
        while placement.on[shard].bit_count() < replicas and placement.place(shard, placement.held[shard]):
            pass
    for shard in range(len(held)):
        while placement.on[shard].bit_count() < replicas:
            # A shard without a former node to return to has a cheapest path of cost 1 or more, and taking a free node costs 1.
            returns = placement.held[shard] & ~placement.on[shard]
            if not (not returns and placement.place(shard, placement.all_nodes)) and not placement.rearrange(shard):
                raise ValueError("the nodes do not have enough places")
    return placement.on


class _Placement:
    """Which nodes hold each shard so far. `_free_at[c]` is the set of nodes with c shards that can take another."""

    def __init__(self, ceilings: Sequence[int], held: Sequence[int]) -> None:
        self.held = list(held)
        self.on = [0] * len(held)
        self.all_nodes = (1 << len(ceilings)) - 1
        self._ceilings = ceilings
        self._counts = [0] * len(ceilings)
        self._free_at = [0] * (max(ceilings, default=0) + 1)
        self._free_at[0] = sum(1 << node for node, ceiling in enumerate(ceilings) if ceiling)

    def place(self, shard: int, among: int) -> bool:
        """Put a shard on the emptiest free node of a set, the first by number among equals; False if there is none."""
        wanted = among & ~self.on[shard]
        for nodes in self._free_at:
            if nodes & wanted:
                node = _first(nodes & wanted)
                self.on[shard] |= 1 << node
                self._fill(node)
                return True
        return False

    def rearrange(self, shard: int) -> bool:
        """Give a shard one more node along a cheapest path of displacements; False if there is no path.

        The matching so far is a cheapest one, so no cycle saves moves. Therefore the search ends, and a shortest path among the
        cheapest visits no node twice.
        """
        cost, came_by = self._search(shard)
        free = sum(self._free_at)
        ends = [(moves + self._end_cost(last, free), hops, last) for last, (moves, hops) in cost.items() if free & ~self.on[last]]
        if not ends:
            return False
        moves, _, last = min(ends)
        self.place(last, self.held[last] if moves == cost[last][0] else self.all_nodes)
        while last != shard:
            before, step = came_by[last]
            self.on[last] &= ~(1 << step.node)
            self.on[before] |= 1 << step.node
            last = before
        return True

    def _search(self, start: int) -> tuple[dict[int, tuple[int, int]], dict[int, tuple[int, _Step]]]:
        """The cheapest (moves, hops) with which `start` can take the place of each other shard, and by which step."""
        cost = {start: (0, 0)}
        came_by: dict[int, tuple[int, _Step]] = {}
        waiting = deque([start])
        while waiting:
            shard = waiting.popleft()
            moves, hops = cost[shard]
            for other in range(len(self.on)):
                nodes, price = self._displacement(shard, other)
                reached = (moves + price, hops + 1)
                if nodes and reached < cost.get(other, _NO_PATH):
                    cost[other] = reached
                    came_by[other] = shard, _Step(other, _first(nodes))
                    waiting.append(other)
        return cost, came_by

    def _displacement(self, shard: int, other: int) -> tuple[int, int]:
        """The nodes on which the shard replaces the other at the lowest cost, and the change in moves."""
        nodes = self.on[other] & ~self.on[shard]
        mine, others = self.held[shard], self.held[other]
        if saving := nodes & mine & ~others:
            return saving, -1
        if even := nodes & ~(mine ^ others):
            return even, 0
        return nodes, 1

    def _end_cost(self, shard: int, free: int) -> int:
        return 0 if free & ~self.on[shard] & self.held[shard] else 1

    def _fill(self, node: int) -> None:
        count = self._counts[node]
        self._counts[node] = count + 1
        self._free_at[count] &= ~(1 << node)
        if count + 1 < self._ceilings[node]:
            self._free_at[count + 1] |= 1 << node


def _first(nodes: int) -> int:
    return (nodes & -nodes).bit_length() - 1
