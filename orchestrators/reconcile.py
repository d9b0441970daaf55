"""A reconcile pass: the orchestrator `reconcile`. It repairs what crashed runs, lost events and other writers left behind.

1. Acquire the pass's own lease, so that there are never two passes.
2. Survey the task hub: dead lease holders, dead settles, warm databases.
3. Free the leases of dead holders.
4. Survey each account. Repair its drifted databases: correct metadata, prune ghosts, then start shard and prepare runs.
5. Revive dead settles, after step 4: a database that was sharded just now has nothing left to settle.
6. Check each warm database, and start its warmup again if its nodes have changed.
7. Purge runs and entities past their retention, in every sixth pass.
8. Release the lease.

One budget bounds all repairs of a pass. What only a person can repair is reported. A pass that finds no drift writes nothing.
"""

from typing import Any

from orchestrators.lease import HeldLease, run_holding
from orchestrators.reconcile_steps import ReconcileSteps
from orchestrators.steps import Context, RunStatus, Steps, logger
from shared.errors import Problem
from shared.runs.operations import ReconcileProgress
from shared.runs.reconcile.payloads import ReconcileRun
from shared.runs.reconcile.result import ReconcileResult


def reconcile(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Make one reconcile pass; the input is a `ReconcileRun`, the output a `ReconcileResult`."""
    request = ReconcileRun.model_validate(payload)
    status = RunStatus(ctx, ReconcileProgress(phase="acquiring"))
    return (yield from run_holding(ctx, request.claim, lambda lease: _Pass(ctx, request, lease, status), status.failed))


class _Pass:
    """One pass with the lease in hand."""

    def __init__(self, ctx: Context, request: ReconcileRun, lease: HeldLease, status: RunStatus[ReconcileProgress]) -> None:
        self._log = logger(ctx, __name__)
        self._steps = ReconcileSteps(ctx, request, lease, status, self._log)

    def body(self) -> Steps[ReconcileResult | Problem]:
        """Steps 2 to 7."""
        steps = self._steps
        steps.show("looking")
        hub = yield from steps.survey_hub()
        if hub.problem is not None:
            return hub.problem
        for dead in hub.dead:
            yield from steps.free(dead)
        for account in hub.accounts:
            yield from steps.account(account)
        for settle in hub.settles:
            steps.revive(settle)
        for warm in hub.warm:
            yield from steps.warm(warm)
        yield from steps.purge()
        steps.show("done")
        return steps.result("reconciled")

    def record(self, end: ReconcileResult | Problem | None) -> Steps[ReconcileResult | Problem]:
        """Show and log the end; a pass keeps nothing of its own in storage."""
        yield from ()
        if end is None:
            self._steps.show("canceled")
            return self._steps.result("canceled")
        if isinstance(end, ReconcileResult):
            counts = f"{end.healed} repaired, {end.told} reported, {end.left} left for a later pass"
            self._log.info(f"Ended: {end.databases} databases, {counts}.")
        return end
