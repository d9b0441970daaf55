"""Holding a database's lease during a run: the orchestrator's side of the lease entity."""

from datetime import UTC, datetime, timedelta
from typing import Any

from durabletask import task

from orchestrators.steps import Context, StepFailedError, Steps, ask, cancel_signal
from shared.errors import Code, Problem
from shared.runs.ids import LEASE_ENTITY
from shared.runs.leases import Acquire, Lease, LeaseRequest, NamedRun, RaiseEpoch, Renew, Reply

_WRITING_SHARE = 0.9
"""Of the lease's time in which a run may write: what is under way then has the rest to end."""


class CanceledError(Exception):
    """Somebody asked the run to stop, and it is between two steps."""


class HeldLease:
    """One run's time as the holder. Made by `acquire`; ended by `release` on every path."""

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
        """When writing must have ended, unless the lease is renewed."""
        expires = self._lease.holding.expires if self._lease.holding else now(self._ctx)
        return expires - timedelta(seconds=self._claim.lease_seconds * (1 - _WRITING_SHARE))

    @property
    def cancel(self) -> task.Task[Any]:
        """Completes when somebody asks the run to stop; for waits that it is to end."""
        return self._cancel

    def stop_if_canceled(self) -> None:
        """Between two steps: stop when somebody asked for it.

        Raises:
            CanceledError: somebody did.
        """
        if self._cancel.is_complete:
            raise CanceledError

    def renew(self) -> Steps[None]:
        """Take more time, and see whether the lease is still this run's and nobody asked to stop.

        Raises:
            StepFailedError: another run took over; nothing more may be written.
            CanceledError: somebody asked to stop.
        """
        reply = yield from self.extend()
        if reply.cancel_requested:
            raise CanceledError
        self.stop_if_canceled()

    def extend(self) -> Steps[Reply]:
        """Take more time where it is too late to stop.

        Raises:
            StepFailedError: another run took over; nothing more may be written.
        """
        request = Renew(run=self._claim.run, now=now(self._ctx), ttl_seconds=self._claim.lease_seconds)
        reply = yield from self._ask("renew", request)
        self._lease = self._granted(reply)
        return reply

    def rise_above(self, epoch: int) -> Steps[None]:
        """Lift the epoch above one that a former task hub left in storage.

        Raises:
            StepFailedError: another run took over.
        """
        reply = yield from self._ask("raise_epoch", RaiseEpoch(run=self._claim.run, floor=epoch))
        self._lease = self._granted(reply)

    def release(self) -> Steps[None]:
        """Free the lease; nothing happens if it is another's by now."""
        yield from self._ask("release", NamedRun(run=self._claim.run))

    def _ask(self, operation: str, request: Renew | RaiseEpoch | NamedRun) -> Steps[Reply]:
        return (yield from ask(self._ctx, LEASE_ENTITY, self._claim.key, operation, request, Reply))

    def _granted(self, reply: Reply) -> Lease:
        if not reply.granted:
            raise StepFailedError(lost(self._claim))
        return reply.lease


def acquire(ctx: Context, claim: LeaseRequest) -> Steps[HeldLease | Problem]:
    """Take the lease, or say who has it."""
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
    return Problem(code=Code.LEASE_HELD, message=f"'{claim.name}' is held by {holder}.", target=claim.name)


def lost(claim: LeaseRequest) -> Problem:
    """The problem of a run that slept past its lease."""
    message = f"Another run took '{claim.name}' over, because this one did not renew its lease in time. It writes nothing more."
    return Problem(code=Code.LEASE_LOST, message=message, target=claim.name)


def now(ctx: Context) -> datetime:
    """The run's own time, the same in every replay."""
    moment = ctx.current_utc_datetime
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
