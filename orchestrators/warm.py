"""A warmup: bring the layouts up to date, plan the whole, apply it, and watch until every shard is resident on its node."""

from datetime import timedelta
from typing import Any

from orchestrators.board import Board
from orchestrators.layouts import bring_up_to_date
from orchestrators.lease import CanceledError, Tenure, acquire, now
from orchestrators.notify import have_posted
from orchestrators.steps import (
    Context,
    RunFailedError,
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
from orchestrators.watching import WarmBoard, apply_step, watch_a_round, watch_eviction
from shared.errors import Code, Problem
from shared.runs.identity import EXPIRY_ENTITY
from shared.runs.leases import NamedRun
from shared.runs.operations import WarmProgress
from shared.runs.warmup import (
    Applied,
    ApplyWarmup,
    Expire,
    Expiry,
    Marked,
    MarkNodes,
    Planned,
    PlanWarmup,
    ReadWarmup,
    RemoveWarmup,
    Unreleased,
    WarmPlan,
    WarmReading,
    WarmResult,
    WarmRun,
    Watch,
)

_SHARD_TRIES = 60
"""How often a warmup asks for up-to-date layouts while another run holds the database."""


def warm_up(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Warm one database on one cluster; the input is a `WarmRun`, the output a `WarmResult`.

    Ends as Failed, naming nodes and causes, unless every shard is verified and resident; the lease is free on every path. A
    cancelled warmup removes what it had applied; a failed one leaves its agents, which go on trying, for its successor.
    """
    request, log = WarmRun.model_validate(payload), logger(ctx, __name__)
    if request.watch is None:
        have_posted(ctx, request.callback, request.retry)
    # After a round of looks the board goes on with what the next look shows.
    board = Board(ctx, WarmProgress(phase="warming" if request.watch else "acquiring"))
    tenure = yield from acquire(ctx, request.claim)
    if isinstance(tenure, Problem):
        raise board.failed(tenure)
    end = yield from _to_its_end(ctx, request, tenure, board)
    if isinstance(end, Watch):
        start_again(ctx, request.model_copy(update={"watch": end}))
        return None
    if isinstance(end, WarmResult) and end.outcome == "canceled":
        tell(ctx, EXPIRY_ENTITY, request.claim.key, "forget", NamedRun(run=request.run))
    if isinstance(end, WarmResult) and end.outcome == "warm":
        _limit(ctx, request)
        end = end.model_copy(update={"nodes_marked": (yield from _mark(ctx, request))})
    yield from tenure.release()
    if isinstance(end, Problem):
        log.warning(f"Failed with {end.code.value}: {end.message}")
        raise board.failed(end)
    log.info(f"Ended: {end.outcome}, {end.bytes_moved} bytes moved.")
    return end.model_dump(mode="json")


def release_warmup(ctx: Context, payload: Any) -> Steps[dict[str, Any]]:
    """Take a database off a cluster: memory, files, agents; the input is a `WarmRun`, the output a `WarmResult`.

    `nodes` of the result are those that gave up their files.
    """
    request = WarmRun.model_validate(payload)
    have_posted(ctx, request.callback, request.retry)
    board = Board(ctx, WarmProgress(phase="acquiring"))
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


def _not_released(ctx: Context, request: WarmRun, board: WarmBoard, problem: Problem) -> RunFailedError:
    """The failure, of which the expiry is told: a database whose time is over is released later. With its cluster it is gone."""
    logger(ctx, __name__).warning(f"'{request.db}' was not released, {problem.code.value}: {problem.message}")
    if problem.code is Code.CLUSTER_NOT_FOUND:
        tell(ctx, EXPIRY_ENTITY, request.claim.key, "forget", NamedRun(run=request.run))
    else:
        tell(ctx, EXPIRY_ENTITY, request.claim.key, "unreleased", Unreleased(problem=problem))
    return board.failed(problem)


def _release(ctx: Context, request: WarmRun, tenure: Tenure, board: WarmBoard) -> Steps[WarmResult | Problem]:
    """Have the agents give up memory and files, then remove them; nodes that do not answer in time keep their files."""
    try:
        yield from apply_step(ctx, "evict_warmup", RemoveWarmup(cluster=request.cluster, db=request.db), request)
        evicted = yield from watch_eviction(ctx, request, board)
        yield from tenure.renew()
    except CanceledError:
        board.show(WarmProgress(phase="canceled"))
        return _ended(request, "canceled")
    except StepFailedError as error:
        return error.problem
    problem = yield from _remove(ctx, request)
    board.show(WarmProgress(phase="done", nodes_total=evicted.nodes_total, nodes_ready=evicted.nodes_ready))
    return problem or _ended(request, "released").model_copy(update={"nodes": evicted.nodes_ready})


def _to_its_end(ctx: Context, request: WarmRun, tenure: Tenure, board: WarmBoard) -> Steps[WarmResult | Watch | Problem]:
    """The result, or why there is none, or the watch with which the run goes on in a new execution."""
    try:
        watch = request.watch or (yield from _begin(ctx, request, tenure, board))
        return (yield from watch_a_round(ctx, request, watch, tenure, board))
    except CanceledError:
        board.show(WarmProgress(phase="canceled"))
        return (yield from _remove(ctx, request)) or _ended(request, "canceled")
    except StepFailedError as error:
        return error.problem
    except Exception as error:  # noqa: BLE001 - the lease is freed whatever went wrong
        return defect(error)


def _mark(ctx: Context, request: WarmRun) -> Steps[bool]:
    """Label the nodes for searches. The warmup is one without labels, too: whatever goes wrong here is only told."""
    try:
        mark = MarkNodes(cluster=request.cluster, db=request.db)
        marked = yield from run(ctx, "mark_nodes", mark, Marked, request.retry)
    except StepFailedError as error:
        logger(ctx, __name__).warning(f"The nodes bear no labels: {error.problem.message}")
        return False
    return marked.marked


def _limit(ctx: Context, request: WarmRun) -> None:
    """Have the database released when its time is over; without a limit, forget an earlier warmup's."""
    key = request.claim.key
    tell(ctx, EXPIRY_ENTITY, key, "set", Expiry(run=request.run, warm=request.model_copy(update={"watch": None})))
    if request.ttl_seconds is not None:
        release = request.model_copy(update={"run": f"{request.run}-ttl", "watch": None, "presumed_dead": None, "callback": None})
        after = timedelta(seconds=request.ttl_seconds)
        tell(ctx, EXPIRY_ENTITY, key, "expire", Expire(run=request.run, release=release, due=now(ctx) + after), after=after)


def _begin(ctx: Context, request: WarmRun, tenure: Tenure, board: WarmBoard) -> Steps[Watch]:
    board.show(WarmProgress(phase="sharding"))
    yield from _bring_layouts_up_to_date(ctx, request, tenure)
    board.show(WarmProgress(phase="planning"))
    plan = yield from _plan(ctx, request)
    tenure.stop_if_canceled()
    board.show(WarmProgress(phase="applying", nodes_total=plan.nodes))
    before = yield from run(ctx, "read_warmup", ReadWarmup(cluster=request.cluster, db=request.db), WarmReading, request.retry)
    apply = ApplyWarmup(run=request.run, cluster=request.cluster, account=request.account, db=request.db, plan=plan)
    applied = yield from apply_step(ctx, "apply_warmup", apply, request)
    return Watch(
        plan=plan,
        deadline=now(ctx) + timedelta(seconds=request.deadline_seconds),
        changed=applied.changed,
        assigned=applied.assigned,
        # Agents that go on by an earlier run's assignment have moved this much already.
        moved_before=0 if applied.changed else before.bytes_moved,
    )


def _bring_layouts_up_to_date(ctx: Context, request: WarmRun, tenure: Tenure) -> Steps[None]:
    for number in range(_SHARD_TRIES):
        tenure.stop_if_canceled()
        child = request.shard.model_copy(update={"run": f"{ctx.instance_id}-shard-{number}"})
        state = yield from bring_up_to_date(ctx, child)
        if state == "current":
            return
        if state == "held":
            yield from pause(ctx, timedelta(seconds=request.first_poll_seconds), tenure.cancel)
    message = f"'{request.db}' is held by other runs all the time."
    raise StepFailedError(Problem(code=Code.LEASE_HELD, message=message, target=request.db))


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


def _remove(ctx: Context, request: WarmRun) -> Steps[Problem | None]:
    removal = RemoveWarmup(cluster=request.cluster, db=request.db)
    try:
        removed = yield from run(ctx, "remove_warmup", removal, Applied, request.retry)
    except StepFailedError as error:
        return error.problem
    return removed.problem


def _ended(request: WarmRun, outcome: Any) -> WarmResult:
    return WarmResult(outcome=outcome, db=request.db, cluster=request.cluster.name)
