"""Assignment of shards to nodes: stored and stable, never derived from the order in which nodes are listed.

In the replaced system shard i belonged to the i-th ready node, so that one unready node moved every later shard (contract 2.5).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from shared.agent.assignment import Assignment, Shards
from shared.errors import Code, Problem
from shared.runs.warmup.capacity import least_ceiling, room
from shared.runs.warmup.min_cost_flow import match


class Candidate(NamedTuple):
    """A node that may hold shards: it is in the workload pool and can take an agent.

    `budget_bytes` is how much of its memory this database may fill; None means no limit.
    """

    name: str
    budget_bytes: int | None = None


def assign(
    shard_count: int,
    candidates: Sequence[Candidate],
    previous: Assignment | None = None,
    *,
    replicas: int = 1,
    shard_bytes: Sequence[int] = (),
    companion_bytes: int = 0,
) -> Assignment | Problem:
    """Assign every shard to `replicas` nodes, as evenly as possible, and with that move as few shards as possible.

    The result depends on the values alone, not on the order of the nodes; applied to its own result it changes nothing. Without a
    previous assignment, shards go to nodes in the order of their names. A lost, replaced or cordoned node is not among the
    candidates: its shards move, and the other nodes keep theirs. An added node gets only shards that other nodes now have too
    many of.

    Args:
        shard_count: N; a previous assignment with another N is ignored, because its shards have other volumes.
        candidates: the nodes that may hold shards; names are distinct.
        previous: the assignment that the nodes hold now.
        replicas: how many nodes each shard needs.
        shard_bytes: the bytes of each shard; required if candidates have a budget.
        companion_bytes: the bytes that each node needs once, in addition to its shards.

    Raises:
        ValueError: names repeat, or there are not as many sizes as shards.
    """
    ordered = sorted(candidates)
    if len({node.name for node in ordered}) != len(ordered) or len(shard_bytes) not in (0, shard_count):
        raise ValueError("node names must be distinct, and there must be a size for every shard or for none")
    rooms = _rooms(ordered, shard_count, shard_bytes, companion_bytes)
    ceiling = least_ceiling(rooms, shard_count, replicas)
    if ceiling is None or not 1 <= replicas <= len(ordered):
        return _does_not_fit(shard_count, rooms, replicas)
    had = previous.nodes if previous is not None and previous.shard_count == shard_count else {}
    matched = match([min(ceiling, one) for one in rooms], _held(shard_count, ordered, had), replicas)
    nodes = {
        node.name: tuple(shard for shard in range(shard_count) if matched[shard] >> number & 1)
        for number, node in enumerate(ordered)
    }
    return Assignment(shard_count=shard_count, nodes={name: shards for name, shards in nodes.items() if shards})


def _rooms(candidates: Sequence[Candidate], shard_count: int, shard_bytes: Sequence[int], companion_bytes: int) -> list[int]:
    limits = {
        budget: shard_count if budget is None else room(shard_bytes or [0] * shard_count, budget, companion_bytes)
        for budget in {node.budget_bytes for node in candidates}
    }
    return [limits[node.budget_bytes] for node in candidates]


def _held(shard_count: int, candidates: Sequence[Candidate], had: Mapping[str, Shards]) -> list[int]:
    held = [0] * shard_count
    for number, node in enumerate(candidates):
        for shard in had.get(node.name, ()):
            held[shard] |= 1 << number
    return held


def _does_not_fit(shard_count: int, rooms: Sequence[int], replicas: int) -> Problem:
    if not rooms:
        return Problem(code=Code.NO_READY_NODES, message="No node of the workload pool can take an agent.")
    if not 1 <= replicas <= len(rooms):
        message = f"{replicas} replicas of every shard need as many nodes; {len(rooms)} are ready."
        return Problem(code=Code.TOO_FEW_NODES, message=message, target="replicas")
    message = (
        f"{shard_count} shards with {replicas} replicas need {shard_count * replicas} places; {len(rooms)} nodes have memory "
        f"for {sum(rooms)}. Add nodes, or use larger ones."
    )
    return Problem(code=Code.CLUSTER_TOO_SMALL, message=message)
