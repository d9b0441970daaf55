"""Which node holds which shards: stored and stable, never derived from the order in which nodes happen to be listed.

In the replaced system shard i belonged to the i-th ready node, and one node not ready moved every later shard (contract 2.5).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.agent.assignment import Assignment, Shards
from shared.errors import Code, Problem
from shared.runs.warmup.capacity import least_ceiling, room
from shared.runs.warmup.min_cost_flow import match


class Seat(NamedTuple):
    """A node that may hold shards: ready, uncordoned, of the workload pool.

    `budget_bytes` is what this database may fill there; None when bytes are not to be looked at.
    """

    name: str
    budget_bytes: int | None = None


def assign(
    shard_count: int,
    seats: Sequence[Seat],
    previous: Assignment | None = None,
    *,
    replicas: int = 1,
    shard_bytes: Sequence[int] = (),
    companion_bytes: int = 0,
) -> Assignment | Problem:
    """Every shard on `replicas` nodes, none with more than it must, and as few shards moved as that allows.

    Depends on the values alone, not on the order of the seats; applied to its own result it changes nothing. Without a
    previous assignment shards go to nodes in order of their names. A node that is lost, replaced or cordoned is one that
    has no seat: what it held moves, the others keep what they hold. A node more gets only what others now have too many of.

    Args:
        shard_count: N; a previous assignment with another N counts for nothing, its shards being other volumes.
        seats: where shards may go; names are distinct.
        previous: what the nodes hold.
        replicas: on how many nodes each shard is to be.
        shard_bytes: the bytes of each shard; needed where seats have a budget.
        companion_bytes: what each node needs once besides.

    Raises:
        ValueError: names repeat, or there are not as many sizes as shards.
    """
    ordered = sorted(seats)
    if len({seat.name for seat in ordered}) != len(ordered) or len(shard_bytes) not in (0, shard_count):
        raise ValueError("seats have distinct names, and there is a size for every shard or for none")
    rooms = _rooms(ordered, shard_count, shard_bytes, companion_bytes)
    ceiling = least_ceiling(rooms, shard_count, replicas)
    if ceiling is None or not 1 <= replicas <= len(ordered):
        return _does_not_fit(shard_count, rooms, replicas)
    had = previous.nodes if previous is not None and previous.shard_count == shard_count else {}
    matched = match([min(ceiling, one) for one in rooms], _held(shard_count, ordered, had), replicas)
    nodes = {
        seat.name: tuple(shard for shard in range(shard_count) if matched[shard] >> number & 1)
        for number, seat in enumerate(ordered)
    }
    return Assignment(shard_count=shard_count, nodes={name: shards for name, shards in nodes.items() if shards})


def _rooms(seats: Sequence[Seat], shard_count: int, shard_bytes: Sequence[int], companion_bytes: int) -> list[int]:
    limits = {
        budget: shard_count if budget is None else room(shard_bytes or [0] * shard_count, budget, companion_bytes)
        for budget in {seat.budget_bytes for seat in seats}
    }
    return [limits[seat.budget_bytes] for seat in seats]


def _held(shard_count: int, seats: Sequence[Seat], had: Mapping[str, Shards]) -> list[int]:
    held = [0] * shard_count
    for number, seat in enumerate(seats):
        for shard in had.get(seat.name, ()):
            held[shard] |= 1 << number
    return held


def _does_not_fit(shard_count: int, rooms: Sequence[int], replicas: int) -> Problem:
    if not rooms:
        return Problem(code=Code.NO_READY_NODES, message="No node of the workload pool is ready and uncordoned.")
    if not 1 <= replicas <= len(rooms):
        message = f"{replicas} replicas of every shard need as many nodes; {len(rooms)} are ready."
        return Problem(code=Code.TOO_FEW_NODES, message=message, target="replicas")
    message = (
        f"{shard_count} shards with {replicas} replicas need {shard_count * replicas} places; {len(rooms)} nodes have memory "
        f"for {sum(rooms)}. Add nodes, or use larger ones."
    )
    return Problem(code=Code.CLUSTER_TOO_SMALL, message=message)
