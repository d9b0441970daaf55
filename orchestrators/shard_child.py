"""Child shard runs: bring a database's layouts up to date from within a settle, a warmup or a pass."""

from typing import NamedTuple

from orchestrators.lease import now
from orchestrators.steps import Context, StepFailedError, Steps, ask, call, run
from shared.errors import Code, Problem
from shared.runs.ids import LEASE_ENTITY
from shared.runs.leases import Renew, Reply, is_held
from shared.runs.payload import RetryOptions
from shared.runs.shard.outcome import warnings_of
from shared.runs.shard.payloads import Inspect, Inspected, ShardRun
from shared.runs.shard.result import ShardResult
from shared.runs.upload.payloads import InspectUpload, UploadSeen
from shared.sanitise import sanitised_line


class HeldByAnother(NamedTuple):
    """Another run holds the database. `by` is its id, or "another run" where the id is not known."""

    by: str


class LayoutsCurrent(NamedTuple):
    """The layouts are current. `warnings` are those of a shard run's result."""

    warnings: tuple[str, ...]


type ChildState = ShardResult | HeldByAnother | LayoutsCurrent
"""What the child has done; or the layouts are current; or another run holds the database."""


def bring_up_to_date(ctx: Context, shard: ShardRun) -> Steps[ChildState]:
    """Inspect the database, and shard it in a child run unless its layouts are current. Safe to repeat with another run id.

    Raises:
        StepFailedError: the database is refused, or the child failed.
    """
    look = Inspect(account=shard.account, db=shard.db, presets=shard.presets, legacy_alias=shard.legacy_alias)
    inspected = yield from run(ctx, "inspect_database", look, Inspected, shard.retry)
    if inspected.problem is not None:
        raise StepFailedError(inspected.problem)
    if inspected.inspection is not None and inspected.inspection.is_done:
        return LayoutsCurrent(warnings_of(inspected.inspection))
    return (yield from run_child(ctx, shard))


def run_child(ctx: Context, shard: ShardRun) -> Steps[ShardResult | HeldByAnother]:
    """Run a child shard run to its end, unless another run holds the database.

    Raises:
        StepFailedError: the child failed.
    """
    # Renewing a lease that this run does not hold changes nothing and names the holder: this saves a child that would fail.
    peek = Renew(run=shard.run, now=now(ctx), ttl_seconds=shard.lease_seconds)
    reply = yield from ask(ctx, LEASE_ENTITY, shard.claim.key, "renew", peek, Reply)
    holding = reply.lease.holding
    if holding is not None and is_held(reply.lease, now(ctx)):
        return HeldByAnother(holding.run)
    end = yield from call(ctx, "shard", shard, shard.run, ShardResult)
    if isinstance(end, ShardResult):
        return end
    if end.code is Code.LEASE_HELD:
        return HeldByAnother("another run")
    message = sanitised_line(f"Sharding failed: {end.message}")
    raise StepFailedError(end.model_copy(update={"message": message, "target": shard.db}))


def refusal_of(ctx: Context, account: str, db: str, retry: RetryOptions) -> Steps[Problem | None]:
    """Why a database's files are not a complete upload, as a settle would see it. Ask before a run that no user asked for."""
    try:
        seen = yield from run(ctx, "inspect_upload", InspectUpload(account=account, db=db), UploadSeen, retry)
    except StepFailedError as error:
        return error.problem
    # A busy database refuses the run by itself, and only while it is busy.
    return seen.problem if seen.state == "incomplete" else None
