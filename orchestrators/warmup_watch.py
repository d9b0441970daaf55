"""Watching a warmup: look, show, wait, and after a round of looks go on in a new execution, so that no history grows."""

from datetime import timedelta
from typing import Literal

from orchestrators.lease import HeldLease, now
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, logger, pause, run
from shared.errors import Code, Problem
from shared.runs.operations import WarmProgress
from shared.runs.warmup.payloads import (
    Applied,
    ApplyWarmup,
    ReadWarmup,
    RemoveWarmup,
    WarmReading,
    WarmResult,
    WarmRun,
    WatchState,
)
from shared.sanitise import sanitised_line

type WarmBoard = RunStatus[WarmProgress]

ROUND = 20
"""How many looks, or tries, one execution has: its history stays short."""
_PATIENCE = 4
"""How many looks in a row at what does not work end a warmup: agents try again by themselves, and a pod may be restarted once."""
_NODES_MAY_COME = {Code.NO_READY_NODES, Code.TOO_FEW_NODES, Code.CLUSTER_TOO_SMALL, Code.MACHINE_TOO_SMALL}


class Course:
    """How far a warmup that was applied is: kept up to date, so that whatever ends it knows what it has changed."""

    def __init__(self, watch: WatchState) -> None:
        self.watch = watch


def watch_a_round(
    ctx: Context, request: WarmRun, course: Course, tenure: HeldLease, board: WarmBoard
) -> Steps[WarmResult | WatchState]:
    """Look until everything is warm, or until the round is over.

    Raises:
        StepFailedError: nodes have failed, or the time is over; the problem names nodes and causes.
        CanceledError: somebody asked to stop.
    """
    for _ in range(ROUND):
        read = ReadWarmup(cluster=request.cluster, db=request.db, run=request.run if course.watch.assigned else None)
        reading = yield from run(ctx, "read_warmup", read, WarmReading, request.retry)
        board.show(progress_of(reading))
        watch = course.watch = after_look(course.watch, reading)
        if reading.status == "Ready":
            return _result(request, watch, reading)
        over = now(ctx) >= watch.deadline
        if over or is_lost(request, watch, reading):
            if reading.covered and not request.strict:
                return _result(request, watch, reading)
            raise StepFailedError(not_warm(Code.WARMUP_TIMED_OUT if over else Code.WARMUP_FAILED, request, reading))
        if reading.is_stale:
            watch = course.watch = yield from _assign_anew(ctx, request, watch)
        yield from pause(ctx, pause_after(request, watch.polls), tenure.cancel)
        tenure.stop_if_canceled()
    yield from tenure.renew()
    return course.watch


def after_look(watch: WatchState, reading: WarmReading) -> WatchState:
    """The watch after one look more. What is counted in a row begins anew when there is nothing of it to be seen."""
    failed = watch.failed_polls + 1 if reading.status in {"Failed", "Absent"} else 0
    refusals = watch.refusals if reading.is_stale else 0
    return watch.model_copy(update={"polls": watch.polls + 1, "failed_polls": failed, "refusals": refusals})


def is_lost(request: WarmRun, watch: WatchState, reading: WarmReading) -> bool:
    """Whether what does not work decides the warmup, once it was seen so often that no repetition is hoped for.

    Failed nodes do where every node must be warm, else when no other is on its way. Where every shard is warm that need not be
    warm on more, it is not waited for a node either that might take a shard a second time.
    """
    if reading.covered and not request.strict:
        return max(watch.failed_polls, watch.refusals) >= _PATIENCE
    decides = request.strict or reading.nodes_ready + reading.nodes_failed >= reading.nodes_total
    return watch.failed_polls >= _PATIENCE and decides


def apply_step(ctx: Context, activity: str, request: ApplyWarmup | RemoveWarmup, run_of: WarmRun) -> Steps[Applied]:
    """Run a step that writes to the cluster.

    Raises:
        StepFailedError: it was refused, or every repetition failed.
    """
    applied = yield from run(ctx, activity, request, Applied, run_of.retry)
    if applied.problem is not None:
        raise StepFailedError(applied.problem)
    return applied


def _assign_anew(ctx: Context, request: WarmRun, watch: WatchState) -> Steps[WatchState]:
    """Nodes were lost or replaced: give their shards to others; those that are there keep what they hold.

    An API server that is away is waited for, as by every look: the next one sees the same and comes here again. So are nodes,
    where those that are there are too few; of whatever else is refused the next looks may see the end, too.

    Raises:
        StepFailedError: it was refused again and again.
    """
    try:
        applied = yield from run(ctx, "apply_warmup", ApplyWarmup.of(request, watch.plan), Applied, request.retry)
    except StepFailedError as error:
        logger(ctx, __name__).warning(f"Not assigned anew: {error.problem.message}")
        return watch
    if applied.problem is None:
        return watch.after(applied)
    logger(ctx, __name__).warning(f"Not assigned anew, {applied.problem.code.value}: {applied.problem.message}")
    refused = watch.model_copy(update={"refusals": watch.refusals + 1})
    if refused.refusals >= _PATIENCE and applied.problem.code not in _NODES_MAY_COME:
        raise StepFailedError(applied.problem)
    return refused


def pause_after(request: WarmRun, looks: int) -> timedelta:
    """How long to wait after so many looks: longer and longer, within bounds."""
    return timedelta(seconds=min(request.longest_poll_seconds, request.first_poll_seconds * 2 ** min(looks // 4, 10)))


def not_warm(code: Code, request: WarmRun, reading: WarmReading) -> Problem:
    """Why a database did not become warm; the first nodes that are not are in the details."""
    counts = f"{reading.nodes_ready} of {reading.nodes_total} nodes are warm"
    why = reading.trouble or "; ".join(f"{reason.target}: {reason.message}" for reason in reading.reasons[:2])
    message = f"'{request.db}' did not become warm: {counts}. {why}"
    return Problem(code=code, message=sanitised_line(message), target=request.db, details=reading.reasons)


def progress_of(reading: WarmReading) -> WarmProgress:
    """How far a warmup is, by one look."""
    return WarmProgress(
        phase="done" if reading.status == "Ready" else "warming",
        nodes_total=reading.nodes_total,
        nodes_ready=reading.nodes_ready,
        files_total=reading.files_total,
        files_done=reading.files_done,
        bytes_total=reading.bytes_total,
        bytes_done=reading.bytes_done,
        resident_percent=reading.resident_percent,
    )


def _result(request: WarmRun, watch: WatchState, reading: WarmReading) -> WarmResult:
    return WarmResult(
        outcome="warm",
        db=request.db,
        cluster=request.cluster.name,
        shard_count=watch.plan.shard_count,
        nodes=reading.nodes_ready,
        bytes_moved=max(0, reading.bytes_moved - watch.moved_before),
        bytes_total=reading.bytes_total,
        resident_percent=reading.resident_percent,
        changed=watch.changed,
    )


def ended(request: WarmRun, outcome: Literal["released", "canceled"]) -> WarmResult:
    """The result of a run that warms nothing."""
    return WarmResult(outcome=outcome, db=request.db, cluster=request.cluster.name)
