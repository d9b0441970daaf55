"""Seats: the nodes that can take an agent, with what each has left, and the choice of N on them.

A node's budget for a database is half of its memory (the rest is for searches), and no more than it has left: its allocatable
memory less what the pods there request, other warm databases' agents among them. The scheduler counts the same way. A plan within
these budgets therefore never ends in pods that cannot be scheduled. What is in memory lies on the node's disk, too, so the disk
less the agents' reserve is a limit as well.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shared.runs.warmup.assignment import Candidate
from shared.runs.warmup.capacity import SAFE_FRACTION
from shared.runs.warmup.facts import PodRequest, Requested
from shared.runs.warmup.sizing import Choice, DatabaseSize, NodePool, choose_shard_count
from shared.runs.warmup.sizing_advice import NO_LIMIT


class Seat(NamedTuple):
    """A node that can take an agent: its memory, what of it the database's agent may request, and what files may fill.

    `disk_bytes` is None when that is not known.
    """

    name: str
    memory_bytes: int
    left_bytes: int
    disk_bytes: int | None = None
    machine: str | None = None


def requested_by_node(requests: Iterable[PodRequest], own: str) -> Mapping[str, Requested]:
    """What pods request on each node, without the agents of the database whose hash is `own`.

    A pod that waits for a node counts there, except where the database's own agent has its place already: the scheduler keeps
    that place, and a pod that came later must not push the database out.
    """
    of_others = [one for one in requests if one.database != own]
    has_place = {one.node for one in requests if one.database == own and one.is_bound}
    sums: defaultdict[str, Requested] = defaultdict(Requested)
    for one in of_others:
        if one.is_bound or one.node not in has_place:
            so_far = sums[one.node]
            sums[one.node] = Requested(
                so_far.memory_bytes + one.memory_bytes, so_far.cpu_millis + one.cpu_millis, so_far.pods + 1
            )
    return sums


def choose(
    size: DatabaseSize, seats: Sequence[Seat], *, requested: int | None = None, replicas: int | None = None
) -> tuple[Choice, tuple[Candidate, ...]]:
    """Choose N, and say which nodes may hold how much.

    All agents of a database request the load of the fullest node, because one DaemonSet makes them. A node that has less than
    that left cannot take an agent, whatever its own load would be, so the choice is made again without it.
    """
    left = tuple(seats)
    while True:
        pool = NodePool(
            memory_bytes=tuple(seat.memory_bytes for seat in left),
            left_bytes=tuple(seat.left_bytes for seat in left),
            disk_bytes=tuple(NO_LIMIT if seat.disk_bytes is None else seat.disk_bytes for seat in left),
            machine=next((seat.machine for seat in left if seat.machine), None),
        )
        choice = choose_shard_count(size, pool, requested=requested, replicas=replicas)
        roomy = tuple(seat for seat in left if seat.left_bytes >= choice.node_bytes)
        if choice.problem is not None or len(roomy) == len(left):
            candidates = (
                Candidate(seat.name, budget) for seat, budget in zip(left, pool.nodes.budgets(SAFE_FRACTION), strict=True)
            )
            return choice, tuple(candidates)
        left = roomy
