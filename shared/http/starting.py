"""Start a run: the first request gets 202, every other a 409 that names the holder of the lease."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import NamedTuple

from pydantic import BaseModel

from shared.errors import Code, Problem, TransientFailure
from shared.http import requests
from shared.http.bodies import StartBody
from shared.http.messages import Answer, Call, operation_url, shown
from shared.http.ports import HubPort
from shared.runs.backoff import backoff
from shared.runs.callbacks import Callback
from shared.runs.ids import operation_id
from shared.runs.kinds import claim_of
from shared.runs.leases import Kind, Lease, is_held
from shared.runs.operations import RunState, operation_of
from shared.runs.payload import RunInput
from shared.settings import Settings

_NUMBERS_TRIED = 16
_LOOKS = 6
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.8


class HeldError(Exception):
    """Another run holds the lease of this database; `state` is that run. The adapter answers with `held`."""

    def __init__(self, state: RunState, lease: Lease, db: str) -> None:
        super().__init__(state.run)
        self.state = state
        self.db = db
        self.lease = lease


class Holder(BaseModel):
    """The run that holds the lease, as the 409 names it; times with their zone."""

    operation_id: str
    kind: str
    since: datetime
    age_seconds: int
    expires: datetime


class NewRun(NamedTuple):
    """The identity of a run that is about to start: its id, the number in it, and a holder of the lease that is known dead."""

    run: str
    number: int
    presumed_dead: str | None


class Start(NamedTuple):
    """A run to start: its kind and orchestrator, the account or cluster and the database that it holds, and its input.

    `make` leaves the input's nonce to `start_run`.
    """

    kind: Kind
    orchestrator: str
    scope: str
    db: str
    make: Callable[[NewRun], RunInput]


def parse_start[Body: StartBody](call: Call, settings: Settings, body_type: type[Body]) -> tuple[Body, Callback | None]:
    """The body of a request that starts a run, and the callback that it asks for, after the checks that all starts share.

    Raises:
        InvalidRequest: the query, the body or its callback is wrong.
    """
    requests.only(call.query)
    body = requests.parse_body(call, body_type)
    return body, requests.callback(body.callback_url, settings)


async def start_run(hub: HubPort, lease: Lease, start: Start, arrived: datetime) -> str:
    """Start a run and return its operation id, unless another run holds the database or has started since `arrived`.

    The id follows from the lease's epoch, so racing requests compute the same one, and the engine runs one of their inputs. The
    others need not hear of that from the engine: the nonce in the run's input says whose it is. An id whose run ended without
    ever holding the lease is skipped.

    Args:
        hub: the task hub.
        lease: as it was read after the request arrived.
        start: the run to start.
        arrived: when the request arrived.

    Raises:
        HeldError: another run holds the database.
        TransientFailure: the hub does not answer or does not show the run, or no id was free. A retry may help; while a run that
            started all the same is under way, it raises `HeldError`.
    """
    nonce = token_hex(8)
    dead = await _dead_holder(hub, lease, start, arrived)
    for number in range(lease.epoch + 1, lease.epoch + 1 + _NUMBERS_TRIED):
        run = operation_id(start.kind, start.scope, start.db, number)
        existing = await hub.find(run)
        if existing is None:
            request = start.make(NewRun(run, number, dead)).model_copy(update={"nonce": nonce})
            existing = await _started(hub, start.orchestrator, run, request)
            if RunInput.model_validate(existing.input or {}).nonce == nonce:
                return run
        if _goes_first(existing, arrived):
            raise HeldError(existing, lease, start.db)
    raise TransientFailure(
        Code.HUB_UNAVAILABLE,
        f"The next {_NUMBERS_TRIED} operation ids of '{start.db}' are taken. Try again.",
        retry_after_seconds=5,
    )


async def _started(hub: HubPort, orchestrator: str, run: str, request: RunInput) -> RunState:
    """The run of that id after it was started, by this request or by one that was faster.

    Raises:
        TransientFailure: the hub shows no run of that id after more than a second of looks, or it does not answer.
    """
    lost = None
    try:
        await hub.start(orchestrator, run, request)
    except TransientFailure as failure:
        # The hub may have started the run before its answer was lost.
        lost = failure
    for look in range(_LOOKS):
        if look:
            await asyncio.sleep(backoff(look - 1, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS).total_seconds())
        state = await hub.find(run)
        if state is not None:
            return state
    message = f"The task hub does not show {run}, which may have started. Ask for that operation before you try again."
    raise lost or TransientFailure(Code.HUB_UNAVAILABLE, message, retry_after_seconds=5)


async def _dead_holder(hub: HubPort, lease: Lease, start: Start, arrived: datetime) -> str | None:
    """The lease's holder when its orchestration is over or gone. Raises `HeldError` for a living one."""
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
    # A run that has just started may not have its lease yet; its input says for how long it will hold it.
    seconds = claim.lease_seconds if (claim := claim_of(state)) is not None else 0.0
    expires = holding.expires if holding is not None and holding.run == state.run else since + timedelta(seconds=seconds)
    problem = Problem(
        code=Code.LEASE_HELD,
        message=f"Operation {state.run}, started {age} s ago, is working on '{db}'. Follow it, cancel it, or wait.",
        target=db,
    )
    holder = Holder(operation_id=state.run, kind=state.kind, since=since, age_seconds=age, expires=expires)
    url = operation_url(call, state.run)
    headers = {"x-ms-error-code": problem.code.value, "Operation-Location": url, "Retry-After": "5"}
    return Answer({"error": shown(problem), "operation_id": state.run, "holder": holder.model_dump(mode="json")}, 409, headers)
