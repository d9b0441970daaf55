"""A prepare-db run: copy a generation from NCBI's bucket beside the old one, put it in place as a whole, shard it."""

from typing import Any, Literal

from orchestrators.lease import CanceledError, acquire
from orchestrators.notify import have_posted
from orchestrators.prepare_steps import PrepareSteps
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, defect, logger, start_again
from shared.errors import Code, Problem
from shared.runs.operations import PrepareProgress
from shared.runs.prepare.payloads import PrepareResult, PrepareRun, Stage


def prepare(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Bring one database to one of NCBI's snapshots; the input is a `PrepareRun`, the output a `PrepareResult`.

    Until everything is staged, verified and compared with the source once more, nothing of the old generation is touched;
    from then on the run goes to its end, and a run that died there is rolled forward by the next one. Ends as Failed, with
    the problem in the custom status, when anything went wrong; the lease is free on every path.
    """
    request, log = PrepareRun.model_validate(payload), logger(ctx, __name__)
    if request.stage is None:
        have_posted(ctx, request.callback, request.retry)
    board = RunStatus(ctx, PrepareProgress(phase="acquiring") if request.stage is None else _shown(request.stage))
    tenure = yield from acquire(ctx, request.claim)
    if isinstance(tenure, Problem):
        raise board.failed(tenure)
    end = yield from _to_its_end(ctx, request, PrepareSteps(ctx, request, tenure, board), board)
    if isinstance(end, Stage):
        start_again(ctx, request.model_copy(update={"stage": end}))
        return None
    yield from tenure.release()
    if isinstance(end, Problem):
        log.warning(f"Failed with {end.code.value}: {end.message}")
        raise board.failed(end)
    log.info(f"Ended: {end.outcome}, {end.bytes_copied} bytes copied.")
    return end.model_dump(mode="json")


def _to_its_end(
    ctx: Context, request: PrepareRun, update: PrepareSteps, board: RunStatus[PrepareProgress]
) -> Steps[PrepareResult | Stage | Problem]:
    """The result, or why there is none, or how far the run is when it goes on in a new execution."""
    problem = None
    try:
        return (yield from _prepare(update, request, board))
    except CanceledError:
        board.show(PrepareProgress(phase="canceled"))
    except StepFailedError as error:
        problem = error.problem
    except Exception as error:  # noqa: BLE001 - the run's end is recorded and its lease freed whatever went wrong
        problem = defect(error)
    if problem is None or problem.code is not Code.LEASE_LOST:
        yield from _leave(ctx, update, problem)
    return problem or PrepareResult(outcome="canceled", db=request.db)


def _prepare(update: PrepareSteps, request: PrepareRun, board: RunStatus[PrepareProgress]) -> Steps[PrepareResult | Stage]:
    stage = update.stage
    if stage is None:
        stage = yield from update.plan()
        yield from update.begin(stage)
    if stage.step == "copying":
        stage, is_done = yield from update.go_through("copy_files", stage)
        if not is_done:
            return stage
        yield from update.check(stage)
        stage = stage.model_copy(update={"step": "promoting"})
        yield from update.mark("promoting", stage)
    outcome: Literal["prepared", "unchanged"] = "unchanged"
    ghosts = 0
    if stage.step == "promoting":
        stage, is_done = yield from update.go_through("promote_files", stage)
        if not is_done:
            return stage
        ghosts = yield from update.clear("ghosts", stage)
        yield from update.mark("promoted", stage)
        outcome = "prepared"
    # Also what a run left behind that died once its generation was in place.
    yield from update.clear("staging", stage)
    is_sharded = yield from update.shard(stage)
    board.show(_shown(stage).model_copy(update={"phase": "done" if is_sharded else "canceled"}))
    return PrepareResult(
        outcome=outcome if is_sharded else "canceled",
        db=request.db,
        source_version=stage.source_version,
        files=stage.files_total,
        bytes_total=stage.bytes_total,
        bytes_copied=stage.bytes_copied,
        ghosts_removed=ghosts,
    )


def _leave(ctx: Context, update: PrepareSteps, problem: Problem | None) -> Steps[None]:
    """Record the end, and remove what was staged if nobody wants it; what a failed run has staged serves the next one."""
    stage = update.stage
    if stage is None or not update.is_marked:
        return
    try:
        yield from update.mark("canceled" if problem is None else "failed", stage, problem)
        if problem is None:
            yield from update.clear("staging", stage)
    except StepFailedError as error:
        # What ended the run matters more; the next run goes over both again.
        logger(ctx, __name__).warning(f"The run's end could not be recorded: {error.problem.message}")


def _shown(stage: Stage) -> PrepareProgress:
    return PrepareProgress(
        phase="promoting" if stage.step == "promoting" else "copying",
        source_version=stage.source_version,
        files_total=stage.files_total,
        files_done=stage.files_done,
        bytes_total=stage.bytes_total,
        bytes_done=stage.bytes_done,
    )
