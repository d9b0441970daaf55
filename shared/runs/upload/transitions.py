"""The upload of one (account, db), as a table of transitions, and what travels in a settle. `orchestrators` keep and run both.

| operation | no settle under way | by the settle under way | by another settle |
|---|---|---|---|
| arrive, news | a settle starts | noted; the settle waits for quiet anew | the same |
| arrive, known or out of date | counted | counted | counted |
| look | refused | what has arrived, and more time | refused |
| end | refused | ended, unless something has arrived since it looked | refused |
| revive | nothing | another settle starts in place of the dead one | nothing |
| tidy | forgotten by and by | nothing | nothing |

Refused means that the caller is not the settle of this upload any more and is to stop. A settle that has not looked for
longer than it said it might is taken for dead by the next event.

An event is known by its blob, ETag and sequencer; one that its blob's later events have overtaken is out of date. Both are
told by the last few blobs only: to forget one costs a look in vain, and no run, since a run begins only if the database is
not the one that its layouts were made for.
"""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from shared.errors import Problem
from shared.runs.ids import lease_key, operation_id
from shared.runs.payload import Payload
from shared.runs.shard.payloads import ShardResult, ShardRun
from shared.runs.upload.events import BlobChanged

REMEMBERED_BLOBS = 128


class Waiting(Payload):
    """How far a settle's wait is. `looked_at` is the version that the last look saw; `shards` counts the runs it started."""

    looked_at: int = 0
    next_look: datetime | None = None
    looks_in_vain: int = 0
    shards: int = 0
    problem: Problem | None = None


class SettleRun(Payload):
    """The input of a settle: wait until an upload is quiet and complete, then run `shard`, whose id the settle gives."""

    run: str
    shard: ShardRun
    quiet_seconds: float = 60.0
    give_up_seconds: float = 21600.0
    waiting: Waiting = Waiting()

    @property
    def key(self) -> str:
        """Of the upload, and of the database's lease."""
        return lease_key(self.shard.account, self.shard.db)

    @property
    def alive_seconds(self) -> float:
        """How long it may be silent: while it waits, or while its run holds the database."""
        return self.quiet_seconds + self.shard.lease_seconds


class SettleResult(Payload):
    """What came of an upload; the operation's `result`. `absent` says that no volume is there, as after a deletion."""

    outcome: Literal["sharded", "unchanged", "absent", "superseded", "canceled"]
    db: str
    shard_operation_id: str | None = None
    result: ShardResult | None = None


class InspectUpload(Payload):
    """Look whether an upload is complete."""

    account: str
    db: str


class UploadSeen(Payload):
    """What a look at an upload saw.

    `unchanged`: complete, and the very files that the published layouts were made for. `incomplete`: the problem says what is
    missing. `busy`: something else is at work on the database, or the app is not let in; the problem says which. `absent`:
    there is no volume and none is expected.
    """

    state: Literal["complete", "unchanged", "incomplete", "busy", "absent"]
    problem: Problem | None = None


class LastEvent(Payload):
    """The last event of one blob."""

    leaf: str
    etag: str | None = None
    sequencer: str | None = None


class UploadState(Payload):
    """The state of one upload: the settle under way, when the last one started, what has arrived, the last events in order."""

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
    """Something was uploaded or deleted. `settle` is how to settle it; its run's id is still to be given."""

    mark: LastEvent
    received: datetime
    settle: SettleRun


class SettleLook(Payload):
    """A settle asks what has arrived, and says for how long it may be silent now."""

    run: str
    now: datetime
    alive_seconds: float


class End(Payload):
    """A settle wants to end, having seen this version; None ends it whatever has arrived."""

    run: str
    version: int | None = Field(None)


class Revive(Payload):
    """Start another settle in place of this one, which was seen ended or absent."""

    presumed_dead: str
    now: datetime
    settle: SettleRun


class Tidy(Payload):
    """Forget what is idle: events after `idle_seconds`, the rest `retention_seconds` later, when its settles are forgotten."""

    now: datetime
    idle_seconds: float
    retention_seconds: float


