"""Holding a database's lease during a run: the orchestrator's side of the lease entity, and the skeleton of every such run.

`run_holding` is that skeleton:

1. acquire the lease; a run that does not get it fails, naming the holder;
2. do the run's body;
3. record how the body ended;
4. release the lease, unless the run goes on in a new execution;
5. give the result, or raise the failure.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from durabletask import task
from pydantic import BaseModel

from orchestrators.steps import (
    Context,
    RunFailedError,
    StepFailedError,
    Steps,
    ask,
    cancel_signal,
    defect,
    logger,
    start_again,
)
from shared.errors import Code, Problem
from shared.runs.ids import LEASE_ENTITY
from shared.runs.leases import Acquire, Lease, LeaseRequest, NamedRun, RaiseEpoch, Renew, Reply

_WRITING_SHARE = 0.9
"""The share of the lease's time in which a run may start writes. Writes under way may end in the rest."""


class CanceledError(Exception):
    """A user asked the run to stop, and the run is between two steps."""


class HeldLease:
    """A lease that one run holds. `acquire` gives it; `hold` releases it on every path."""

    def __init__(self, ctx: Context, claim: LeaseRequest, lease: Lease) -> None:
        self._ctx = ctx
        self._claim = claim
        self._lease = lease
        self._cancel: task.CancellableTask[Any] = cancel_signal(ctx)

    @property
    def epoch(self) -> int:
        """The fence that every write of this run carries."""
        return self._lease.epoch

    @property
    def write_before(self) -> datetime:
        """The moment at which writing must have ended, unless the run renews the lease."""
        expires = self._lease.holding.expires if self._lease.holding else now(self._ctx)
        return expires - timedelta(seconds=self._claim.lease_seconds * (1 - _WRITING_SHARE))

    @property
    def cancel(self) -> task.Task[Any]:
        """Completes when a user asks the run to stop. Pass it to waits that should then end."""
        return self._cancel

    def stop_if_canceled(self) -> None:
        """Stop between two steps if a user asked for it.

        Raises:
            CanceledError: a user did.
        """
        if self._cancel.is_complete:
            raise CanceledError

    def renew(self) -> Steps[None]:
        """Renew the lease, and stop if a user asked for it.

        Raises:
            StepFailedError: another run took over; this run may write nothing more.
            CanceledError: a user asked the run to stop.
        """
        reply = yield from self.extend()
        if reply.cancel_requested:
            raise CanceledError
        self.stop_if_canceled()

    def extend(self) -> Steps[Reply]:
        """Renew the lease where it is too late to stop.

        Raises:
            StepFailedError: another run took over; this run may write nothing more.
        """
        request = Renew(run=self._claim.run, now=now(self._ctx), ttl_seconds=self._claim.lease_seconds)
        reply = yield from self._ask("renew", request)
        self._lease = self._granted(reply)
        return reply

    def rise_above(self, epoch: int) -> Steps[None]:
        """Raise the epoch above one that a former task hub left in storage.

        Raises:
            StepFailedError: another run took over.
        """
        reply = yield from self._ask("raise_epoch", RaiseEpoch(run=self._claim.run, floor=epoch))
        self._lease = self._granted(reply)

    def release(self) -> Steps[None]:
        """Free the lease. Nothing happens if another run has taken it."""
        yield from self._ask("release", NamedRun(run=self._claim.run))

    def _ask(self, operation: str, request: Renew | RaiseEpoch | NamedRun) -> Steps[Reply]:
        return (yield from ask(self._ctx, LEASE_ENTITY, self._claim.key, operation, request, Reply))

    def _granted(self, reply: Reply) -> Lease:
        if not reply.granted:
            raise StepFailedError(lost(self._claim))
        return reply.lease


class Again(NamedTuple):
    """How a body ends that goes on in a new execution: with this request, and with the lease still held."""

    request: BaseModel


class HeldRun[End](Protocol):
    """What one run does while it holds the lease. `End` is its result; for a run of several executions also `Again`."""

    def body(self) -> Steps[End | Problem]:
        """Do the work.

        Raises:
            StepFailedError: a step failed; `record` is given its problem.
            CanceledError: a user asked the run to stop; `record` is given None.
        """
        ...

    def record(self, end: End | Problem | None) -> Steps[End | Problem]:
        """Write down how the body ended, and give the run's end. None stands for a cancelled run; `Again` never comes here."""
        ...


def run_holding[End: BaseModel | Again](
    ctx: Context,
    claim: LeaseRequest,
    begin: Callable[[HeldLease], HeldRun[End]],
    failed: Callable[[Problem], RunFailedError],
) -> Steps[dict[str, Any] | None]:
    """Run an orchestration that holds a lease, from acquiring the lease to raising the failure.

    Args:
        ctx: of the orchestration.
        claim: the lease to acquire.
        begin: makes the run, once the lease is held.
        failed: shows the failure, and makes the exception that ends the orchestration.

    Returns:
        The result as JSON, or None when the run goes on in a new execution.

    Raises:
        RunFailedError: another run holds the lease, or the run failed.
    """
    end = yield from hold(ctx, claim, begin)
    if isinstance(end, Problem):
        logger(ctx, __name__).warning(f"Failed with {end.code.value}: {end.message}")
        raise failed(end)
    if isinstance(end, Again):
        start_again(ctx, end.request)
        return None
    return end.model_dump(mode="json")


def hold[End](ctx: Context, claim: LeaseRequest, begin: Callable[[HeldLease], HeldRun[End]]) -> Steps[End | Problem]:
    """Steps 1 to 4 of the skeleton: the end is recorded and the lease is free, whatever went wrong."""
    lease = yield from acquire(ctx, claim)
    if isinstance(lease, Problem):
        return lease
    held = begin(lease)
    end = yield from _end_of(held)
    if isinstance(end, Again):
        return end
    end = yield from held.record(end)
    yield from lease.release()
    return end


def _end_of[End](held: HeldRun[End]) -> Steps[End | Problem | None]:
    try:
        return (yield from held.body())
    except CanceledError:
        return None
    except StepFailedError as error:
        return error.problem
    except Exception as error:  # noqa: BLE001 - the run's end is recorded and its lease freed whatever went wrong
        return defect(error)


def acquire(ctx: Context, claim: LeaseRequest) -> Steps[HeldLease | Problem]:
    """Acquire the lease, or say which run holds it."""
    request = Acquire(
        run=claim.run,
        kind=claim.kind,
        number=claim.number,
        now=now(ctx),
        ttl_seconds=claim.lease_seconds,
        presumed_dead=claim.presumed_dead,
    )
    reply = yield from ask(ctx, LEASE_ENTITY, claim.key, "acquire", request, Reply)
    if reply.granted:
        return HeldLease(ctx, claim, reply.lease)
    holder = reply.lease.holding.run if reply.lease.holding else "another run"
    message = f"The lease of '{claim.name}' belongs to {holder}. Wait for the end of that run or cancel it, then start again."
    return Problem(code=Code.LEASE_HELD, message=message, target=claim.name)


def lost(claim: LeaseRequest) -> Problem:
    """The problem of a run whose lease expired and was taken by another run."""
    message = (
        f"Another run took '{claim.name}' over, because this run did not renew its lease in time. This run writes nothing more."
    )
    return Problem(code=Code.LEASE_LOST, message=message, target=claim.name)


def now(ctx: Context) -> datetime:
    """The run's own time, the same in every replay."""
    moment = ctx.current_utc_datetime
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
