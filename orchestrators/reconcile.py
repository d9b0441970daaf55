"""A reconcile pass: heal what crashed runs, lost events and other hands left behind, and tell what only a person can mend."""

from typing import Any

from orchestrators.lease import CanceledError, acquire
from orchestrators.reconcile_steps import ReconcileSteps
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, defect, logger
from shared.errors import Problem
from shared.runs.operations import ReconcileProgress
from shared.runs.reconcile.payloads import ReconcileRun
from shared.runs.reconcile.result import ReconcileResult


def reconcile(ctx: Context, payload: Any) -> Steps[dict[str, Any]]:
    """Make one pass; the input is a `ReconcileRun`, the output a `ReconcileResult`.

    A pass holds a lease of its own, so there are never two. It is bounded: each look in time, all healing together by the
    pass's share. A pass that finds all well writes nothing.
    """
    request, log = ReconcileRun.model_validate(payload), logger(ctx, __name__)
    board = RunStatus(ctx, ReconcileProgress(phase="acquiring"))
    tenure = yield from acquire(ctx, request.claim)
    if isinstance(tenure, Problem):
        raise board.failed(tenure)
    this = ReconcileSteps(ctx, request, tenure, board, log)
    end = yield from _to_its_end(this)
    yield from tenure.release()
    if isinstance(end, Problem):
        log.warning(f"Failed with {end.code.value}: {end.message}")
        raise board.failed(end)
    log.info(f"Ended: {end.databases} databases, {end.healed} healed, {end.told} told, {end.left} left for later.")
    return end.model_dump(mode="json")


def _to_its_end(this: ReconcileSteps) -> Steps[ReconcileResult | Problem]:
    try:
        this.show("looking")
        hub = yield from this.look_at_hub()
        if hub.problem is not None:
            return hub.problem
        for dead in hub.dead:
            yield from this.free(dead)
        for account in hub.accounts:
            yield from this.account(account)
        # Whoever was sharded just now has nothing left to settle.
        for settle in hub.settles:
            this.revive(settle)
        for warm in hub.warm:
            yield from this.warm(warm)
        yield from this.purge()
    except CanceledError:
        this.show("canceled")
        return this.result("canceled")
    except StepFailedError as error:
        return error.problem
    except Exception as error:  # noqa: BLE001 - the lease is freed whatever went wrong
        return defect(error)
    this.show("done")
    return this.result("reconciled")
