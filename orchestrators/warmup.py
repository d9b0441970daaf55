"""A warmup: the orchestrator `warm_up`.

1. Acquire the lease of the database on the cluster.
2. Bring the shard layouts up to date in a child run; wait while another run holds the database.
3. Plan the warmup: the shard count, and which node holds which shard.
4. Apply the plan: assignments, labels, DaemonSet.
5. Watch until every shard is resident on its node; assign the shards of lost nodes to others.
6. Record the end: set the database's expiry and label the nodes; after a cancel remove the agents.
7. Release the lease.

After 20 tries of step 2 or 20 looks of step 5 the run goes on in a new execution, with the lease still held.
"""

from datetime import timedelta
from typing import Any, Literal

from orchestrators.lease import Again, HeldLease, now, run_holding
from orchestrators.notify import have_posted
from orchestrators.shard_child import ChildState, HeldByAnother, LayoutsCurrent, bring_up_to_date
from orchestrators.steps import (
    Context,
    RunStatus,
    StepFailedError,
    Steps,
    logger,
    pause,
    run,
    signal,
    unexplained,
)
from orchestrators.warmup_release import remove
from orchestrators.warmup_watch import ROUND, Course, WarmRunStatus, apply_step, ended, pause_after, watch_a_round
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
    WarmRun,
    WatchState,
)
from shared.runs.warmup.result import WarmResult