class SettleReply(Payload):
    """What the entity answers a settle."""

    granted: bool
    version: int = 0
    last_arrival: datetime | None = None


def arrival(changed: BlobChanged, received: datetime, settle: SettleRun) -> Arrive:
    """The entity's operation for an event."""
    return Arrive(
        mark=LastEvent(leaf=changed.leaf, etag=changed.etag, sequencer=changed.sequencer), received=received, settle=settle
    )


def arrive(state: UploadState, request: Arrive) -> tuple[UploadState, SettleRun | None]:
    """Note an event; also gives the settle that is to be started, if one is."""
    last = next((mark for mark in state.recent if mark.leaf == request.mark.leaf), None)
    if last is not None and _is_known(request.mark, last):
        return state.model_copy(update={"known": state.known + 1}), None
    if last is not None and _is_overtaken(request.mark, last):
        return state.model_copy(update={"overtaken": state.overtaken + 1}), None
    recent = (*(mark for mark in state.recent if mark is not last), request.mark)[-REMEMBERED_BLOBS:]
    noted = {"recent": recent, "version": state.version + 1, "last_arrival": _later(state.last_arrival, request.received)}
    state = state.model_copy(update=noted)
    if state.run is not None and state.alive_until is not None and request.received < state.alive_until:
        return state, None
    return _start(state, request.settle, request.received)


def look(state: UploadState, request: SettleLook) -> tuple[UploadState, SettleReply]:
    """Tell a settle what has arrived."""
    if state.run != request.run:
        return state, SettleReply(granted=False)
    alive_until = request.now + timedelta(seconds=request.alive_seconds)
    state = state.model_copy(update={"alive_until": alive_until})
    return state, SettleReply(granted=True, version=state.version, last_arrival=state.last_arrival)


def end(state: UploadState, request: End) -> tuple[UploadState, SettleReply]:
    """End a settle, unless something has arrived that it has not seen."""
    if state.run != request.run or request.version not in {None, state.version}:
        return state, SettleReply(granted=False, version=state.version, last_arrival=state.last_arrival)
    return state.model_copy(update={"run": None, "alive_until": None}), SettleReply(granted=True, version=state.version)


def revive(state: UploadState, request: Revive) -> tuple[UploadState, SettleRun | None]:
    """Give an upload whose settle died another one."""
    if state.run is None or state.run != request.presumed_dead:
        return state, None
    return _start(state, request.settle, request.now)


def tidy(state: UploadState, request: Tidy) -> UploadState | None:
    """What is still worth keeping; None when nothing is. No settle's number comes twice while one of that id is known."""
    if state.run is not None:
        return state
    moments = [moment for moment in (state.last_arrival, state.started) if moment is not None]
    idle_seconds = (request.now - max(moments)).total_seconds() - request.idle_seconds if moments else float("inf")
    if idle_seconds >= request.retention_seconds:
        return None
    return state.model_copy(update={"recent": ()}) if idle_seconds >= 0 else state


def _start(state: UploadState, settle: SettleRun, now: datetime) -> tuple[UploadState, SettleRun]:
    number = state.number + 1
    run = operation_id("settle", settle.shard.account, settle.shard.db, number)
    alive_until = now + timedelta(seconds=settle.alive_seconds)
    started = {"number": number, "run": run, "alive_until": alive_until, "started": now}
    return state.model_copy(update=started), settle.model_copy(update={"run": run})


def _is_known(mark: LastEvent, last: LastEvent) -> bool:
    return mark == last and (mark.etag is not None or mark.sequencer is not None)


def _is_overtaken(mark: LastEvent, last: LastEvent) -> bool:
    # The service compares sequencers as strings; strings of different lengths are of different makes.
    if mark.sequencer is None or last.sequencer is None or len(mark.sequencer) != len(last.sequencer):
        return False
    return mark.sequencer < last.sequencer


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
