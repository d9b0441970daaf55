"""Sizing advice for a database that does not fit its nodes: more nodes, or larger ones; never fewer or smaller."""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil
from operator import itemgetter
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from shared.errors import Code, Problem
from shared.runs.warmup.capacity import budget_of, load, room, shards_per_node
from shared.runs.warmup.vm_sizes import GIBIBYTE, cheapest_with, machine

# AKS keeps 25 % of a node's first 4 GiB for the system, 20 % of the next 4 and less of what is above. Pods get the rest.
_ALLOCATABLE_OF_MORE = Fraction(4, 5)


NO_LIMIT = 2**62
"""The bytes of a disk whose size is not known."""


class Nodes(NamedTuple):
    """The nodes one by one: the memory of each, what of it pods may still request, and what files may fill of its disk."""

    memory_bytes: tuple[int, ...]
    left_bytes: tuple[int, ...]
    disk_bytes: tuple[int, ...]

    def budgets(self, safe: Fraction) -> tuple[int, ...]:
        """The bytes that shards may fill on each node."""
        return tuple(min(budget_of(memory, safe), left, disk) for memory, left, disk in zip(*self, strict=True))


class Trial(NamedTuple):
    """One shard set tried on a set of nodes: the bytes of each shard, and the bytes that each node may fill."""

    shard_count: int
    shard_bytes: tuple[int, ...]
    companion_bytes: int
    replicas: int
    budgets: tuple[int, ...]

    def rooms(self) -> list[int]:
        """How many of the shards each node has room for."""
        by_budget = {budget: room(self.shard_bytes, budget, self.companion_bytes) for budget in set(self.budgets)}
        return [by_budget[budget] for budget in self.budgets]


class Advice(BaseModel):
    """One arrangement of nodes that would hold the database, with its shard count.

    `memory_bytes` is the capacity that each node must have, None when the nodes stay as they are. `machine` is a VM size with
    that memory, None when no known size has it.
    """

    model_config = ConfigDict(frozen=True)

    nodes: int
    shard_count: int
    memory_bytes: int | None = None
    machine: str | None = None

    @property
    def sentence(self) -> str:
        """The advice as a sentence for a person."""
        nodes = counted(self.nodes)
        if self.memory_bytes is None:
            return f"N = {self.shard_count} fits {nodes} like these."
        by_type = f", such as {self.machine}" if self.machine else ""
        return f"N = {self.shard_count} fits {nodes} with {gibibytes_up(self.memory_bytes)} each{by_type}."


def counted(number: int, noun: str = "node") -> str:
    """A count with its noun, singular or plural."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def gibibytes_up(size: int) -> str:
    """A size in GiB, rounded up, so that a need is never shown smaller than it is."""
    return f"{ceil(Fraction(size * 100, GIBIBYTE)) / 100:.2f} GiB"


def gibibytes_down(size: int) -> str:
    """A limit in GiB, rounded down, so that it is never shown larger than it is."""
    return f"{size * 100 // GIBIBYTE / 100:.2f} GiB"


def advise(trials: Sequence[Trial], like: Nodes, safe: Fraction, machine_name: str | None) -> tuple[Advice, ...]:
    """Advise two ways out: the fewest more nodes like the smallest one, and the least memory for the same number of nodes.

    More memory is no way out where the disks are too small.
    """
    # The trials are in order of N: among equal ones the first puts the fewest shards on a node.
    nodes = len(like.memory_bytes)
    advice: list[Advice] = []
    empty = min(Nodes(like.memory_bytes, like.memory_bytes, like.disk_bytes).budgets(safe))
    more = [(nodes + extra, trial) for trial in trials if (extra := _nodes_missing(trial, empty)) is not None]
    if more:
        count, trial = min(more, key=itemgetter(0))
        advice.append(Advice(nodes=count, shard_count=trial.shard_count))
    on_disk = [trial for trial in trials if _part(trial) <= min(like.disk_bytes)]
    if not on_disk:
        return tuple(advice)
    memory, trial = min(((_memory_needed(trial, like, safe), trial) for trial in on_disk), key=itemgetter(0))
    # Never less than the nodes have now: where they differ, the computed need may be below what some already have.
    memory = max(memory, *like.memory_bytes)
    fitting = cheapest_with(memory, at_least=machine(machine_name) if machine_name else None)
    name = fitting.name if fitting else None
    return (*advice, Advice(nodes=nodes, shard_count=trial.shard_count, memory_bytes=memory, machine=name))


def too_small(trials: Sequence[Trial], nearest: Trial, nodes: Nodes, safe: Fraction, advice: Sequence[Advice]) -> Problem:
    """The problem of nodes that can hold none of the tried sets, with the numbers of the set that came nearest."""
    least, most = min(nodes.memory_bytes), max(nodes.memory_bytes)
    memory = gibibytes_down(least) if least == most else f"{gibibytes_down(least)} to {gibibytes_down(most)}"
    replicas = f", {nearest.replicas} times" if nearest.replicas > 1 else ""
    limit, way_out = _limit(nodes, safe)
    message = (
        f"{counted(nearest.shard_count, 'shard')} of up to {gibibytes_up(max(nearest.shard_bytes))}{replicas}, and "
        f"{gibibytes_up(nearest.companion_bytes)} for every node, do not fit: of {memory} memory a node, shards may fill "
        f"{limit}; {counted(len(nearest.budgets))} can hold {sum(nearest.rooms())} of "
        f"{nearest.shard_count * nearest.replicas}. {' '.join(one.sentence for one in advice)}"
        f"{way_out}"
    )
    holds_one = any(any(trial.rooms()) for trial in trials)
    return Problem(code=Code.CLUSTER_TOO_SMALL if holds_one else Code.MACHINE_TOO_SMALL, message=message)


def _limit(nodes: Nodes, safe: Fraction) -> tuple[str, str]:
    """What shards may fill on the roomiest node, with what limits it, and a way out."""
    budget, half, left, disk = max(
        zip(
            nodes.budgets(safe),
            (budget_of(one, safe) for one in nodes.memory_bytes),
            nodes.left_bytes,
            nodes.disk_bytes,
            strict=True,
        )
    )
    if budget == half:
        return gibibytes_down(budget), ""
    if budget == left:
        return f"{gibibytes_down(budget)}, as pods request the rest", " Or release a database that is no longer searched."
    return f"{gibibytes_down(disk)}, as the disk holds no more beside its reserve", " Or use larger disks."


def _part(trial: Trial) -> int:
    """The bytes on the fullest node when shards are spread evenly."""
    per_node = shards_per_node(trial.shard_count, len(trial.budgets), trial.replicas)
    return load(trial.shard_bytes, per_node, trial.companion_bytes)


def _nodes_missing(trial: Trial, budget: int) -> int | None:
    each = room(trial.shard_bytes, budget, trial.companion_bytes)
    if not each:
        return None
    missing = trial.shard_count * trial.replicas - sum(trial.rooms())
    return -(-missing // each)


def _memory_needed(trial: Trial, nodes: Nodes, safe: Fraction) -> int:
    """The memory with which every node could hold its part, beside what pods request and the system keeps."""
    needed = _part(trial)
    lefts = zip(nodes.memory_bytes, nodes.left_bytes, strict=True)
    short = [memory + ceil((needed - left) / _ALLOCATABLE_OF_MORE) for memory, left in lefts if left < needed]
    return max(ceil(needed / safe), *short, 0)
