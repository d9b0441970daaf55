"""The choice of N, the shard count: one function for warmup, plan and submit, so that they never disagree (contract 1.9, 4.5).

Two rules of the contract seem to contradict each other: N is at most the number of nodes, and several shards share a node when N
is above it and memory allows. An order of preference reconciles them. First comes the largest set with one shard a node, so that
no search waits for a node with two shards while another has none (the replaced system chose 8 shards for 7 nodes). Shards share
nodes only when no such set exists or fits, or when the caller gave N. A database that memory cannot hold is refused, never
squeezed in. All sizes are integers; nothing is rounded before it is compared.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import ceil
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from shared.errors import Code, Problem
from shared.runs.warmup.capacity import SAFE_FRACTION, least_ceiling, load, room, shards_per_node
from shared.runs.warmup.sizing_advice import NO_LIMIT, Advice, Nodes, Trial, advise, counted, gibibytes_up, too_small


class DatabaseSize(BaseModel):
    """The memory that a database needs.

    `volume_bytes` is the size of all volumes; `companion_bytes` that of the database-level files, which every node needs once.
    `shard_bytes` has, for each available shard set by its N, the bytes of each shard (`Layout.shard_bytes`).
    """

    model_config = ConfigDict(frozen=True)

    volume_bytes: int = Field(ge=0)
    companion_bytes: int = Field(default=0, ge=0)
    shard_bytes: Mapping[int, tuple[int, ...]]

    @model_validator(mode="after")
    def _has_a_size_for_every_shard(self) -> Self:
        if any(count != len(sizes) or not sizes for count, sizes in self.shard_bytes.items()):
            raise ValueError("a shard set has as many sizes as shards, and at least one")
        return self


class NodePool(BaseModel):
    """The nodes that may hold shards: the memory of each, and the machine type where it is known (for advice only).

    `left_bytes` is what pods may still request on each, and `disk_bytes` what files may fill; an empty one limits nothing.
    """

    model_config = ConfigDict(frozen=True)

    memory_bytes: tuple[PositiveInt, ...]
    left_bytes: tuple[NonNegativeInt, ...] = ()
    disk_bytes: tuple[NonNegativeInt, ...] = ()
    machine: str | None = None

    @property
    def nodes(self) -> Nodes:
        """The nodes one by one."""
        disks = self.disk_bytes or (NO_LIMIT,) * len(self.memory_bytes)
        return Nodes(self.memory_bytes, self.left_bytes or self.memory_bytes, disks)


class Choice(BaseModel):
    """The chosen N with its reason; or, with a `problem`, the N that came nearest.

    `memory_floor` is the smallest N that fits memory with one shard a node. `node_bytes` is the load of the fullest node,
    companions included, and `budget_bytes` what such a node may fill. `shard_count` is None when there is no set to choose from.
    """

    model_config = ConfigDict(frozen=True)

    shard_count: int | None = None
    reason: str = ""
    memory_floor: int = 1
    replicas: int = 1
    shards_per_node: int = 0
    largest_shard_bytes: int = 0
    node_bytes: int = 0
    budget_bytes: int = 0
    advice: tuple[Advice, ...] = ()
    problem: Problem | None = None

    @property
    def fits(self) -> bool:
        """Whether the chosen N may be used."""
        return self.problem is None


class _Fit(NamedTuple):
    trial: Trial
    ceiling: int | None
    per_node: int
    node_bytes: int


def choose_shard_count(
    size: DatabaseSize,
    pool: NodePool,
    *,
    requested: int | None = None,
    replicas: int | None = None,
    safe: Fraction = SAFE_FRACTION,
) -> Choice:
    """Choose the N to use on these nodes, or say why there is none.

    Args:
        size: the database and its available sets.
        pool: the nodes of the workload pool that can take an agent.
        requested: the caller's N; it is used or refused, never replaced by another.
        replicas: nodes for each shard. None means one, except for a set of a single shard: it gets every node, because
            searches of an unsharded database run on any node (contract 9, C12).
        safe: the part of a node's memory that shards may fill.
    """
    impossible = _impossible(size, pool, requested, replicas)
    if impossible is not None:
        return Choice(problem=impossible)
    nodes = len(pool.memory_bytes)
    budgets = pool.nodes.budgets(safe)
    fits = [
        _fit(Trial(count, shard_bytes, size.companion_bytes, _replicas(replicas, count, nodes), budgets))
        for count, shard_bytes in sorted(size.shard_bytes.items())
    ]
    considered = fits if requested is None else [fit for fit in fits if fit.trial.shard_count == requested]
    floor = max(1, ceil(Fraction(size.volume_bytes) / (min(pool.memory_bytes) * safe)))
    best = _best(considered)
    if best is not None:
        return _described(best, floor, _reason(best, size, nodes, requested))
    advice = advise([fit.trial for fit in considered], pool.nodes, safe, pool.machine)
    other = _best(fits)
    if other is not None:
        advice = (*advice, Advice(nodes=nodes, shard_count=other.trial.shard_count))
    nearest = min(considered, key=lambda fit: (fit.node_bytes, fit.trial.shard_count))
    refusal = too_small([fit.trial for fit in considered], nearest.trial, pool.nodes, safe, advice)
    return _described(nearest, floor, "").model_copy(update={"advice": advice, "problem": refusal})


def _impossible(size: DatabaseSize, pool: NodePool, requested: int | None, replicas: int | None) -> Problem | None:
    """A problem that no amount of memory would solve."""
    nodes = len(pool.memory_bytes)
    if not nodes:
        return Problem(code=Code.NO_READY_NODES, message="No node of the workload pool can take an agent.")
    if replicas is not None and not 1 <= replicas <= nodes:
        message = f"{replicas} replicas of every shard need as many nodes; {nodes} are ready. Ask for 1 to {nodes}."
        return Problem(code=Code.TOO_FEW_NODES, message=message, target="replicas")
    if not size.shard_bytes:
        return Problem(code=Code.SHARD_SET_NOT_FOUND, message="The database has no shard set. Shard it first.")
    if requested is not None and requested not in size.shard_bytes:
        message = (
            f"There is no shard set with N = {requested}; the sets are {_listed(size)}. Ask for one of these. If the "
            "database has at least that many volumes, shard it with this preset first."
        )
        return Problem(code=Code.SHARD_SET_NOT_FOUND, message=message, target=str(requested))
    return None


def _replicas(asked: int | None, shard_count: int, nodes: int) -> int:
    if asked is not None:
        return asked
    return nodes if shard_count == 1 else 1


def _fit(trial: Trial) -> _Fit:
    ceiling = least_ceiling(trial.rooms(), trial.shard_count, trial.replicas)
    per_node = ceiling or shards_per_node(trial.shard_count, len(trial.budgets), trial.replicas)
    return _Fit(trial, ceiling, per_node, load(trial.shard_bytes, per_node, trial.companion_bytes))


def _best(fits: Iterable[_Fit]) -> _Fit | None:
    fitting = [fit for fit in fits if fit.ceiling is not None]
    alone = [fit for fit in fitting if fit.per_node == 1]
    if alone:
        return max(alone, key=lambda fit: fit.trial.shard_count)
    return min(fitting, key=lambda fit: (fit.node_bytes, fit.trial.shard_count), default=None)


def _described(fit: _Fit, floor: int, reason: str) -> Choice:
    trial = fit.trial
    holders = [
        budget for budget in trial.budgets if room(trial.shard_bytes, budget, trial.companion_bytes) >= fit.per_node
    ] or trial.budgets
    return Choice(
        shard_count=trial.shard_count,
        reason=reason,
        memory_floor=floor,
        replicas=trial.replicas,
        shards_per_node=fit.per_node,
        largest_shard_bytes=max(trial.shard_bytes),
        node_bytes=fit.node_bytes,
        budget_bytes=min(holders),
    )


def _reason(fit: _Fit, size: DatabaseSize, nodes: int, requested: int | None) -> str:
    spread = f"{counted(nodes)}, at most {fit.per_node} on each, {gibibytes_up(fit.node_bytes)} on the fullest"
    if requested is not None:
        return f"N = {requested} as requested: {spread}."
    if fit.per_node == 1:
        return f"Of the sets {_listed(size)}, this is the largest with one shard a node: {spread}."
    return f"None of the sets {_listed(size)} fits with one shard a node; this one loads the fullest node least: {spread}."


def _listed(size: DatabaseSize) -> str:
    return ", ".join(map(str, sorted(size.shard_bytes)))
