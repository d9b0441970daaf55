"""A release: the agents of a database give up memory and files, then everything that warms it goes."""

from typing import Any

from orchestrators.lease import CanceledError, HeldLease, acquire
from orchestrators.notify import have_posted
from orchestrators.steps import Context, RunFailedError, RunStatus, StepFailedError, Steps, defect, logger, pause, run, tell
from orchestrators.warmup_watch import ROUND, WarmBoard, apply_step, ended, pause_after
from shared.errors import Code, Problem
from shared.runs.ids import EXPIRY_ENTITY
from shared.runs.leases import NamedRun
from shared.runs.operations import WarmProgress
from shared.runs.warmup.expiry import Unreleased
from shared.runs.warmup.payloads import ReadWarmup, RemoveWarmup, WarmReading, WarmResult, WarmRun


def release_warmup(ctx: Context, payload: Any) -> Steps[dict[str, Any]]:
    """Take a database off a cluster: memory, files, agents; the input is a `WarmRun`, the output a `WarmResult`.

    `nodes` of the result are those that gave up their files. The lease is free on every path.
    """
    request = WarmRun.model_validate(payload)
    have_posted(ctx, request.callback, request.retry)
    board = RunStatus(ctx, WarmProgress(phase="acquiring"))
    tenure = yield from acquire(ctx, request.claim)
    if isinstance(tenure, Problem):
        raise _not_released(ctx, request, board, tenure)
    end = yield from _release(ctx, request, tenure, board)
    if isinstance(end, WarmResult) and end.outcome == "released":
        tell(ctx, EXPIRY_ENTITY, request.claim.key, "forget", NamedRun(run=request.run))
    yield from tenure.release()
    if isinstance(end, Problem):
        raise _not_released(ctx, request, board, end)
    return end.model_dump(mode="json")


def remove(ctx: Context, request: WarmRun) -> Steps[None]:
    """Remove labels, DaemonSet and ConfigMap of a run's database.

    Raises:
        StepFailedError: as of every step that writes.
    """
    yield from apply_step(ctx, "remove_warmup", RemoveWarmup(cluster=request.cluster, db=request.db), request)


def _release(ctx: Context, request: WarmRun, tenure: HeldLease, board: WarmBoard) -> Steps[WarmResult | Problem]:
    """Have the agents give up memory and files, then remove them; nodes that do not answer in time keep their files.

    Once the agents were told it goes to its end, whoever asks to stop: half of it would leave agents that hold nothing.
    """
    try:
        yield from tenure.renew()
        yield from apply_step(ctx, "evict_warmup", RemoveWarmup(cluster=request.cluster, db=request.db), request)
        evicted = yield from _watch_eviction(ctx, request, board)
        yield from tenure.extend()
        yield from remove(ctx, request)
    except CanceledError:
        board.show(WarmProgress(phase="canceled"))
        return ended(request, "canceled")
    except StepFailedError as error:
        return error.problem
    except Exception as error:  # noqa: BLE001 - the lease is freed whatever went wrong
        return defect(error)
    board.show(WarmProgress(phase="done", nodes_total=evicted.nodes_total, nodes_ready=evicted.nodes_ready))
    return ended(request, "released").model_copy(update={"nodes": evicted.nodes_ready})


def _watch_eviction(ctx: Context, request: WarmRun, board: WarmBoard) -> Steps[WarmReading]:
    """Look until every agent has given the database up, a bounded number of times; the last reading."""
    read = ReadWarmup(cluster=request.cluster, db=request.db)
    reading = WarmReading(status="Unknown")
    for looks in range(ROUND):
        reading = yield from run(ctx, "read_warmup", read, WarmReading, request.retry)
        board.show(WarmProgress(phase="releasing", nodes_total=reading.nodes_total, nodes_ready=reading.nodes_ready))
        if reading.status == "Absent" or (reading.status == "Stale" and reading.nodes_ready >= reading.nodes_total):
            return reading
        yield from pause(ctx, pause_after(request, looks))
    return reading


def _not_released(ctx: Context, request: WarmRun, board: WarmBoard, problem: Problem) -> RunFailedError:
    """The failure, of which the expiry is told: a database whose time is over is released later. With its cluster it is gone."""
    logger(ctx, __name__).warning(f"'{request.db}' was not released, {problem.code.value}: {problem.message}")
    if problem.code is Code.CLUSTER_NOT_FOUND:
        tell(ctx, EXPIRY_ENTITY, request.claim.key, "forget", NamedRun(run=request.run))
    else:
        tell(ctx, EXPIRY_ENTITY, request.claim.key, "unreleased", Unreleased(problem=problem))
    return board.failed(problem)
