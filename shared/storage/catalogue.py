"""Reads for the API: the databases of an account, one database, one shard set, its verification."""

import asyncio
from collections.abc import Mapping

from shared.blastdb import blobs
from shared.blastdb.certificate import Certificate
from shared.blastdb.listings import ListedBlob, inventory_of
from shared.blastdb.misplaced import no_database
from shared.blastdb.volumes import Molecule, files_of, molecule_of
from shared.errors import Code, NotFound, Problem, Unusable
from shared.runs.database import headers, layout_history, metadata, updates
from shared.runs.database.layout_history import LayoutRecord
from shared.runs.database.metadata import ShardFields
from shared.runs.replies import views
from shared.runs.replies.models import DatabaseDocument, DatabaseRow, ShardSetDocument
from shared.runs.warmup.sizing_advice import counted
from shared.sanitise import sanitised_line
from shared.storage.accounts import Accounts
from shared.storage.container import Container, Matching
from shared.storage.control import ControlBlobs
from shared.storage.folders import misplaced_in, not_found, read_root
from shared.storage.inspection import read_state
from shared.storage.verification import verify

_AT_ONCE = 16
_NOWHERE = "readiness/"
_FIRST_VOLUMES_NAMES = 100
"""How many names show the first volumes of any database; a full page would be a third of a megabyte for 500 blobs."""
_TEXT_LIMIT_BYTES = 1024 * 1024


class Catalogue:
    """Reads stored databases; writes nothing. `shared.storage.errors` lists what it raises."""

    def __init__(self, accounts: Accounts, control: ControlBlobs, *, legacy_alias: bool = False) -> None:
        """Read through these; `legacy_alias` says which form of alias is expected."""
        self._accounts = accounts
        self._control = control
        self._legacy_alias = legacy_alias

    async def ping(self, account: str) -> None:
        """Check with one call that rights and network allow a run to use the container."""
        await self._accounts.container(account).list_some_names(_NOWHERE)

    async def ping_writes(self, account: str) -> None:
        """Check with two calls that rights allow a run to write and delete. They are about a blob that does not exist.

        Raises:
            Misconfigured: a right is missing.
            NotFound: there is no container.
            TransientFailure: storage is busy or out of reach; a retry helps.
        """
        container, absent, never = self._accounts.container(account), f"{_NOWHERE}absent", Matching("0x0")
        await asyncio.gather(container.describe(absent, {}, never), container.delete(absent, never))

    async def probe(self, account: str, db: str) -> Molecule:
        """The molecule type, from the first page of the listing; shows cheaply that there is something to shard.

        Raises:
            NotFound: there is no such database; the message says where its files are.
            Unusable: it has no volumes of its own.
        """
        container, prefix = self._accounts.container(account), blobs.files_prefix(db)
        names = await container.list_some_names(prefix, at_most=_FIRST_VOLUMES_NAMES)
        try:
            return molecule_of(db, (name.removeprefix(blobs.folder(db)) for name in names))
        except Unusable:
            # Digits sort before letters, so a first volume would be among the first names; a full page gives the reason.
            names = await container.list_some_names(prefix)
            return molecule_of(db, (name.removeprefix(blobs.folder(db)) for name in names))
        except NotFound:
            raise await not_found(container, db) from None

    async def rows(self, account: str) -> list[DatabaseRow]:
        """List all databases, by name.

        Costs the pages of one listing, plus one read for each database that another program wrote last, plus one listing for each
        database whose metadata does not record its size. A folder without metadata costs that listing, too, and one look at its
        first names when none of its files is its own: files of other databases make it a row; others are no databases.
        """
        container = self._accounts.container(account)
        root = await read_root(container)
        limit = asyncio.Semaphore(_AT_ONCE)

        async def row(db: str) -> DatabaseRow | None:
            async with limit:
                return await self._row(container, db, root.controls.get(db))

        return [row for row in await asyncio.gather(*map(row, root.databases)) if row is not None]

    async def describe(self, account: str, db: str) -> tuple[DatabaseDocument, tuple[str, ...]]:
        """One database, as fully as it can be read, and the ids of the runs that last wrote its metadata.

        Raises:
            NotFound: there is no such database; the message says where its files are.
        """
        container = self._accounts.container(account)
        try:
            state = await read_state(container, self._control, db, blobs.PRESETS, None)
        except Unusable as error:
            return await self._refused(container, db, error.problem)
        except NotFound:
            raise await not_found(container, db) from None
        return views.database(db, state, legacy_alias=self._legacy_alias), _writers(state.known)

    async def restorable(self, account: str, db: str, digest: str | None) -> LayoutRecord:
        """The layout to restore: the one with this digest, or the newest replaced one.

        Raises:
            NotFound: there is no such database, or no such layout is kept.
            Conflict: the volumes have changed since then.
        """
        container = self._accounts.container(account)
        control, listing = await asyncio.gather(self._control.read(container, db), container.list(blobs.files_prefix(db)))
        if not listing:
            await self.probe(account, db)
        record = layout_history.wanted(db, control.document, digest)
        layout_history.refuse_other_volumes(record, files_of(db, (blob.as_file(blobs.folder(db)) for blob in listing)))
        return record

    async def promoting(self, account: str, db: str) -> str | None:
        """The snapshot whose promotion has started and is neither finished nor lost.

        Raises:
            Unusable: the metadata cannot be read.
        """
        document = (await self._control.read(self._accounts.container(account), db)).document
        known = metadata.fields(db, document)
        return None if updates.is_promotion_lost(known) else known.promoting_source_version

    async def verify(self, account: str, db: str) -> Certificate:
        """Verify a database: compare everything that is stored of it with what is expected.

        Raises:
            NotFound: there is no such database; the message says where its files are.
        """
        container = self._accounts.container(account)
        try:
            return await verify(container, self._control, db, legacy_alias=self._legacy_alias)
        except NotFound:
            raise await not_found(container, db) from None

    async def shard_set(self, account: str, db: str, shard_count: int) -> ShardSetDocument:
        """Read one shard set as it is stored.

        Raises:
            NotFound: there is no such database, or it has no such shard set.
        """
        container = self._accounts.container(account)
        control, listing = await asyncio.gather(
            self._control.read(container, db), container.list(blobs.layout_prefix(db, shard_count))
        )
        names = [blob.name for blob in listing if _is_of(db, shard_count, blob.name)]
        if not names:
            await self.probe(account, db)
            raise _no_set(db, shard_count, len(await _volume_sizes(container, db)))
        contents = await asyncio.gather(*(container.read(name, limit_bytes=_TEXT_LIMIT_BYTES) for name in names))
        texts = {name: content.data for name, content in zip(names, contents, strict=True) if content is not None}
        sizes = await _volume_sizes(container, db)
        known = metadata.fields(db, control.document)
        return ShardSetDocument(
            db_name=db,
            shard_count=shard_count,
            listed=shard_count in known.shard_sets,
            partition_prefix=blobs.partition_prefix(container.url, db, shard_count),
            shards=tuple(views.shard(db, shard_count, index, texts, sizes) for index in range(shard_count)),
        )

    async def _refused(self, container: Container, db: str, why: Problem) -> tuple[DatabaseDocument, tuple[str, ...]]:
        try:
            document = (await self._control.read(container, db)).document
            known = await _counted(container, db, metadata.fields(db, document))
        except Unusable:
            return DatabaseDocument(name=db, problem=views.problem_line(why)), ()
        return views.refused(db, document, known, why), _writers(known)

    async def _row(self, container: Container, db: str, blob: ListedBlob | None) -> DatabaseRow | None:
        if blob is None:
            return await _row_of_folder(container, db)
        try:
            document = headers.read(blob.metadata)
            if document is None:
                document = (await self._control.read(container, db)).document
            known = metadata.fields(db, document)
        except Unusable as error:
            return DatabaseRow(name=db, problem=sanitised_line(error.problem.message))
        return views.row(db, await _counted(container, db, known))


