"""The upload of one (account, db): its state, its transitions, and what its entity is asked.

The entity `upload` in `orchestrators` stores the state. The table in `shared.runs.upload.table` says what each operation does.

An event is known by its blob, ETag and sequencer. It is overtaken when a later event of its blob came first. Only the last 128
blobs are remembered. Forgetting one costs one more look and no run: a run begins only if the layouts are not current.
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from shared.runs.ids import operation_id
from shared.runs.payload import Payload
from shared.runs.upload.events import BlobChanged
from shared.runs.upload.payloads import SettleRun
from shared.runs.upload.table import TRANSITIONS, Operation, Settle, UploadEffect

REMEMBERED_BLOBS = 128


class LastEvent(Payload):
    """The last event of one blob."""

    leaf: str
    etag: str | None = None
    sequencer: str | None = None


class UploadState(Payload):
    """The state of one upload: the settle under way, when the last one started, the count of events, the last events in order."""

    number: int = 0
    run: str | None = None
    alive_until: datetime | None = None
    started: datetime | None = None
    version: int = 0
    last_arrival: datetime | None = None
    recent: tuple[LastEvent, ...] = ()
    known: int = 0
    overtaken: int = 0


class Arrive(Payload):
    """A blob was uploaded or deleted. `mark` is the event; `settle` is the settle to start, whose run id the entity gives."""

    mark: LastEvent
    received: datetime
    settle: SettleRun


class SettleLook(Payload):
    """A settle asks what has arrived, and announces for how long it may now be silent."""

    run: str
    now: datetime
    alive_seconds: float


class End(Payload):
    """A settle asks to end, having seen this version. None ends it even if it has not seen every event."""

    run: str
    version: int | None = Field(None)


class Revive(Payload):
    """Start another settle in place of a dead one, whose orchestration was seen ended or absent."""

    presumed_dead: str
    now: datetime
    settle: SettleRun


class Tidy(Payload):
    """Drop idle state: events after `idle_seconds`, the rest `retention_seconds` later, when its settles are purged."""

    now: datetime
    idle_seconds: float
    retention_seconds: float


class SettleReply(Payload):
    """The entity's reply to a settle. Not granted: the settle should look again, or stop."""

    granted: bool
    version: int = 0
    last_arrival: datetime | None = None


def arrival(changed: BlobChanged, received: datetime, settle: SettleRun) -> Arrive:
    """The entity's operation for an event."""
    return Arrive(
        mark=LastEvent(leaf=changed.leaf, etag=changed.etag, sequencer=changed.sequencer), received=received, settle=settle
    )


def arrive(state: UploadState, request: Arrive) -> tuple[UploadState, SettleRun | None]:
    """Note an event. Also returns the settle to start, if there is one."""
    event, last = request.mark, next((known for known in state.recent if known.leaf == request.mark.leaf), None)
    operation = _arrival_of(event, last)
    is_alive = state.alive_until is not None and request.received < state.alive_until
    effect = TRANSITIONS[operation][_settle(state, None, is_alive=is_alive)]
    if effect is UploadEffect.COUNTED:
        count = {"known": state.known + 1} if operation == "arrive known" else {"overtaken": state.overtaken + 1}
        return state.model_copy(update=count), None
    recent = (*(known for known in state.recent if known is not last), event)[-REMEMBERED_BLOBS:]
    noted = {
        "recent": recent,
        "version": state.version + 1,
        "last_arrival": max(state.last_arrival or request.received, request.received),
    }
    state = state.model_copy(update=noted)
    return _start(state, request.settle, request.received) if effect is UploadEffect.STARTED else (state, None)


def look(state: UploadState, request: SettleLook) -> tuple[UploadState, SettleReply]:
    """Give a settle the count and time of the events so far, and more time to live."""
    if TRANSITIONS["look"][_settle(state, request.run)] is UploadEffect.REFUSED:
        return state, SettleReply(granted=False)
    alive_until = request.now + timedelta(seconds=request.alive_seconds)
    state = state.model_copy(update={"alive_until": alive_until})
    return state, SettleReply(granted=True, version=state.version, last_arrival=state.last_arrival)


def end(state: UploadState, request: End) -> tuple[UploadState, SettleReply]:
    """End a settle, unless an event has arrived that it has not seen."""
    operation: Operation = "end" if request.version in {None, state.version} else "end unseen"
    if TRANSITIONS[operation][_settle(state, request.run)] is UploadEffect.REFUSED:
        return state, SettleReply(granted=False, version=state.version, last_arrival=state.last_arrival)
    return state.model_copy(update={"run": None, "alive_until": None}), SettleReply(granted=True, version=state.version)


def revive(state: UploadState, request: Revive) -> tuple[UploadState, SettleRun | None]:
    """Start another settle for an upload whose settle died."""
    if TRANSITIONS["revive"][_settle(state, request.presumed_dead)] is UploadEffect.UNCHANGED:
        return state, None
    return _start(state, request.settle, request.now)


def tidy(state: UploadState, request: Tidy) -> UploadState | None:
    """The state without what is idle; None when nothing is left. No settle's number is used again before it is purged."""
    if TRANSITIONS["tidy"][_settle(state, None)] is UploadEffect.UNCHANGED:
        return state
    moments = [moment for moment in (state.last_arrival, state.started) if moment is not None]
    idle_seconds = (request.now - max(moments)).total_seconds() - request.idle_seconds if moments else float("inf")
    if idle_seconds >= request.retention_seconds:
        return None
    return state.model_copy(update={"recent": ()}) if idle_seconds >= 0 else state


def _settle(state: UploadState, named: str | None, *, is_alive: bool = True) -> Settle:
    if state.run is None:
        return Settle.NONE
    if state.run == named:
        return Settle.NAMED
    return Settle.ANOTHER if is_alive else Settle.SILENT


def _arrival_of(event: LastEvent, last: LastEvent | None) -> Literal["arrive", "arrive known", "arrive overtaken"]:
    if last is not None and _is_known(event, last):
        return "arrive known"
    return "arrive overtaken" if last is not None and _is_overtaken(event, last) else "arrive"


def _start(state: UploadState, settle: SettleRun, now: datetime) -> tuple[UploadState, SettleRun]:
    number = state.number + 1
    run = operation_id("settle", settle.shard.account, settle.shard.db, number)
    alive_until = now + timedelta(seconds=settle.alive_seconds)
    started = {"number": number, "run": run, "alive_until": alive_until, "started": now}
    return state.model_copy(update=started), settle.model_copy(update={"run": run})


def _is_known(event: LastEvent, last: LastEvent) -> bool:
    return event == last and (event.etag is not None or event.sequencer is not None)


def _is_overtaken(event: LastEvent, last: LastEvent) -> bool:
    # The service compares sequencers as strings; strings of different lengths cannot be compared.
    if event.sequencer is None or last.sequencer is None or len(event.sequencer) != len(last.sequencer):
        return False
    return event.sequencer < last.sequencer
