"""The kinds of runs that people see, by the names of their orchestrations."""

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
"""Those that hold a lease, and what their inputs are."""

KINDS = frozenset({*_HOLDERS, "settle"})
WARMING = frozenset({"warm_up", "release_warmup"})
"""Those that hold a database on a cluster; the others hold one in storage, or nothing."""


def claim_of(state: RunState) -> LeaseRequest | None:
    """What a run has to hold, by its input; None for one that holds nothing."""
    holder = _HOLDERS.get(state.kind)
    return holder.model_validate(state.input).claim if holder is not None else None
