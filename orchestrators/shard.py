"""A shard run: take the lease, look, write every shard set at once, make the result public, give the lease back."""

from typing import Any

from orchestrators.lease import CanceledError, HeldLease, acquire
from orchestrators.notify import have_posted
from orchestrators.shard_writes import ShardWrites
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, defect, logger, run, unexplained
from shared.errors import Code, Problem
from shared.runs.operations import Progress
from shared.runs.shard.outcome import partial, progress, result
from shared.runs.shard.payloads import Inspect, Inspected, Inspection, ShardResult, ShardRun

_LOOKS = 3
"""How often a run looks at a database that changes under it."""

_NOT_RECORDED = frozenset(
    {
        Code.DATABASE_NOT_FOUND,
        Code.CONTAINER_NOT_FOUND,
        Code.ALIAS_ONLY,
        Code.NO_VOLUMES,
        Code.DATABASE_NOT_READY,
        Code.LEASE_LOST,
        Code.PREVIOUS_LAYOUT_NOT_FOUND,
        Code.VOLUMES_DIFFER,
    }
)
"""Refusals that leave no trace in metadata: there is no database to say it of, or somebody else speaks for it."""


def shard(ctx: Context, payload: Any) -> Steps[dict[str, Any]]:
    """Shard one database; the input is a `ShardRun`, the output a `ShardResult`.

    Ends as Failed, with the problem in the custom status, when anything went wrong; the lease is free on every path.
    """
    request, log = ShardRun.model_validate(payload), logger(ctx, __name__)
    have_posted(ctx, request.callback, request.retry)
    board = RunStatus(ctx, Progress(phase="acquiring"))
    tenure = yield from acquire(ctx, request.claim)
    if isinstance(tenure, Problem):
        raise board.failed(tenure)
    log.info(f"Sharding '{request.db}' in '{request.account}', epoch {tenure.epoch}.")
    end = yield from _to_its_end(ctx, request, tenure, board)
    yield from tenure.release()
    if isinstance(end, Problem):
        log.warning(f"Failed with {end.code.value}: {end.message}")
        raise board.failed(end)
    log.info(f"Ended: {end.outcome}, {end.blobs_written} blobs written.")
    return end.model_dump(mode="json")


def _to_its_end(ctx: Context, request: ShardRun, tenure: HeldLease, board: RunStatus[Progress]) -> Steps[ShardResult | Problem]:
    """The result, or why there is none; metadata tells the same."""
    writes, problem = ShardWrites(ctx, request, tenure, board), None
    try:
        return (yield from _look_and_write(ctx, request, tenure, writes, board))
    except CanceledError:
        board.show(Progress(phase="canceled"))
    except StepFailedError as error:
        problem = error.problem
    except Exception as error:  # noqa: BLE001 - the run's end is recorded and its lease freed whatever went wrong
        problem = defect(error)
    if _is_recorded(request, writes, problem):
        yield from _record(ctx, writes, problem)
    return problem or ShardResult(outcome="canceled", db=request.db)


def _is_recorded(request: ShardRun, writes: ShardWrites, problem: Problem | None) -> bool:
    if problem is None:
        return writes.is_marked
    if request.refusal is not None and problem.code is Code.NO_VOLUMES:
        # Somebody waits for this upload: here there is a database to say it of.
        return True
    # Whoever lost the lease is silent even if its mark still stands: its successor has not come to replace it yet.
    return problem.code is not Code.LEASE_LOST and (writes.is_marked or problem.code not in _NOT_RECORDED)


def _look_and_write(
    ctx: Context, request: ShardRun, tenure: HeldLease, writes: ShardWrites, board: RunStatus[Progress]
) -> Steps[ShardResult | Problem]:
    for _ in range(_LOOKS):
        board.show(Progress(phase="inspecting"))
        inspection = yield from _inspect(ctx, request, tenure, writes)
        if request.refusal is not None:
            raise StepFailedError(request.refusal)
        if inspection.is_done:
            board.show(Progress(phase="done"))
            return result(inspection, (), removed=0, outcome="unchanged")
        yield from writes.mark(inspection)
        tenure.stop_if_canceled()
        uploads = yield from writes.upload(inspection)
        yield from tenure.renew()
        problem = partial(uploads)
        if not (yield from writes.commit(inspection, uploads, problem)):
            continue
        removed = yield from writes.remove_orphans(inspection)
        board.show(progress("done", inspection, uploads.values()))
        outcome = "restored" if request.restore else "sharded"
        return problem or result(inspection, uploads.values(), removed=removed, outcome=outcome)
    message = f"'{request.db}' kept changing while it was being sharded. Start again when its upload is complete."
    raise StepFailedError(Problem(code=Code.DATABASE_CHANGED, message=message, target=request.db))


def _inspect(ctx: Context, request: ShardRun, tenure: HeldLease, writes: ShardWrites) -> Steps[Inspection]:
    look = Inspect(
        account=request.account,
        db=request.db,
        presets=request.presets,
        # What this run wrote itself need not be written again when it looks again.
        force=request.force and not writes.has_touched,
        legacy_alias=request.legacy_alias,
        molecule=request.molecule,
        restore=request.restore,
    )
    inspected = yield from run(ctx, "inspect_database", look, Inspected, request.retry)
    inspection = inspected.inspection
    if inspection is None:
        writes.refused = inspected.refused
        raise StepFailedError(inspected.problem or unexplained(request.db))
    if not writes.is_marked and inspection.epoch >= tenure.epoch:
        yield from tenure.rise_above(inspection.epoch)
    tenure.stop_if_canceled()
    return inspection


def _record(ctx: Context, writes: ShardWrites, problem: Problem | None) -> Steps[None]:
    try:
        yield from writes.record_failure(problem)
    except StepFailedError as error:
        # What ended the run matters more, and a marker left behind blocks nobody.
        logger(ctx, __name__).warning(f"The run's end could not be recorded: {error.problem.message}")


def restore(ctx: Context, payload: Any) -> Steps[dict[str, Any]]:
    """Put the layout of an earlier generation back; the input is a `ShardRun` that names it, the output a `ShardResult`.

    An orchestration of its own name, so that people see what it does. Refused when the volumes are not those of the layout.
    """
    return (yield from shard(ctx, payload))
