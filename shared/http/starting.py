"""Starting a run: who comes first gets 202, everybody else is told who holds the database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pydantic import BaseModel

from shared.errors import Code, Problem, TransientFailure
from shared.http.messages import Answer, Call, operation_url, shown
from shared.http.ports import HubPort
from shared.runs.ids import operation_id
from shared.runs.kinds import claim_of
from shared.runs.leases import Kind, Lease, is_held
from shared.runs.operations import RunState, operation_of

_NUMBERS_TRIED = 16


class HeldError(Exception):
    """A run for this database is under way; `state` is that run. Whoever calls the routes answers with `held`."""

    def __init__(self, state: RunState, lease: Lease, db: str) -> None:
        super().__init__(state.run)
        self.state = state
        self.db = db
        self.lease = lease


class Holder(BaseModel):
    """The run that goes first, as the 409 names it; times with their zone."""

    operation_id: str
    kind: str
    since: datetime
    age_seconds: int
    expires: datetime


class Start(NamedTuple):
    """A run to be started: of which kind, by which orchestrator, on what; `make` gives its input for an id."""

    kind: Kind
    orchestrator: str
    scope: str
    db: str
    make: Callable[[str, int, str | None], BaseModel]


async def start_run(hub: HubPort, lease: Lease, start: Start, arrived: datetime) -> str:
    """Start a run, unless one is under way or was started while this request was being handled; its operation id.

    The id follows from the lease's epoch, so racing requests compute the same one and the engine lets one of them win. An id
    whose run ended without ever holding the lease is passed over.

    Args:
        hub: the task hub.
        lease: as it was seen after the request had arrived.
        start: what is to be started; its input is told the id, the number in it, and a holder that is known dead.
        arrived: when the request did.

    Raises:
        HeldError: somebody else's run goes first.
        TransientFailure: the hub does not answer.
    """
    dead = await _dead_holder(hub, lease, start, arrived)
    for number in range(lease.epoch + 1, lease.epoch + 1 + _NUMBERS_TRIED):
        run = operation_id(start.kind, start.scope, start.db, number)
        existing = await hub.find(run)
        if existing is None:
            if await hub.start(start.orchestrator, run, start.make(run, number, dead)):
                return run
            existing = await hub.find(run)
        if existing is not None and _goes_first(existing, arrived):
            raise HeldError(existing, lease, start.db)
    raise TransientFailure(Code.HUB_UNAVAILABLE, "No operation id is free; try again.", retry_after_seconds=5)


async def _dead_holder(hub: HubPort, lease: Lease, start: Start, arrived: datetime) -> str | None:
    """The holder whose orchestration is gone, if it is; a living one goes first."""
    run = lease.holding.run if lease.holding else operation_id(start.kind, start.scope, start.db, lease.epoch)
    state = await hub.find(run) if lease.epoch else None
    ended = state is None or operation_of(state).has_ended
    if state is not None and (state.created_at >= arrived or (not ended and is_held(lease, datetime.now(UTC)))):
        raise HeldError(state, lease, start.db)
    return run if lease.holding and ended else None


def _goes_first(existing: RunState, arrived: datetime) -> bool:
    return not operation_of(existing).has_ended or existing.created_at >= arrived


def held(call: Call, error: HeldError) -> Answer:
    """The 409 that names the holder: its operation id, age and expiry, and where to follow it."""
    state, holding, db = error.state, error.lease.holding, error.db
    since = state.created_at
    age = max(0, round((datetime.now(UTC) - since).total_seconds()))
    # A run that was only just started has not been seen to hold the lease; it will for as long as its input says.
    seconds = claim.lease_seconds if (claim := claim_of(state)) is not None else 0.0
    expires = holding.expires if holding is not None and holding.run == state.run else since + timedelta(seconds=seconds)
    problem = Problem(
        code=Code.LEASE_HELD,
        message=f"'{db}' is being worked on by operation {state.run}, started {age} s ago. Follow it, cancel it, or wait.",
        target=db,
    )
    holder = Holder(operation_id=state.run, kind=state.kind, since=since, age_seconds=age, expires=expires)
    url = operation_url(call, state.run)
    headers = {"x-ms-error-code": problem.code.value, "Operation-Location": url, "Retry-After": "5"}
    return Answer({"error": shown(problem), "operation_id": state.run, "holder": holder.model_dump(mode="json")}, 409, headers)
