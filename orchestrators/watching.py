"""Watching a warmup: look, show, wait, and after a round of looks go on in a new execution, so that no history grows."""

from datetime import timedelta

from orchestrators.board import Board
from orchestrators.lease import Tenure, now
from orchestrators.steps import Context, StepFailedError, Steps, logger, pause, run
from shared.errors import Code, Problem
from shared.runs.operations import WarmProgress
from shared.runs.warmup import Applied, ApplyWarmup, ReadWarmup, RemoveWarmup, WarmReading, WarmResult, WarmRun, Watch
from shared.sanitise import sanitised_line

type WarmBoard = Board[WarmProgress]

_ROUND = 20
_FAILED_IN_A_ROW = 4
"""How many looks at failed nodes end a warmup: agents try again by themselves, and a pod may be restarted once."""


def watch_a_round(ctx: Context, request: WarmRun, watch: Watch, tenure: Tenure, board: WarmBoard) -> Steps[WarmResult | Watch]:
    """Look until everything is warm, or until the round is over.

    Raises:
        StepFailedError: nodes have failed, or the time is over; the problem names nodes and causes.
        CanceledError: somebody asked to stop.
    """
    for _ in range(_ROUND):
        read = ReadWarmup(cluster=request.cluster, db=request.db, run=request.run if watch.assigned else None)
        reading = yield from run(ctx, "read_warmup", read, WarmReading, request.retry)
        board.show(progress_of(reading))
        if reading.status == "Ready":
            return _result(request, watch, reading)
        failed = watch.failed_polls + 1 if reading.status in {"Failed", "Absent"} else 0
        watch = watch.model_copy(update={"polls": watch.polls + 1, "failed_polls": failed})
        over = now(ctx) >= watch.deadline
        if over or (failed >= _FAILED_IN_A_ROW and _is_lost(request, reading)):
            if reading.covered and not request.strict:
                return _result(request, watch, reading)
            raise StepFailedError(not_warm(Code.WARMUP_TIMED_OUT if over else Code.WARMUP_FAILED, request, reading))
        if reading.status == "Stale":
            watch = yield from _assign_anew(ctx, request, watch)
        yield from pause(ctx, _pause_after(request, watch.polls), tenure.cancel)
        tenure.stop_if_canceled()
    yield from tenure.renew()
    return watch


def _is_lost(request: WarmRun, reading: WarmReading) -> bool:
    """Whether failed nodes decide the warmup: at once where every node must be warm, else when no other is on its way."""
    return request.strict or reading.covered or reading.nodes_ready + reading.nodes_failed >= reading.nodes_total


def watch_eviction(ctx: Context, request: WarmRun, board: WarmBoard) -> Steps[WarmReading]:
    """Look until every agent has given the database up, a bounded number of times; the last reading."""
    read = ReadWarmup(cluster=request.cluster, db=request.db)
    reading = WarmReading(status="Unknown")
    for looks in range(_ROUND):
        reading = yield from run(ctx, "read_warmup", read, WarmReading, request.retry)
        board.show(WarmProgress(phase="releasing", nodes_total=reading.nodes_total, nodes_ready=reading.nodes_ready))
        if reading.status == "Absent" or (reading.status == "Stale" and reading.nodes_ready >= reading.nodes_total):
            return reading
        yield from pause(ctx, _pause_after(request, looks))
    return reading


def apply_step(ctx: Context, activity: str, request: ApplyWarmup | RemoveWarmup, run_of: WarmRun) -> Steps[Applied]:
    """Run a step that writes to the cluster.

    Raises:
        StepFailedError: it was refused, or every repetition failed.
    """
    applied = yield from run(ctx, activity, request, Applied, run_of.retry)
    if applied.problem is not None:
        raise StepFailedError(applied.problem)
    return applied


def _assign_anew(ctx: Context, request: WarmRun, watch: Watch) -> Steps[Watch]:
    """Nodes were lost or replaced: give their shards to others; those that are there keep what they hold.

    An API server that is away is waited for, as by every look: the next one sees the same and comes here again.
    """
    apply = ApplyWarmup(run=request.run, cluster=request.cluster, account=request.account, db=request.db, plan=watch.plan)
    try:
        applied = yield from run(ctx, "apply_warmup", apply, Applied, request.retry)
    except StepFailedError as error:
        logger(ctx, __name__).warning(f"Not assigned anew: {error.problem.message}")
        return watch
    if applied.problem is not None and applied.problem.code is not Code.NO_READY_NODES:
        raise StepFailedError(applied.problem)
    if not applied.changed:
        return watch
    return watch.model_copy(update={"changed": True, "assigned": watch.assigned or applied.assigned, "moved_before": 0})


def _pause_after(request: WarmRun, polls: int) -> timedelta:
    return timedelta(seconds=min(request.longest_poll_seconds, request.first_poll_seconds * 2 ** min(polls // 4, 10)))


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


def _result(request: WarmRun, watch: Watch, reading: WarmReading) -> WarmResult:
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
