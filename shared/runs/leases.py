"""The right of one run to write for one (account, db), as a table of transitions. The entity in `orchestrators` keeps it.

| operation | free | held by the caller | held by another, alive | held by another, expired or known dead |
|---|---|---|---|---|
| acquire | granted, epoch + 1 | granted, same epoch | refused, holder named | granted, epoch + 1 |
| renew | refused | granted, later expiry | refused | refused |
| raise_epoch | refused | granted, epoch above the floor | refused | refused |
| cancel | nothing | asked to cancel, if the named run holds | nothing | nothing |
| release | nothing | free, epoch kept | nothing | nothing |

A lease is not a lock: a holder that slept past its expiry may wake up. What it writes is fenced: every write of metadata
carries the epoch, and a lower one is refused. Epochs only grow; they outlive the holder.
"""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

type Kind = Literal["shard", "prepare", "restore", "warm", "reconcile"]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class Holding(_Wire):
    """Who holds a lease: the run's operation id, since when, and until when unless it renews."""

    run: str
    kind: Kind
    since: datetime
    expires: datetime
    cancel_requested: bool = False


class Lease(_Wire):
    """The state of one lease. `epoch` is that of the present or, when free, of the last holder; 0 before the first."""

    epoch: int = 0
    holding: Holding | None = None


class Acquire(_Wire):
    """Ask for the lease.

    `number` is the run's own number, which is in its operation id: the epoch granted is never below it, so that ids are
    not used twice. `presumed_dead` names a holder whose orchestration was seen ended or absent.
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
    """Lift the epoch above one found in storage, which a former task hub left behind."""

    run: str
    floor: int


class NamedRun(_Wire):
    """Release, or cancel: only if this run is the holder."""

    run: str


class Reply(_Wire):
    """What the entity answers. `lease` is the state after the operation; not granted names the holder, if there is one."""

    granted: bool
    lease: Lease

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody asked the holder to stop."""
        return self.lease.holding is not None and self.lease.holding.cancel_requested


def is_held(lease: Lease, now: datetime) -> bool:
    """Whether somebody holds the lease and its time is not over."""
    return lease.holding is not None and now < lease.holding.expires


def acquire(lease: Lease, request: Acquire) -> Reply:
    """Give the lease to a run if it is free, its own already, expired, or its holder is known dead."""
    held_by = lease.holding
    if held_by is not None and held_by.run == request.run:
        return Reply(granted=True, lease=lease)
    if held_by is not None and is_held(lease, request.now) and held_by.run != request.presumed_dead:
        return Reply(granted=False, lease=lease)
    holding = Holding(
        run=request.run,
        kind=request.kind,
        since=request.now,
        expires=request.now + timedelta(seconds=request.ttl_seconds),
    )
    return Reply(granted=True, lease=Lease(epoch=max(lease.epoch + 1, request.number), holding=holding))


def renew(lease: Lease, request: Renew) -> Reply:
    """Give the holder more time; nobody else. An expired lease that nobody took over may still be renewed."""
    if lease.holding is None or lease.holding.run != request.run:
        return Reply(granted=False, lease=lease)
    expires = max(lease.holding.expires, request.now + timedelta(seconds=request.ttl_seconds))
    holding = lease.holding.model_copy(update={"expires": expires})
    return Reply(granted=True, lease=lease.model_copy(update={"holding": holding}))


def raise_epoch(lease: Lease, request: RaiseEpoch) -> Reply:
    """Lift the holder's epoch above `floor`; nothing changes when it is above already."""
    if lease.holding is None or lease.holding.run != request.run:
        return Reply(granted=False, lease=lease)
    return Reply(granted=True, lease=lease.model_copy(update={"epoch": max(lease.epoch, request.floor + 1)}))


def cancel(lease: Lease, request: NamedRun) -> Reply:
    """Note that the holder should stop. Sticky; a run that does not hold the lease is not touched."""
    if lease.holding is None or lease.holding.run != request.run:
        return Reply(granted=False, lease=lease)
    holding = lease.holding.model_copy(update={"cancel_requested": True})
    return Reply(granted=True, lease=lease.model_copy(update={"holding": holding}))


def release(lease: Lease, request: NamedRun) -> Reply:
    """Free the lease if this run holds it. The epoch stays: the next holder's is higher."""
    if lease.holding is None or lease.holding.run != request.run:
        return Reply(granted=False, lease=lease)
    return Reply(granted=True, lease=Lease(epoch=lease.epoch))


class LeaseRequest(NamedTuple):
    """A run that wants a lease: on what (`key`), who it is, and for how long at a time; `name` is for people."""

    key: str
    run: str
    kind: Kind
    number: int
    name: str
    lease_seconds: float
    presumed_dead: str | None
