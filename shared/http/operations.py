"""Routes under `/api/operations`: the status monitor of every run."""

import asyncio
from datetime import UTC, timedelta
from time import monotonic
from urllib.parse import urlencode

from shared.errors import Code, Conflict, InvalidRequest, NotFound
from shared.http import requests
from shared.http.access import Role, require
from shared.http.messages import Answer, Call, accepted
from shared.http.ports import Backing, HubPort
from shared.runs.ids import can_be_run_id, notify_id
from shared.runs.kinds import KINDS, WARMING
from shared.runs.operations import Operation, RunState, Status, callback_of, is_to_be_posted, operation_of
from shared.runs.replies.models import OperationPage

_ENGINE_WORDS: dict[Status, tuple[str, ...]] = {
    "NotStarted": ("PENDING",),
    "Running": ("RUNNING", "CONTINUED_AS_NEW", "SUSPENDED"),
    "Succeeded": ("COMPLETED",),
    "Failed": ("FAILED",),
    "Canceled": ("COMPLETED", "TERMINATED"),
}
_PAGE = 1000
_WINDOW = timedelta(days=7)
_FIRST_LOOK_SECONDS = 0.05
_LOOK_SECONDS = 1.0


async def show_operation(call: Call, backing: Backing) -> Answer:
    """`GET /api/operations/{id}?wait_ms=`: one operation. With `wait_ms` it replies on a change, or after that time."""
    requests.only(call.query, "wait_ms")
    wait_seconds = requests.wait_ms(call) / 1000
    state = await _changed(backing.hub, await find_run(call, backing.hub), wait_seconds)
    operation = operation_of(state)
    if is_to_be_posted(state):
        callback = callback_of(await backing.hub.find(notify_id(state.run)))
        operation = operation.model_copy(update={"callback": callback})
    return Answer(operation, headers={} if operation.has_ended else {"Retry-After": "1"})


async def list_operations(call: Call, backing: Backing) -> Answer:
    """`GET /api/operations`: operations created since `created_from`, newest first; `nextLink` leads to older ones.

    Each page reads all of the hub's runs since then, so a caller should not look further back than needed.
    """
    requests.only(call.query, "status", "kind", "created_from", "top", "after")
    status, kind, after = (call.query.get(name) for name in ("status", "kind", "after"))
    if status is not None and status not in _ENGINE_WORDS:
        raise InvalidRequest(Code.INVALID_FIELD, f"'status' is one of {', '.join(_ENGINE_WORDS)}.", target="status")
    if kind is not None and kind not in KINDS:
        raise InvalidRequest(Code.INVALID_FIELD, f"'kind' is one of {', '.join(sorted(KINDS))}.", target="kind")
    top = requests.whole_number(call.query.get("top"), "top", default=_PAGE, lowest=1, highest=_PAGE)
    created_from = requests.moment(call.query.get("created_from"), "created_from", default=call.arrived - _WINDOW)
    states = await backing.hub.list(_ENGINE_WORDS[status] if status is not None else None, created_from=created_from)
    operations = (operation_of(state) for state in states if state.kind in KINDS and kind in {None, state.kind})
    wanted = (one for one in operations if status in {None, one.status} and (after is None or _mark(one) < after))
    left = sorted(wanted, key=_mark, reverse=True)
    page = tuple(left[:top])
    link = None
    if len(left) > top:
        filters = {name: value for name, value in (("status", status), ("kind", kind)) if value is not None}
        rest = {**filters, "created_from": created_from.isoformat(), "top": top, "after": _mark(page[-1])}
        link = f"{call.base_url}/operations?{urlencode(rest)}"
    return Answer(OperationPage(value=page, nextLink=link))


def _mark(operation: Operation) -> str:
    """A sort key by creation. Two keys compare as text in the same order as their moments."""
    return f"{operation.created_at.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{operation.id}"


async def cancel_operation(call: Call, backing: Backing) -> Answer:
    """`POST /api/operations/{id}/cancel`: ask a run to stop. It stops between two steps and cleans up."""
    requests.only(call.query)
    state = await find_run(call, backing.hub)
    require(call, backing.settings, Role.WARM if state.kind in WARMING else Role.WRITE)
    operation = operation_of(state)
    if operation.has_ended:
        message = f"The operation has already ended: {operation.status}."
        raise Conflict(Code.OPERATION_ENDED, message, target=operation.id)
    await backing.hub.cancel(state)
    return accepted(call, operation.id, operation, retry_after_seconds=1)


async def find_run(call: Call, hub: HubPort, kinds: frozenset[str] = KINDS, called: str = "operation") -> RunState:
    """The run whose id is in the path.

    Raises:
        NotFound: the hub has no run of this id and one of these kinds.
    """
    run = call.path.get("id", "")
    state = await hub.find(run) if can_be_run_id(run) else None
    if state is None or state.kind not in kinds:
        raise NotFound(Code.OPERATION_NOT_FOUND, f"There is no {called} with this id.", target="id")
    return state


async def _changed(hub: HubPort, seen: RunState, wait_seconds: float) -> RunState:
    end, pause, state = monotonic() + wait_seconds, _FIRST_LOOK_SECONDS, seen
    before = operation_of(seen)
    while not operation_of(state).has_ended and (left := end - monotonic()) > 0:
        await asyncio.sleep(min(pause, left))
        pause = min(pause * 1.5, _LOOK_SECONDS)
        state = await hub.find(seen.run) or state
        now = operation_of(state)
        if (now.status, now.progress) != (before.status, before.progress):
            break
    return state
