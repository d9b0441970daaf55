"""A release: the orchestrator `release_warmup`, which takes a warm database off its cluster.

1. Acquire the lease of the database on the cluster.
2. Evict: tell the agents to give up memory and files.
3. Watch until every agent has done so, at most 20 looks. Nodes that do not answer in time keep their files.
4. Remove the labels, the DaemonSet and the ConfigMap.
5. Record the end: drop the database's expiry.
6. Release the lease.
7. After a failure tell the expiry why, so that it releases again later; a cluster that is gone needs no release.
"""

from typing import Any

from orchestrators.lease import HeldLease, run_holding
from orchestrators.notify import have_posted
from orchestrators.steps import Context, RunFailedError, RunStatus, Steps, logger, pause, run, signal
from orchestrators.warmup_watch import ROUND, WarmRunStatus, apply_step, ended, pause_after
from shared.errors import Code, Problem
from shared.runs.ids import EXPIRY_ENTITY
from shared.runs.leases import NamedRun
from shared.runs.operations import WarmProgress
from shared.runs.warmup.expiry import Unreleased
from shared.runs.warmup.payloads import ReadWarmup, RemoveWarmup, WarmReading, WarmRun
from shared.runs.warmup.result import WarmResult


def release_warmup(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Take a database off a cluster: memory, files, agents; the input is a `WarmRun`, the output a `WarmResult`.

    `nodes` of the result are those that gave up their files. The lease is free on every path.
    """
    request = WarmRun.model_validate(payload)
    have_posted(ctx, request.callback, request.retry)
    status = RunStatus(ctx, WarmProgress(phase="acquiring"))

    def failed(problem: Problem) -> RunFailedError:
        return _not_released(ctx, request, status, problem)

    return (yield from run_holding(ctx, request.claim, lambda lease: _Releasing(ctx, request, lease, status), failed))


def remove(ctx: Context, request: WarmRun) -> Steps[None]:
    """Remove labels, DaemonSet and ConfigMap of a run's database.

    Raises:
        StepFailedError: the cluster refused, or every repetition failed.
    """
    yield from apply_step(ctx, "remove_warmup", RemoveWarmup(cluster=request.cluster, db=request.db), request)


class _Releasing:
    """A release with the lease in hand."""

    def __init__(self, ctx: Context, request: WarmRun, lease: HeldLease, status: WarmRunStatus) -> None:
        self._ctx = ctx
        self._request = request
        self._lease = lease
        self._status = status

    def body(self) -> Steps[WarmResult | Problem]:
        """Steps 2 to 4. After step 2 it ignores a cancel: half a release would leave agents that hold nothing."""
        ctx, request = self._ctx, self._request
        yield from self._lease.renew()
        yield from apply_step(ctx, "evict_warmup", RemoveWarmup(cluster=request.cluster, db=request.db), request)
        evicted = yield from _watch_eviction(ctx, request, self._status)
        yield from self._lease.extend()
        yield from remove(ctx, request)
        self._status.show(WarmProgress(phase="done", nodes_total=evicted.nodes_total, nodes_ready=evicted.nodes_ready))
        return ended(request, "released").model_copy(update={"nodes": evicted.nodes_ready})

    def record(self, end: WarmResult | Problem | None) -> Steps[WarmResult | Problem]:
        """Drop the expiry of a released database."""
        yield from ()
        if end is None:
            self._status.show(WarmProgress(phase="canceled"))
            return ended(self._request, "canceled")
        if isinstance(end, WarmResult):
            logger(self._ctx, __name__).info(f"Ended: {end.outcome}, {end.nodes} nodes gave up their files.")
            signal(self._ctx, EXPIRY_ENTITY, self._request.claim.key, "forget", NamedRun(run=self._request.run))
        return end


def _watch_eviction(ctx: Context, request: WarmRun, status: WarmRunStatus) -> Steps[WarmReading]:
    """Look until every agent has given up the database, at most 20 times. Returns the last reading."""
    read = ReadWarmup(cluster=request.cluster, db=request.db)
    reading = WarmReading(status="Unknown")
    for looks in range(ROUND):
        reading = yield from run(ctx, "read_warmup", read, WarmReading, request.retry)
        status.show(WarmProgress(phase="releasing", nodes_total=reading.nodes_total, nodes_ready=reading.nodes_ready))
        if reading.status == "Absent" or (reading.status == "Stale" and reading.nodes_ready >= reading.nodes_total):
            return reading
        yield from pause(ctx, pause_after(request, looks))
    return reading


def _not_released(ctx: Context, request: WarmRun, status: WarmRunStatus, problem: Problem) -> RunFailedError:
    """Show the failure, and tell the expiry. A database is gone with its cluster; any other is released later."""
    if problem.code is Code.CLUSTER_NOT_FOUND:
        signal(ctx, EXPIRY_ENTITY, request.claim.key, "forget", NamedRun(run=request.run))
    else:
        signal(ctx, EXPIRY_ENTITY, request.claim.key, "unreleased", Unreleased(problem=problem))
    return status.failed(problem)
