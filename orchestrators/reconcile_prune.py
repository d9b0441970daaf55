"""The removal of a database's ghosts by a reconcile pass, under the database's lease as every write."""

from orchestrators.lease import HeldLease, hold
from orchestrators.steps import Context, Steps, run
from shared.errors import Problem
from shared.runs.reconcile.children import pruning_claim
from shared.runs.reconcile.payloads import Drifted, Pruned, PruneGhosts, Terms


def prune(ctx: Context, account: str, found: Drifted, terms: Terms) -> Steps[Pruned]:
    """Remove the ghosts, or say what forbids it. The lease is free on every path.

    Uses `hold` and not `run_holding`: a problem here ends no run, it goes into the pass's report.
    """
    claim = pruning_claim(account, found.db, ctx.instance_id, terms.shard_lease_seconds)
    end = yield from hold(ctx, claim, lambda lease: _Pruning(ctx, account, found, terms, lease))
    return Pruned(problem=end) if isinstance(end, Problem) else end


class _Pruning:
    """The removal with the lease in hand."""

    def __init__(self, ctx: Context, account: str, found: Drifted, terms: Terms, lease: HeldLease) -> None:
        self._ctx = ctx
        self._terms = terms
        self._request = PruneGhosts(account=account, db=found.db, write_before=lease.write_before, refused=found.refused)

    def body(self) -> Steps[Pruned | Problem]:
        """One activity removes the ghosts."""
        return (yield from run(self._ctx, "prune_ghosts", self._request, Pruned, self._terms.retry))

    def record(self, end: Pruned | Problem | None) -> Steps[Pruned | Problem]:
        """Nothing to record: the pass reports what became of it."""
        yield from ()
        return end or Pruned()
