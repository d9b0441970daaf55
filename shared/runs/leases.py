"""The lease of one (account, db): which run may write. The entity `lease` in `orchestrators` stores it.

`TRANSITIONS` says what each operation does, by the present holder.

A lease is not a lock: a holder that slept past its expiry may wake up. Its writes are fenced: every write of metadata carries
the epoch, and a lower one is refused. Epochs only grow, and outlive the holder.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

type Kind = Literal["shard", "prepare", "restore", "warm", "reconcile"]


class HeldBy(StrEnum):
    """The holder of a lease as an operation sees it. Only `acquire` tells LOST from ANOTHER: it brings the time."""

    NONE = "none"
    CALLER = "the run that the operation names"
    ANOTHER = "another run"
    LOST = "another run, expired or known dead"


class Effect(StrEnum):
    """What an operation does to a lease. All but REFUSED grant it."""

    REFUSED = "refused; the reply names the holder"
    UNCHANGED = "granted as it is"
    TAKEN = "the caller's, with a higher epoch"
    EXTENDED = "expires later"
    RAISED = "the epoch is above the floor"
    CANCELED = "the holder is asked to stop"
    FREED = "free; the epoch stays"


type Operation = Literal["acquire", "renew", "raise_epoch", "cancel", "release"]


def _row(*, free: Effect, caller: Effect, another: Effect, lost: Effect) -> Mapping[HeldBy, Effect]:
    return {HeldBy.NONE: free, HeldBy.CALLER: caller, HeldBy.ANOTHER: another, HeldBy.LOST: lost}


def _for_the_holder(effect: Effect) -> Mapping[HeldBy, Effect]:
    return _row(free=Effect.REFUSED, caller=effect, another=Effect.REFUSED, lost=Effect.REFUSED)


TRANSITIONS: Mapping[Operation, Mapping[HeldBy, Effect]] = {
    "acquire": _row(free=Effect.TAKEN, caller=Effect.UNCHANGED, another=Effect.REFUSED, lost=Effect.TAKEN),
    "renew": _for_the_holder(Effect.EXTENDED),
    "raise_epoch": _for_the_holder(Effect.RAISED),
    "cancel": _for_the_holder(Effect.CANCELED),
    "release": _for_the_holder(Effect.FREED),
}


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class Holding(_Wire):
    """The holder of a lease: the run's operation id, since when it holds, and when the lease expires unless renewed."""

    run: str
    kind: Kind
    since: datetime
    expires: datetime
    cancel_requested: bool = False


class Lease(_Wire):
    """The state of one lease. `epoch` is the holder's, or the last holder's when the lease is free; 0 before the first."""

    epoch: int = 0
    holding: Holding | None = None


class Acquire(_Wire):
    """Ask for the lease.

    `number` is the run's own number, which is part of its operation id. The epoch granted is never below it, so that no id is
    used twice. `presumed_dead` names a holder whose orchestration was seen ended or absent.
    """

    run: str
    kind: Kind
    number: int = Field(ge=1)
    now: datetime
    ttl_seconds: float
    presumed_dead: str | None = None


class Renew(_Wire):
    """Ask for more time."""

    run: str
    now: datetime
    ttl_seconds: float


class RaiseEpoch(_Wire):
    """Raise the epoch above one that a former task hub left in storage."""

    run: str
    floor: int


class NamedRun(_Wire):
    """Release or cancel a lease, only if this run holds it."""

    run: str


class Reply(_Wire):
    """The entity's reply. `lease` is the state after the operation. A refusal thus names the holder, if there is one."""

    granted: bool
    lease: Lease

    @property
    def cancel_requested(self) -> bool:
        """Whether a user asked the holder to stop."""
        return self.lease.holding is not None and self.lease.holding.cancel_requested


def is_held(lease: Lease, now: datetime) -> bool:
    """Whether a run holds the lease and the lease has not expired."""
    return lease.holding is not None and now < lease.holding.expires


def acquire(lease: Lease, request: Acquire) -> Reply:
    """Give the lease to a run if it is free, its own already, expired, or its holder is known dead."""
    holder = _holder(lease, request.run)
    if holder is HeldBy.ANOTHER and (not is_held(lease, request.now) or _is_held_by(lease, request.presumed_dead)):
        holder = HeldBy.LOST
    return _apply("acquire", holder, lease, request)


def renew(lease: Lease, request: Renew) -> Reply:
    """Give the holder more time. An expired lease may still be renewed until another run acquires it."""
    return _apply("renew", _holder(lease, request.run), lease, request)


def raise_epoch(lease: Lease, request: RaiseEpoch) -> Reply:
    """Raise the holder's epoch above `floor`. An epoch above it stays."""
    return _apply("raise_epoch", _holder(lease, request.run), lease, request)


def cancel(lease: Lease, request: NamedRun) -> Reply:
    """Note that the holder should stop. The note stays until the holder releases the lease."""
    return _apply("cancel", _holder(lease, request.run), lease, request)


def release(lease: Lease, request: NamedRun) -> Reply:
    """Free the lease if this run holds it. The epoch stays: the next holder's is higher."""
    return _apply("release", _holder(lease, request.run), lease, request)


def _apply(operation: Operation, holder: HeldBy, lease: Lease, request: BaseModel) -> Reply:
    effect = TRANSITIONS[operation][holder]
    return Reply(granted=effect is not Effect.REFUSED, lease=_EFFECTS[effect](lease, request))


def _holder(lease: Lease, run: str) -> HeldBy:
    if lease.holding is None:
        return HeldBy.NONE
    return HeldBy.CALLER if _is_held_by(lease, run) else HeldBy.ANOTHER


def _is_held_by(lease: Lease, run: str | None) -> bool:
    return lease.holding is not None and lease.holding.run == run


def _unchanged(lease: Lease, _: BaseModel) -> Lease:
    return lease


def _taken(lease: Lease, request: Acquire) -> Lease:
    expires = request.now + timedelta(seconds=request.ttl_seconds)
    holding = Holding(run=request.run, kind=request.kind, since=request.now, expires=expires)
    return Lease(epoch=max(lease.epoch + 1, request.number), holding=holding)


def _extended(lease: Lease, request: Renew) -> Lease:
    expires = request.now + timedelta(seconds=request.ttl_seconds)
    return _held(lease, expires=max(lease.holding.expires, expires) if lease.holding else expires)


def _raised(lease: Lease, request: RaiseEpoch) -> Lease:
    return lease.model_copy(update={"epoch": max(lease.epoch, request.floor + 1)})


def _canceled(lease: Lease, _: NamedRun) -> Lease:
    return _held(lease, cancel_requested=True)


def _freed(lease: Lease, _: NamedRun) -> Lease:
    return Lease(epoch=lease.epoch)


def _held(lease: Lease, **changes: Any) -> Lease:
    return lease.model_copy(update={"holding": lease.holding and lease.holding.model_copy(update=changes)})


_EFFECTS: dict[Effect, Callable[[Lease, Any], Lease]] = {
    Effect.REFUSED: _unchanged,
    Effect.UNCHANGED: _unchanged,
    Effect.TAKEN: _taken,
    Effect.EXTENDED: _extended,
    Effect.RAISED: _raised,
    Effect.CANCELED: _canceled,
    Effect.FREED: _freed,
}


class LeaseRequest(NamedTuple):
    """A run's request for a lease: the entity's `key`, the run, and the time per renewal. `name` is for messages."""

    key: str
    run: str
    kind: Kind
    number: int
    name: str
    lease_seconds: float
    presumed_dead: str | None
