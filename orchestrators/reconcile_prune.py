"""The removal of a database's ghosts by a reconcile pass, with the database's lease in hand as for every write."""

from orchestrators.lease import acquire
from orchestrators.steps import Context, StepFailedError, Steps, defect, run
from shared.errors import Problem
from shared.runs.reconcile.children import pruning_claim
from shared.runs.reconcile.payloads import (
    Drifted,
    Pruned,
    PruneGhosts,
    Terms,
)


def prune(ctx: Context, account: str, found: Drifted, terms: Terms) -> Steps[Pruned]:
    """Remove them, or say what forbids it; the lease is free on every path."""
    db = found.db
    tenure = yield from acquire(ctx, pruning_claim(account, db, ctx.instance_id, terms.shard_lease_seconds))
    if isinstance(tenure, Problem):
        return Pruned(problem=tenure)
    try:
        request = PruneGhosts(account=account, db=db, write_before=tenure.write_before, refused=found.refused)
        pruned = yield from run(ctx, "prune_ghosts", request, Pruned, terms.retry)
    except StepFailedError as error:
        pruned = Pruned(problem=error.problem)
    except Exception as error:  # noqa: BLE001 - the lease is freed whatever went wrong
        pruned = Pruned(problem=defect(error))
    yield from tenure.release()
    return pruned
