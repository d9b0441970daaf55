"""A container looked at as a whole: which databases are not as they must be, by the pages of one listing alone.

Names, sizes, MD5s and the headers of the control blobs are all in the listing, so a healthy database costs no call of its own;
one that somebody else described costs one read.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

from shared.blastdb.blobs import database_of_metadata, is_layout_folder
from shared.blastdb.listings import ListedBlob
from shared.blastdb.names import is_database_name
from shared.errors import Unusable
from shared.runs.database import headers, layout_history, metadata
from shared.runs.database.layout_history import LayoutRecord
from shared.runs.database.metadata import ShardFields
from shared.runs.reconcile.drift import Stored, judge
from shared.runs.reconcile.payloads import AccountSurvey, Drifted, Terms
from shared.runs.reconcile.window import rotating_window
from shared.sanitise import sanitised_line
from shared.storage.container import Container
from shared.storage.control import ControlBlobs

_AT_ONCE = 16
_BREATH = 64
"""So many databases are judged before others on the event loop have their turn."""
TOLD = 10
DETAIL_LENGTH = 80


class _TooLargeError(Exception):
    pass


class _Told(NamedTuple):
    """What a database's metadata says, by its headers or, where they do not tell all, by itself."""

    known: ShardFields | None
    is_described: bool
    record: LayoutRecord | None = None


class _Heap(NamedTuple):
    """The blobs of a container, sorted by the database that they belong to; only those of names with this initial."""

    initial: str
    files: dict[str, list[ListedBlob]]
    layouts: dict[str, list[ListedBlob]]
    controls: dict[str, ListedBlob]

    def put(self, blob: ListedBlob) -> None:
        top, slash, rest = blob.name.partition("/")
        if not slash:
            db = database_of_metadata(blob.name)
            if db is not None and self._is_mine(db):
                self.controls[db] = blob
        elif is_layout_folder(top):
            db, mark, _ = rest.partition("/")[0].rpartition("_shard_")
            if mark and self._is_mine(db):
                self.layouts.setdefault(db, []).append(blob)
        elif "/" not in rest and rest.startswith(f"{top}.") and self._is_mine(top):
            self.files.setdefault(top, []).append(blob)

    def _is_mine(self, db: str) -> bool:
        return db.startswith(self.initial) and is_database_name(db)

    def names(self) -> list[str]:
        return sorted({*self.files, *self.layouts, *self.controls})


async def survey(container: Container, control: ControlBlobs, terms: Terms, *, turn: int, initial: str) -> AccountSurvey:
    """Look at every database of a container and say which are not well, cut to what one pass deals with.

    A container too large for one step is told by its `initials` alone.

    Args:
        container: which.
        control: reads the metadata that others described.
        terms: what is expected, and how patient to be.
        turn: moves the window over what is more than fits one pass, so that everything has its turn.
        initial: look only at databases whose names begin so; empty for all.

    Raises:
        ShardwarmError: what storage said.
    """
    heap, seen = _Heap(initial, {}, {}, {}), [0, 0]
    ends = monotonic() + terms.look_seconds
    prefixes = [initial] if not initial else [initial, *(f"{count}shards/{initial}" for count in range(1, 33))]
    try:
        for prefix in prefixes:
            await _gather(container, prefix, heap, seen, ends if not initial else None)
    except _TooLargeError:
        return AccountSurvey(initials=await _initials(container))
    drifted = await _judged(container, control, heap, terms)
    to_heal = rotating_window([one for one in drifted if one.can_be_healed], most=terms.most_actions, turn=turn)
    to_tell = rotating_window([one for one in drifted if not one.can_be_healed], most=TOLD, turn=turn)
    return AccountSurvey(
        databases=len(heap.names()),
        pages=seen[0],
        blobs=seen[1],
        to_heal=to_heal,
        to_tell=to_tell,
        left=len(drifted) - len(to_heal) - len(to_tell),
    )


async def _gather(container: Container, prefix: str, heap: _Heap, seen: list[int], ends: float | None) -> None:
    async for page in container.pages(prefix, in_full=True):
        seen[0] += 1
        seen[1] += len(page)
        for blob in page:
            heap.put(blob)
        if ends is not None and monotonic() > ends:
            raise _TooLargeError


async def _initials(container: Container) -> str:
    names: list[str] = []
    token: str | None = None
    while True:
        blobs, folders, token = await container.walk_root(token)
        names += [*folders, *(blob.name for blob in blobs)]
        if token is None:
            return "".join(sorted({name[0] for name in names if name[0].isalnum() and name[0].isascii()}))


async def _judged(container: Container, control: ControlBlobs, heap: _Heap, terms: Terms) -> list[Drifted]:
    now, turns = datetime.now(UTC), asyncio.Semaphore(_AT_ONCE)

    async def known(db: str) -> _Told | Unusable:
        blob = heap.controls.get(db)
        if blob is None:
            return _Told(None, is_described=True)
        summary = headers.read(blob.metadata)
        is_described = summary is not None and headers.is_whole(summary)
        try:
            if summary is not None and is_described and summary.get("shard_restored") is not True:
                return _Told(metadata.fields(db, summary), is_described=True)
            async with turns:
                document = (await control.read(container, db)).document
            found = metadata.fields(db, document)
            return _Told(found, is_described=is_described, record=layout_history.pinned(document, found.shard_generation or ""))
        except Unusable as error:
            return error

    drifted: list[Drifted] = []
    names = heap.names()
    for start in range(0, len(names), _BREATH):
        some = names[start : start + _BREATH]
        for db, told in zip(some, await asyncio.gather(*map(known, some)), strict=True):
            drifted += _drift(db, heap, told, terms, now)
        await asyncio.sleep(0)
    return drifted


def _drift(db: str, heap: _Heap, told: _Told | Unusable, terms: Terms, now: datetime) -> Iterable[Drifted]:
    if isinstance(told, Unusable):
        # It was left as it is by whoever met it, and is left by us.
        yield Drifted(db=db, reason="refused", detail=sanitised_line(told.problem.message, DETAIL_LENGTH))
        return
    control = heap.controls.get(db)
    stored = Stored(
        db=db,
        files=heap.files.get(db, []),
        layouts=heap.layouts.get(db, []),
        known=told.known,
        described_at=control.modified if control else None,
        is_described=told.is_described,
        record=told.record,
    )
    found = judge(stored, terms, now)
    if found is not None:
        yield found.model_copy(update={"detail": sanitised_line(found.detail, DETAIL_LENGTH)})
