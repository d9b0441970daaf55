"""The kinds of runs that the API shows as operations, by the names of their orchestrations."""

from shared.runs.leases import LeaseRequest
from shared.runs.operations import RunState
from shared.runs.prepare.payloads import PrepareRun
from shared.runs.reconcile.payloads import ReconcileRun
from shared.runs.shard.payloads import ShardRun
from shared.runs.warmup.payloads import WarmRun

_HOLDERS: dict[str, type[ShardRun | PrepareRun | WarmRun | ReconcileRun]] = {
    "shard": ShardRun,
    "restore": ShardRun,
    "prepare": PrepareRun,
    "warm_up": WarmRun,
    "release_warmup": WarmRun,
    "reconcile": ReconcileRun,
}
"""The kinds that hold a lease, with the models of their inputs."""

KINDS = frozenset({*_HOLDERS, "settle"})
WARMING = frozenset({"warm_up", "release_warmup"})
"""The kinds that hold a database on a cluster; the others hold one in storage, or nothing."""


def claim_of(state: RunState) -> LeaseRequest | None:
    """The lease that a run needs, by its input; None for a kind that holds none."""
    holder = _HOLDERS.get(state.kind)
    return holder.model_validate(state.input).claim if holder is not None else None
