"""Starting a run: who comes first gets 202, everybody else is told who holds the database."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from shared.blastdb.volumes import Molecule
from shared.http.messages import Answer, Call, operation_url
from shared.http.ports import Backing, HubPort
from shared.http.problems import shown
from shared.runs.errors import Code, Problem, TransientFailure
from shared.runs.identity import operation_id
from shared.runs.leases import Lease, is_held
from shared.runs.operations import RunState, operation_of
from shared.runs.shard import ShardRun
from shared.settings import Settings

_NUMBERS_TRIED = 16


class HeldError(Exception):
    """A run for this database is under way; `state` is that run."""

    def __init__(self, state: RunState, lease: Lease) -> None:
        super().__init__(state.run)
        self.state = state
        self.lease = lease


class Wanted(NamedTuple):
    """What a run is asked to do; `molecule` is what a first look found."""

    account: str
    db: str
    molecule: Molecule
    presets: tuple[int, ...] | None = None
    force: bool = False


async def start_shard_run(backing: Backing, wanted: Wanted, lease: Lease, arrived: datetime) -> str:
    """Start a run, unless one is under way or was started while this request was being handled; its operation id.

    The id follows from the lease's epoch, so racing requests compute the same one and the engine lets one of them win. An id
    whose run ended without ever holding the lease is passed over.

    Args:
        backing: the hub and the settings.
        wanted: what the run is to do.
        lease: as it was seen after the request had arrived.
        arrived: when that was.

    Raises:
        HeldError: somebody else's run goes first.
        TransientFailure: the hub does not answer.
    """
    hub, account, db = backing.hub, wanted.account, wanted.db
    dead = await _dead_holder(hub, lease, operation_id("shard", account, db, lease.epoch), arrived)
    for number in range(lease.epoch + 1, lease.epoch + 1 + _NUMBERS_TRIED):
        run = operation_id("shard", account, db, number)
        existing = await hub.find(run)
        if existing is None:
            if await hub.start("shard", run, _input(backing.settings, wanted, run, number, dead)):
                return run
            existing = await hub.find(run)
        if existing is not None and _goes_first(existing, arrived):
            raise HeldError(existing, lease)
    raise TransientFailure(Code.HUB_UNAVAILABLE, "No operation id is free; try again.", retry_after_seconds=5)


async def _dead_holder(hub: HubPort, lease: Lease, last_run: str, arrived: datetime) -> str | None:
    """The holder whose orchestration is gone, if it is; a living one goes first."""
    run = lease.holding.run if lease.holding else last_run
    state = await hub.find(run) if lease.epoch else None
    ended = state is None or operation_of(state).has_ended
    if state is not None and (state.created_at >= arrived or (not ended and is_held(lease, datetime.now(UTC)))):
        raise HeldError(state, lease)
    return run if lease.holding and ended else None


def _goes_first(existing: RunState, arrived: datetime) -> bool:
    return not operation_of(existing).has_ended or existing.created_at >= arrived


def _input(settings: Settings, wanted: Wanted, run: str, number: int, presumed_dead: str | None) -> ShardRun:
    """What was asked for, and the settings that steer the run from now on."""
    return ShardRun(
        run=run,
        number=number,
        account=wanted.account,
        db=wanted.db,
        presets=wanted.presets or settings.presets,
        force=wanted.force,
        legacy_alias=settings.alias_form == "legacy",
        molecule=wanted.molecule,
        presumed_dead=presumed_dead,
        lease_seconds=settings.lease_seconds,
        retry=settings.retry,
    )


def held(call: Call, error: HeldError) -> Answer:
    """The 409 that names the holder: its operation id, age and expiry, and where to follow it."""
    state, holding = error.state, error.lease.holding
    since = state.created_at
    age = max(0, round((datetime.now(UTC) - since).total_seconds()))
    given = ShardRun.model_validate(state.input)
    # A run that was only just started has not been seen to hold the lease; it will for as long as its input says.
    seen = holding is not None and holding.run == state.run
    expires = holding.expires if holding is not None and seen else since + timedelta(seconds=given.lease_seconds)
    db = given.db
    problem = Problem(
        code=Code.LEASE_HELD,
        message=f"'{db}' is being worked on by operation {state.run}, started {age} s ago. Follow it, cancel it, or wait.",
        target=db,
    )
    holder = {
        "operation_id": state.run,
        "kind": state.kind,
        "since": since.isoformat(),
        "age_seconds": age,
        "expires": expires.isoformat(),
    }
    url = operation_url(call, state.run)
    headers = {"x-ms-error-code": problem.code.value, "Operation-Location": url, "Retry-After": "5"}
    return Answer({"error": shown(problem), "operation_id": state.run, "holder": holder}, 409, headers)
