"""Watching a warmup, which is step 5 of the orchestrator `warm_up`.

One look has these steps:

1. Read the nodes, and show the progress.
2. End when every shard is resident on its node, or when the deadline has passed or the failures are final.
3. Assign the shards of lost or replaced nodes to other nodes.
4. Pause, longer and longer.

After 20 looks the warmup goes on in a new execution, so that its history stays short.
"""

from datetime import timedelta
from typing import Literal

from orchestrators.lease import HeldLease, now
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, logger, pause, run
from shared.errors import Code, Problem
from shared.runs.backoff import backoff
from shared.runs.operations import WarmProgress
from shared.runs.warmup.payloads import (
    Applied,
    ApplyWarmup,
    ReadWarmup,
    RemoveWarmup,
    WarmReading,
    WarmRun,
    WatchState,
)
from shared.runs.warmup.result import WarmResult
from shared.sanitise import sanitised_line

type WarmRunStatus = RunStatus[WarmProgress]

ROUND = 20
"""The looks, or tries, of one execution, whose history thus stays short."""
_PATIENCE = 4
"""The looks in a row at a failure that make it final. Agents try again by themselves, and a pod may be restarted once."""
_NODES_MAY_COME = {Code.NO_READY_NODES, Code.TOO_FEW_NODES, Code.CLUSTER_TOO_SMALL, Code.MACHINE_TOO_SMALL}


class Course:
    """The latest watch of an applied warmup. Whatever ends the run reads from it what the run has changed."""

    def __init__(self, watch: WatchState) -> None:
        self.watch = watch


def watch_a_round(
    ctx: Context, request: WarmRun, course: Course, lease: HeldLease, status: WarmRunStatus
) -> Steps[WarmResult | WatchState]:
    """Look until everything is warm, or until the 20 looks are over.

    Raises:
        StepFailedError: nodes have failed, or the time is over; the problem names nodes and causes.
        CanceledError: a user asked the run to stop.
    """
    for _ in range(ROUND):
        read = ReadWarmup(cluster=request.cluster, db=request.db, run=request.run if course.watch.assigned else None)
        reading = yield from run(ctx, "read_warmup", read, WarmReading, request.retry)
        status.show(progress_of(reading))
        watch = course.watch = after_look(course.watch, reading)
        if reading.status == "Ready":
            return _result(request, watch, reading)
        over = now(ctx) >= watch.deadline
        if over or is_lost(request, watch, reading):
            if reading.covered and not request.strict:
                return _result(request, watch, reading)
            raise StepFailedError(not_warm(Code.WARMUP_TIMED_OUT if over else Code.WARMUP_FAILED, request, reading))
        if reading.is_stale:
            watch = course.watch = yield from _reassign(ctx, request, watch)
        yield from pause(ctx, pause_after(request, watch.polls), lease.cancel)
        lease.stop_if_canceled()
    yield from lease.renew()
    return course.watch


def after_look(watch: WatchState, reading: WarmReading) -> WatchState:
    """The watch after one more look. A count of looks in a row starts again at 0 after a look without that failure."""
    failed = watch.failed_polls + 1 if reading.status in {"Failed", "Absent"} else 0
    refusals = watch.refusals if reading.is_stale else 0
    return watch.model_copy(update={"polls": watch.polls + 1, "failed_polls": failed, "refusals": refusals})


def is_lost(request: WarmRun, watch: WatchState, reading: WarmReading) -> bool:
    """Whether the failures are final.

    Strict: any node that failed in four looks in a row. Otherwise: only once no other node can still become warm, or every
    shard is already warm on one node.
    """
    if reading.covered and not request.strict:
        return max(watch.failed_polls, watch.refusals) >= _PATIENCE
    decides = request.strict or reading.nodes_ready + reading.nodes_failed >= reading.nodes_total
    return watch.failed_polls >= _PATIENCE and decides


def apply_step(ctx: Context, activity: str, request: ApplyWarmup | RemoveWarmup, run_of: WarmRun) -> Steps[Applied]:
    """Run an activity that writes to the cluster.

    Raises:
        StepFailedError: the cluster refused it, or every repetition failed.
    """
    applied = yield from run(ctx, activity, request, Applied, run_of.retry)
    if applied.problem is not None:
        raise StepFailedError(applied.problem)
    return applied


def _reassign(ctx: Context, request: WarmRun, watch: WatchState) -> Steps[WatchState]:
    """Reassign the shards of lost or replaced nodes to other nodes. Nodes that are there keep their shards.

    When the API server does not answer, the next look tries again. When too few nodes are there, the looks go on until more
    come. Any other refusal may be over at the next look.

    Raises:
        StepFailedError: four looks in a row were refused for a reason that more nodes cannot cure.
    """
    try:
        applied = yield from run(ctx, "apply_warmup", ApplyWarmup.of(request, watch.plan), Applied, request.retry)
    except StepFailedError as error:
        logger(ctx, __name__).warning(f"The run could not reassign the shards: {error.problem.message}")
        return watch
    if applied.problem is None:
        return watch.after(applied)
    logger(ctx, __name__).warning(
        f"The run could not reassign the shards, {applied.problem.code.value}: {applied.problem.message}"
    )
    refused = watch.model_copy(update={"refusals": watch.refusals + 1})
    if refused.refusals >= _PATIENCE and applied.problem.code not in _NODES_MAY_COME:
        raise StepFailedError(applied.problem)
    return refused


def pause_after(request: WarmRun, looks: int) -> timedelta:
    """The pause after this many looks. It doubles every four looks, up to the request's longest."""
    return backoff(looks // 4, request.first_poll_seconds, request.longest_poll_seconds)


def not_warm(code: Code, request: WarmRun, reading: WarmReading) -> Problem:
    """Why a database did not become warm; the first nodes that are not are in the details."""
    counts = f"{reading.nodes_ready} of {reading.nodes_total} nodes are warm"
    # One node's reason as a whole says more than two that are cut; the details have the others.
    why = reading.trouble or next((f"{reason.target}: {reason.message}" for reason in reading.reasons), "")
    message = f"'{request.db}' did not become warm: {counts}. {why}"
    return Problem(code=code, message=sanitised_line(message), target=request.db, details=reading.reasons)


def progress_of(reading: WarmReading) -> WarmProgress:
    """The progress of a warmup that one look shows."""
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
        warnings=watch.warnings,
    )


def ended(request: WarmRun, outcome: Literal["released", "canceled"]) -> WarmResult:
    """The result of a run that warms nothing."""
    return WarmResult(outcome=outcome, db=request.db, cluster=request.cluster.name)
