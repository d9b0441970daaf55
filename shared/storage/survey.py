"""Survey of a container: which databases have drifted, from the pages of one listing.

The listing has names, sizes, MD5s and the headers of the control blobs, so a healthy database costs no call of its own. A
database whose metadata another program wrote costs one read.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from time import monotonic
from typing import NamedTuple

from shared.blastdb.blobs import STAGING, database_of_metadata, is_layout_folder
from shared.blastdb.extensions import is_file_of
from shared.blastdb.listings import ListedBlob
from shared.blastdb.misplaced import misplaced
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
from shared.storage.folders import is_control

_AT_ONCE = 16
_JUDGED_AT_ONCE = 64
"""How many databases are judged before other tasks on the event loop get their turn."""
_OTHERS = 1000
"""How many names are kept of what is not a folder's own."""
MOST_REPORTED = 10
DETAIL_LENGTH = 80


class _TooLargeError(Exception):
    pass


class _Metadata(NamedTuple):
    """A database's metadata, read from its headers or, where they are incomplete, from the blob."""

    known: ShardFields | None
    is_described: bool
    record: LayoutRecord | None = None


class _BlobsByDatabase(NamedTuple):
    """The blobs of a container, grouped by database; only databases whose names begin with `initial`.

    `others` has, for each folder, the first names of what is not its own, staged files apart.
    """

    initial: str
    files: dict[str, list[ListedBlob]]
    layouts: dict[str, list[ListedBlob]]
    controls: dict[str, ListedBlob]
    others: dict[str, list[str]]

    def put(self, blob: ListedBlob) -> None:
        top, slash, rest = blob.name.partition("/")
        if not slash:
            db = database_of_metadata(blob.name)
            if db is not None and self._is_mine(db):
                self.controls[db] = blob
        elif is_layout_folder(top):
            db, separator, _ = rest.partition("/")[0].rpartition("_shard_")
            if separator and self._is_mine(db):
                self.layouts.setdefault(db, []).append(blob)
        elif self._is_mine(top):
            if "/" not in rest and rest.startswith(f"{top}."):
                self.files.setdefault(top, []).append(blob)
            elif not rest.startswith(f"{STAGING}/"):
                others = self.others.setdefault(top, [])
                if len(others) < _OTHERS:
                    others.append(blob.name)

    def _is_mine(self, db: str) -> bool:
        return db.startswith(self.initial) and is_database_name(db)

    def drop_what_is_no_database(self) -> None:
        """Drop folders without a file of their own that is BLAST's, and files of NCBI's that look like metadata."""
        for folder in [folder for folder, own in self.files.items() if not any(is_file_of(folder, one.leaf) for one in own)]:
            own = (blob.name for blob in self.files.pop(folder))
            self.others[folder] = [*own, *self.others.get(folder, ())]
        for db in [db for db, blob in self.controls.items() if not is_control(db, blob, has_folder=db in self.files)]:
            del self.controls[db]

    def names(self) -> list[str]:
        return sorted({*self.files, *self.layouts, *self.controls})

    def misplaced(self) -> Iterable[Drifted]:
        """Folders that are no database, but hold the files of some."""
        known = {*self.files, *self.layouts, *self.controls}
        for folder in sorted(self.others.keys() - known):
            found = misplaced(folder, self.others[folder])
            if found:
                detail = f"holds the files of '{found[0].db}', which belong in '{found[0].db}/'"
                yield Drifted(db=folder, reason="misplaced", detail=sanitised_line(detail, DETAIL_LENGTH))