async def _row_of_folder(container: Container, name: str) -> DatabaseRow | None:
    """The row of a folder without metadata; None when nothing in it is BLAST's."""
    known = await _counted(container, name, ShardFields())
    if known.file_count:
        return views.row(name, known)
    found = await misplaced_in(container, name)
    if not found:
        return None
    problem = Problem(code=Code.DATABASE_NOT_FOUND, message=no_database(name, found), target=name)
    return DatabaseRow(name=name, problem=views.problem_line(problem))


async def _counted(container: Container, db: str, known: ShardFields) -> ShardFields:
    if known.total_bytes is not None:
        return known
    listing = await container.list(blobs.files_prefix(db))
    files = files_of(db, (item.as_file(blobs.folder(db)) for item in listing))
    return known.model_copy(update={"total_bytes": sum(file.size_bytes for file in files), "file_count": len(files)})


def _writers(known: ShardFields) -> tuple[str, ...]:
    return tuple(run for run in (known.shard_operation_id, known.prepare_operation_id) if run)


def _is_of(db: str, shard_count: int, name: str) -> bool:
    parsed = blobs.parse_layout_blob(db, name)
    return parsed is not None and parsed.shard_count == shard_count


def _no_set(db: str, shard_count: int, volumes: int) -> NotFound:
    """The error for a missing set. `volumes` is 0 for a database that is refused: sharding it will say why."""
    advice = "Shard it with this preset first."
    if 0 < volumes < shard_count:
        advice = f"It cannot have one: {counted(volumes, 'volume')} can be {counted(volumes, 'shard')} at most."
    return NotFound(Code.SHARD_SET_NOT_FOUND, f"'{db}' has no shard set for N = {shard_count}. {advice}", target="n")


async def _volume_sizes(container: Container, db: str) -> Mapping[str, int]:
    listing = await container.list(blobs.files_prefix(db))
    try:
        inventory = inventory_of(db, listing)
    except (NotFound, Unusable):
        return {}
    return {inventory.volumes.name(index): size for index, size in enumerate(inventory.volume_bytes)}
