"""A warmup: bring the layouts up to date, plan the whole, apply it, and watch until every shard is resident on its node."""

from datetime import timedelta
from typing import Any, Literal

from orchestrators.lease import CanceledError, HeldLease, acquire, now
from orchestrators.notify import have_posted
from orchestrators.shard_child import ChildState, HeldByAnother, bring_up_to_date
from orchestrators.steps import (
    Context,
    RunStatus,
    StepFailedError,
    Steps,
    defect,
    logger,
    pause,
    run,
    start_again,
    tell,
    unexplained,
)
from orchestrators.warmup_release import remove
from orchestrators.warmup_watch import ROUND, Course, WarmBoard, apply_step, ended, pause_after, watch_a_round
from shared.errors import Code, Problem
from shared.runs.ids import EXPIRY_ENTITY
from shared.runs.leases import NamedRun
from shared.runs.operations import WarmProgress
from shared.runs.warmup.expiry import Expire, Expiry
from shared.runs.warmup.payloads import (
    ApplyWarmup,
    Marked,
    MarkNodes,
    Planned,
    PlanWarmup,
    ReadWarmup,
    Wait,
    WarmPlan,
    WarmReading,
    WarmResult,
    WarmRun,
    WatchState,
)


def warm_up(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Warm one database on one cluster; the input is a `WarmRun`, the output a `WarmResult`.

    Ends as Failed, naming nodes and causes, unless every shard is verified and resident; the lease is free on every path. A
    cancelled warmup removes what was there if it has changed any of it; a failed one leaves its agents, which go on trying,
    for its successor or the end of its time.
    """
    request, log = WarmRun.model_validate(payload), logger(ctx, __name__)
    if request.watch is None and request.wait is None:
        have_posted(ctx, request.callback, request.retry)
    # After a round of looks the board goes on with what the next look shows.
    phase = "warming" if request.watch else "sharding" if request.wait else "acquiring"
    board = RunStatus(ctx, WarmProgress(phase=phase))
    tenure = yield from acquire(ctx, request.claim)
    if isinstance(tenure, Problem):
        raise board.failed(tenure)
    end = yield from _to_its_end(ctx, request, tenure, board)
    if isinstance(end, WatchState | Wait):
        goes_on = {"watch": end, "wait": None} if isinstance(end, WatchState) else {"wait": end}
        start_again(ctx, request.model_copy(update=goes_on))
        return None
    if isinstance(end, WarmResult) and end.outcome == "warm":
        _limit(ctx, request, "set")
        end = end.model_copy(update={"nodes_marked": (yield from _mark(ctx, request))})
    yield from tenure.release()
    if isinstance(end, Problem):
        log.warning(f"Failed with {end.code.value}: {end.message}")
        raise board.failed(end)
    log.info(f"Ended: {end.outcome}, {end.bytes_moved} bytes moved.")
    return end.model_dump(mode="json")


def _to_its_end(
    ctx: Context, request: WarmRun, tenure: HeldLease, board: WarmBoard
) -> Steps[WarmResult | WatchState | Wait | Problem]:
    """The result, or why there is none, or the watch or wait with which the run goes on in a new execution."""
    course = Course(request.watch) if request.watch else None
    try:
        if course is None:
            wait = yield from _bring_layouts_up_to_date(ctx, request, tenure, board)
            if wait is not None:
                return wait
            course = Course((yield from _begin(ctx, request, tenure, board)))
        return (yield from watch_a_round(ctx, request, course, tenure, board))
    except CanceledError:
        return (yield from _cancel(ctx, request, board, has_changed=course is not None and course.watch.changed))
    except StepFailedError as error:
        problem = error.problem
    except Exception as error:  # noqa: BLE001 - the lease is freed whatever went wrong
        problem = defect(error)
    # Who took the lease over speaks for what there is.
    if course is not None and course.watch.changed and problem.code is not Code.LEASE_LOST:
        _limit(ctx, request, "left")
    return problem


def _cancel(ctx: Context, request: WarmRun, board: WarmBoard, *, has_changed: bool) -> Steps[WarmResult | Problem]:
    """Remove what is there if this run has changed any of it; what an earlier one left stays as it was."""
    board.show(WarmProgress(phase="canceled"))
    if has_changed:
        try:
            yield from remove(ctx, request)
        except StepFailedError as error:
            _limit(ctx, request, "left")
            return error.problem
        tell(ctx, EXPIRY_ENTITY, request.claim.key, "forget", NamedRun(run=request.run))
    return ended(request, "canceled")


def _mark(ctx: Context, request: WarmRun) -> Steps[bool]:
    """Label the nodes for searches. The warmup is one without labels, too: whatever goes wrong here is only told."""
    try:
        mark = MarkNodes(cluster=request.cluster, db=request.db)
        marked = yield from run(ctx, "mark_nodes", mark, Marked, request.retry)
    except StepFailedError as error:
        logger(ctx, __name__).warning(f"The nodes bear no labels: {error.problem.message}")
        return False
    return marked.marked


def _limit(ctx: Context, request: WarmRun, operation: Literal["set", "left"]) -> None:
    """Have the database released when its time is over; without a limit, forget an earlier warmup's."""
    key, asked = request.claim.key, request.model_copy(update={"watch": None, "wait": None})
    tell(ctx, EXPIRY_ENTITY, key, operation, Expiry(run=request.run, warm=asked))
    if request.ttl_seconds is not None:
        release = asked.model_copy(update={"run": f"{request.run}-ttl", "presumed_dead": None, "callback": None})
        after = timedelta(seconds=request.ttl_seconds)
        tell(ctx, EXPIRY_ENTITY, key, "expire", Expire(run=request.run, release=release, due=now(ctx) + after), after=after)


def _begin(ctx: Context, request: WarmRun, tenure: HeldLease, board: WarmBoard) -> Steps[WatchState]:
    board.show(WarmProgress(phase="planning"))
    plan = yield from _plan(ctx, request)
    tenure.stop_if_canceled()
    board.show(WarmProgress(phase="applying", nodes_total=plan.nodes))
    before = yield from run(ctx, "read_warmup", ReadWarmup(cluster=request.cluster, db=request.db), WarmReading, request.retry)
    applied = yield from apply_step(ctx, "apply_warmup", ApplyWarmup.of(request, plan), request)
    return WatchState(
        plan=plan,
        deadline=now(ctx) + timedelta(seconds=request.deadline_seconds),
        changed=applied.changed,
        assigned=applied.assigned,
        # Agents that go on by an earlier run's assignment have moved this much already.
        moved_before=0 if applied.changed else before.bytes_moved,
    )


def _bring_layouts_up_to_date(ctx: Context, request: WarmRun, tenure: HeldLease, board: WarmBoard) -> Steps[Wait | None]:
    """Nothing once they are; after a round of tries, how long the run has waited for whoever holds the database.

    Raises:
        StepFailedError: the database is refused, or the waiting has taken too long.
        CanceledError: somebody asked to stop.
    """
    board.show(WarmProgress(phase="sharding"))
    wait = request.wait or Wait(deadline=now(ctx) + timedelta(seconds=request.deadline_seconds))
    for _ in range(ROUND):
        tenure.stop_if_canceled()
        child = request.shard.model_copy(update={"run": f"{ctx.instance_id}-shard-{wait.tries}"})
        state = yield from bring_up_to_date(ctx, child)
        if state == "current":
            return None
        if now(ctx) >= wait.deadline:
            raise StepFailedError(_not_current(request, state))
        # What was sharded just now is looked at once more, at once; if that does not help, with pauses, too.
        if isinstance(state, HeldByAnother) or wait.tries:
            yield from pause(ctx, pause_after(request, wait.tries), tenure.cancel)
        wait = wait.model_copy(update={"tries": wait.tries + 1})
    yield from tenure.renew()
    return wait


def _not_current(request: WarmRun, state: ChildState) -> Problem:
    waited = f"{request.deadline_seconds:.0f} s"
    if isinstance(state, HeldByAnother):
        message = (
            f"'{request.db}' was held by {state.by} for {waited}. Wait for the end of that operation or cancel it, then warm."
        )
        return Problem(code=Code.LEASE_HELD, message=message, target=request.db)
    message = f"'{request.db}' kept changing for {waited}. Warm it when its upload is complete."
    return Problem(code=Code.DATABASE_CHANGED, message=message, target=request.db)


def _plan(ctx: Context, request: WarmRun) -> Steps[WarmPlan]:
    wanted = PlanWarmup(
        cluster=request.cluster,
        account=request.account,
        db=request.db,
        shard_count=request.shard_count,
        replicas=request.replicas,
    )
    planned = yield from run(ctx, "plan_warmup", wanted, Planned, request.retry)
    if planned.plan is None:
        raise StepFailedError(planned.problem or unexplained(request.db))
    return planned.plan