def warm_up(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Warm one database on one cluster; the input is a `WarmRun`, the output a `WarmResult`.

    Ends as Failed, naming nodes and causes, unless every shard is verified and resident. The lease is free on every path. A
    cancelled warmup removes its agents if it has changed anything. A failed one leaves its agents, which keep trying, to its
    successor or to the end of its time.
    """
    request = WarmRun.model_validate(payload)
    if request.watch is None and request.wait is None:
        have_posted(ctx, request.callback, request.retry)
    # A later execution shows what the next look sees.
    phase = "warming" if request.watch else "sharding" if request.wait else "acquiring"
    status = RunStatus(ctx, WarmProgress(phase=phase))
    return (yield from run_holding(ctx, request.claim, lambda lease: _Warming(ctx, request, lease, status), status.failed))


class _Warming:
    """One execution of a warmup with the lease in hand."""

    def __init__(self, ctx: Context, request: WarmRun, lease: HeldLease, status: WarmRunStatus) -> None:
        self._ctx = ctx
        self._request = request
        self._lease = lease
        self._status = status
        self._course = Course(request.watch) if request.watch else None
        self._log = logger(ctx, __name__)

    @property
    def _has_changed(self) -> bool:
        return self._course is not None and self._course.watch.changed

    def body(self) -> Steps[WarmResult | Again | Problem]:
        """Steps 2 to 5, from the watch or wait that an earlier execution reached."""
        ctx, request, lease, status = self._ctx, self._request, self._lease, self._status
        if self._course is None:
            layouts = yield from _bring_layouts_up_to_date(ctx, request, lease, status)
            if isinstance(layouts, Wait):
                return Again(request.model_copy(update={"wait": layouts}))
            self._course = Course((yield from _begin(ctx, request, lease, status, layouts.warnings)))
        end = yield from watch_a_round(ctx, request, self._course, lease, status)
        if isinstance(end, WatchState):
            return Again(request.model_copy(update={"watch": end, "wait": None}))
        return end

    def record(self, end: WarmResult | Again | Problem | None) -> Steps[WarmResult | Again | Problem]:
        """Set the end of the database's time; label its nodes, or remove what a cancelled run has changed."""
        if isinstance(end, Again):
            return end
        if end is None:
            end = yield from self._cancel()
        elif isinstance(end, WarmResult):
            _limit(self._ctx, self._request, "set")
            end = end.model_copy(update={"nodes_marked": (yield from _label(self._ctx, self._request))})
        elif self._has_changed and end.code is not Code.LEASE_LOST:
            # A run that lost its lease leaves the expiry to its successor.
            _limit(self._ctx, self._request, "left")
        if isinstance(end, WarmResult):
            self._log.info(f"Ended: {end.outcome}, {end.bytes_moved} bytes moved.")
        return end

    def _cancel(self) -> Steps[WarmResult | Problem]:
        """Remove the agents if this run has changed anything; what an earlier run left stays as it was."""
        ctx, request = self._ctx, self._request
        self._status.show(WarmProgress(phase="canceled"))
        if self._has_changed:
            try:
                yield from remove(ctx, request)
            except StepFailedError as error:
                _limit(ctx, request, "left")
                return error.problem
            signal(ctx, EXPIRY_ENTITY, request.claim.key, "forget", NamedRun(run=request.run))
        return ended(request, "canceled")


def _label(ctx: Context, request: WarmRun) -> Steps[bool]:
    """Label the nodes for searches. The database is warm without labels, too, so a failure here is only logged."""
    try:
        labels = MarkNodes(cluster=request.cluster, db=request.db)
        marked = yield from run(ctx, "mark_nodes", labels, Marked, request.retry)
    except StepFailedError as error:
        logger(ctx, __name__).warning(f"The run could not label the nodes: {error.problem.message}")
        return False
    return marked.marked


def _limit(ctx: Context, request: WarmRun, operation: Literal["set", "left"]) -> None:
    """Schedule the release at the end of the database's time. Without a time limit, drop an earlier warmup's schedule.

    Time that ran out meanwhile ends after one more pause, because this run still holds the lease that the release needs.
    """
    key, asked = request.claim.key, request.model_copy(update={"watch": None, "wait": None, "nonce": None, "release_at": None})
    due = None
    if request.release_at is not None:
        due = max(request.release_at, now(ctx) + timedelta(seconds=request.longest_poll_seconds))
    elif request.ttl_seconds is not None:
        due = now(ctx) + timedelta(seconds=request.ttl_seconds)
    signal(ctx, EXPIRY_ENTITY, key, operation, Expiry(run=request.run, warm=asked, due=due))
    if due is not None:
        release = asked.model_copy(update={"run": f"{request.run}-ttl", "presumed_dead": None, "callback": None})
        signal(ctx, EXPIRY_ENTITY, key, "expire", Expire(run=request.run, release=release, due=due), after=due - now(ctx))


def _begin(
    ctx: Context, request: WarmRun, lease: HeldLease, status: WarmRunStatus, warnings: tuple[str, ...]
) -> Steps[WatchState]:
    status.show(WarmProgress(phase="planning"))
    plan = yield from _plan(ctx, request)
    lease.stop_if_canceled()
    status.show(WarmProgress(phase="applying", nodes_total=plan.nodes))
    before = yield from run(ctx, "read_warmup", ReadWarmup(cluster=request.cluster, db=request.db), WarmReading, request.retry)
    applied = yield from apply_step(ctx, "apply_warmup", ApplyWarmup.of(request, plan), request)
    return WatchState(
        plan=plan,
        deadline=now(ctx) + timedelta(seconds=request.deadline_seconds),
        changed=applied.changed,
        assigned=applied.assigned,
        # Agents that keep an earlier run's assignment had moved this much before this run.
        moved_before=0 if applied.changed else before.bytes_moved,
        warnings=warnings,
    )


def _bring_layouts_up_to_date(
    ctx: Context, request: WarmRun, lease: HeldLease, status: WarmRunStatus
) -> Steps[LayoutsCurrent | Wait]:
    """Bring the shard layouts up to date, waiting while another run holds the database.

    Returns:
        That the layouts are current; or after 20 tries the wait with which the next execution goes on.

    Raises:
        StepFailedError: the database is refused, or the wait has passed its deadline.
        CanceledError: a user asked the run to stop.
    """
    status.show(WarmProgress(phase="sharding"))
    wait = request.wait or Wait(deadline=now(ctx) + timedelta(seconds=request.deadline_seconds))
    for _ in range(ROUND):
        lease.stop_if_canceled()
        child = request.shard.model_copy(update={"run": f"{ctx.instance_id}-shard-{wait.tries}"})
        state = yield from bring_up_to_date(ctx, child)
        if isinstance(state, LayoutsCurrent):
            return state
        if now(ctx) >= wait.deadline:
            raise StepFailedError(_not_current(request, state))
        # After its own shard run it looks again at once, and pauses only if the layouts still differ.
        if isinstance(state, HeldByAnother) or wait.tries:
            yield from pause(ctx, pause_after(request, wait.tries), lease.cancel)
        wait = wait.model_copy(update={"tries": wait.tries + 1})
    yield from lease.renew()
    return wait


def _not_current(request: WarmRun, state: ChildState) -> Problem:
    waited = f"{request.deadline_seconds:.0f} s"
    if isinstance(state, HeldByAnother):
        message = f"This run waited {waited} for '{request.db}', which {state.by} holds. Wait for it or cancel it, then warm."
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
        strict=request.strict,
    )
    planned = yield from run(ctx, "plan_warmup", wanted, Planned, request.retry)
    if planned.plan is None:
        raise StepFailedError(planned.problem or unexplained(request.db))
    return planned.plan