async def survey(container: Container, control: ControlBlobs, terms: Terms, *, turn: int, initial: str) -> AccountSurvey:
    """Survey every database of a container and return those that drifted, cut to what one pass can handle.

    For a container that is too large for one step, the survey returns only its `initials`.

    Args:
        container: the container of the account.
        control: reads the metadata that other programs wrote.
        terms: the policy of the pass.
        turn: moves the window when there is more than one pass can handle, so that every database has its turn.
        initial: survey only databases whose names begin with it; empty for all.

    Raises:
        ShardwarmError: storage refused or failed.
    """
    blobs_by_db, seen = _BlobsByDatabase(initial, {}, {}, {}, {}), [0, 0]
    ends = monotonic() + terms.look_seconds
    prefixes = [initial] if not initial else [initial, *(f"{count}shards/{initial}" for count in range(1, 33))]
    try:
        for prefix in prefixes:
            await _gather(container, prefix, blobs_by_db, seen, ends if not initial else None)
    except _TooLargeError:
        return AccountSurvey(initials=await _initials(container))
    blobs_by_db.drop_what_is_no_database()
    drifted = [*await _judged(container, control, blobs_by_db, terms), *blobs_by_db.misplaced()]
    to_heal = rotating_window([one for one in drifted if one.can_be_repaired], most=terms.most_actions, turn=turn)
    to_tell = rotating_window([one for one in drifted if not one.can_be_repaired], most=MOST_REPORTED, turn=turn)
    return AccountSurvey(
        databases=len(blobs_by_db.names()),
        pages=seen[0],
        blobs=seen[1],
        to_heal=to_heal,
        to_tell=to_tell,
        left=len(drifted) - len(to_heal) - len(to_tell),
    )


async def _gather(container: Container, prefix: str, blobs_by_db: _BlobsByDatabase, seen: list[int], ends: float | None) -> None:
    async for page in container.pages(prefix, in_full=True):
        seen[0] += 1
        seen[1] += len(page)
        for blob in page:
            blobs_by_db.put(blob)
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


async def _judged(container: Container, control: ControlBlobs, blobs_by_db: _BlobsByDatabase, terms: Terms) -> list[Drifted]:
    now, turns = datetime.now(UTC), asyncio.Semaphore(_AT_ONCE)

    async def known(db: str) -> _Metadata | Unusable:
        blob = blobs_by_db.controls.get(db)
        if blob is None:
            return _Metadata(None, is_described=True)
        summary = headers.read(blob.metadata)
        is_described = summary is not None and headers.is_whole(summary)
        try:
            if summary is not None and is_described and summary.get("shard_restored") is not True:
                return _Metadata(metadata.fields(db, summary), is_described=True)
            async with turns:
                document = (await control.read(container, db)).document
            found = metadata.fields(db, document)
            pinned = layout_history.pinned(document, found.shard_generation or "")
            return _Metadata(found, is_described=is_described, record=pinned)
        except Unusable as error:
            return error

    drifted: list[Drifted] = []
    names = blobs_by_db.names()
    for start in range(0, len(names), _JUDGED_AT_ONCE):
        some = names[start : start + _JUDGED_AT_ONCE]
        for db, read in zip(some, await asyncio.gather(*map(known, some)), strict=True):
            drifted += _drift(db, blobs_by_db, read, terms, now)
        await asyncio.sleep(0)
    return drifted


def _drift(db: str, blobs_by_db: _BlobsByDatabase, read: _Metadata | Unusable, terms: Terms, now: datetime) -> Iterable[Drifted]:
    if isinstance(read, Unusable):
        # Shard runs leave unreadable metadata as it is, and so does the pass.
        yield Drifted(db=db, reason="refused", detail=sanitised_line(read.problem.message, DETAIL_LENGTH))
        return
    control = blobs_by_db.controls.get(db)
    stored = Stored(
        db=db,
        files=blobs_by_db.files.get(db, []),
        layouts=blobs_by_db.layouts.get(db, []),
        known=read.known,
        described_at=control.modified if control else None,
        is_described=read.is_described,
        record=read.record,
    )
    found = judge(stored, terms, now)
    if found is not None:
        yield found.model_copy(update={"detail": sanitised_line(found.detail, DETAIL_LENGTH)})
