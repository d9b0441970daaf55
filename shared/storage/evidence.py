"""The evidence for judging a database, read from storage: its own papers, and the heads of its index files.

`judged` is the one way in which shard runs, settles, certificates and passes learn whether a database is whole and what its
totals are. Two callers that see the same files get the same answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from shared.blastdb.alias_file import ALIAS_LIMIT_BYTES, AliasFile, parse_alias_file
from shared.blastdb.blobs import folder, published_metadata_file, statistics_file
from shared.blastdb.completeness import PAPERS_LIMIT_BYTES, Papers, parse_papers, refuse_incomplete
from shared.blastdb.evidence import Evidence, paper_files, statistics_leaf
from shared.blastdb.index_heads import IndexHead, index_head
from shared.blastdb.listings import ListedBlob, inventory_of, listed_files
from shared.blastdb.papers import refuse_disagreement
from shared.blastdb.reading import Span, read_with_async
from shared.blastdb.statistics import Statistics, add_up, parse_statistics_file
from shared.blastdb.versions import version_four
from shared.blastdb.volume_table import VolumeTable, volume_table
from shared.blastdb.volumes import INDEX_EXTENSION, Inventory, ListedFile, VolumeSet
from shared.errors import Code, TransientFailure, Unusable
from shared.storage.container import Container, Content

_VERSION_FOUR = 4

type _Fetch = Callable[[Span], Awaitable[bytes]]


async def judged(
    container: Container,
    inventory: Inventory,
    etags: Mapping[str, str],
    read: Mapping[str, Content] = MappingProxyType({}),
    *,
    at_once: bool = False,
) -> Evidence:
    """Read a database's papers and heads, and refuse the database unless they all agree with its volumes.

    Args:
        container: where.
        inventory: the database's files.
        etags: of every listed blob by name; a file that has another by now changed since it was listed.
        read: blobs by name that the caller has read already.
        at_once: whether to read the heads of the index files together with the papers, which saves a round trip. A settle, which
            mostly sees uploads that are not complete, reads them after the papers have let the database pass.

    Raises:
        Unusable: the database contradicts itself, is limited by its alias, or lacks a file.
        TransientFailure: storage was busy, or a file changed since it was listed.
    """
    reader = _Reader(container, inventory, etags, read)
    if at_once:
        (evidence, listed), heads = await asyncio.gather(reader.papers(), reader.heads())
    else:
        (evidence, listed), heads = await reader.papers(), ()
    refuse_disagreement(evidence)
    refuse_incomplete(inventory, listed)
    evidence = evidence._replace(heads=heads or await reader.heads())
    refuse_disagreement(evidence)
    return evidence


async def papers_of(container: Container, inventory: Inventory, etags: Mapping[str, str]) -> Evidence:
    """What a database's papers say, without the heads of its index files; nothing is refused but what cannot be read.

    Raises:
        Unusable: a paper is damaged.
        TransientFailure: storage was busy, or a file changed since it was listed.
    """
    return (await _Reader(container, inventory, etags, {}).papers())[0]


async def heads_of(container: Container, inventory: Inventory, etags: Mapping[str, str]) -> tuple[IndexHead | None, ...]:
    """The heads of a database's index files, in order, however long their titles are; None for one that is no head.

    Raises:
        TransientFailure: storage was busy, or a file changed since it was listed.
    """
    return await _Reader(container, inventory, etags, {}).heads()


def totals_of(evidence: Evidence) -> Statistics | None:
    """The database's totals: from its statistics file, or else from the heads; None when one of them tells nothing."""
    told = evidence.statistics.statistics() if evidence.statistics else None
    return told or counted_by(evidence.volumes.molecule, evidence.heads)


def counted_by(molecule: str, heads: Iterable[IndexHead | None]) -> Statistics | None:
    """The totals of all volumes by their heads; None when one tells nothing."""
    return add_up(head.totals if head and head.molecule == molecule else None for head in heads)


def told_by(volumes: VolumeSet, etags: Mapping[str, str], read: Mapping[str, Content]) -> Statistics | None:
    """The totals of the statistics file, if it was read and has them.

    Raises:
        Unusable: it is damaged.
        TransientFailure: it changed since it was listed.
    """
    name = statistics_file(volumes.db, volumes.molecule)
    if name not in read and name not in etags:
        return None
    return parse_statistics_file(volumes.db, _unchanged(volumes.db, name, read.get(name), etags).data).statistics()


async def taken(container: Container, db: str, listing: Sequence[ListedBlob]) -> Inventory:
    """The inventory of a database's folder; of a database of version 4 the refusal says so, which its index files tell.

    Raises:
        NotFound, Unusable: as `take_inventory`.
        TransientFailure: storage was busy.
    """
    try:
        return inventory_of(db, listing)
    except Unusable as error:
        raise await _explained(container, db, listed_files(db, listing), error) from None


async def _explained(container: Container, db: str, files: Iterable[ListedFile], error: Unusable) -> Unusable:
    endings = tuple(f".{extension}" for extension in INDEX_EXTENSION.values())
    first = next((file for file in sorted(files) if file.leaf.endswith(endings)), None)
    if error.problem.code is not Code.MISSING_DATABASE_FILE or first is None:
        return error

    async def fetch(span: Span) -> bytes:
        content = await container.read(f"{folder(db)}{first.leaf}", offset=span.offset, limit_bytes=span.size_bytes)
        return content.data if content else b""

    head = await read_with_async(index_head(first.size_bytes), fetch)
    return version_four(db) if head is not None and head.version == _VERSION_FOUR else error


class _Reader:
    """Reads what one database says of itself; every file must still be the listed one."""

    def __init__(self, container: Container, inventory: Inventory, etags: Mapping[str, str], read: Mapping[str, Content]) -> None:
        self._container = container
        self._volumes = inventory.volumes
        self._folder = folder(inventory.volumes.db)
        self._etags = etags
        self._read = read
        self._files = paper_files(inventory.volumes, inventory.files)

    async def papers(self) -> tuple[Evidence, Papers | None]:
        """What the papers say, without the heads, and the list of files that one of them has."""
        alias, table, content, published = await asyncio.gather(
            self._alias(), self._table(), self._statistics(), self._published()
        )
        if content is None:
            return Evidence(self._volumes, alias, table), published
        statistics = parse_statistics_file(self._volumes.db, content.data)
        return Evidence(self._volumes, alias, table, statistics), parse_papers(statistics_leaf(self._volumes), content.data)

    async def heads(self) -> tuple[IndexHead | None, ...]:
        """The heads of all index files, at once: the account's connections bound how many requests are under way."""

        async def head(file: ListedFile | None) -> IndexHead | None:
            return None if file is None else await read_with_async(index_head(file.size_bytes), self._fetch(file))

        return tuple(await asyncio.gather(*map(head, self._files.heads)))

    async def _alias(self) -> AliasFile | None:
        file = self._files.alias
        return parse_alias_file(file.leaf, await self._fetch(file)(Span(0, ALIAS_LIMIT_BYTES + 1))) if file else None

    async def _table(self) -> VolumeTable | None:
        file = self._files.table
        return await read_with_async(volume_table(file.leaf, file.size_bytes), self._fetch(file)) if file else None

    async def _statistics(self) -> Content | None:
        file = self._files.statistics
        if file is None:
            return None
        name = f"{self._folder}{file.leaf}"
        content = self._read.get(name) or await self._container.read(name, limit_bytes=PAPERS_LIMIT_BYTES)
        return _unchanged(self._volumes.db, name, content, self._etags)

    async def _published(self) -> Papers | None:
        """What NCBI's own file lists; it binds only where the database has no statistics file."""
        name = f"{self._folder}{published_metadata_file(self._volumes.db, self._volumes.molecule)}"
        if self._files.statistics is not None or name not in self._etags:
            return None
        content = _unchanged(
            self._volumes.db, name, await self._container.read(name, limit_bytes=PAPERS_LIMIT_BYTES), self._etags
        )
        return parse_papers(name, content.data)

    def _fetch(self, file: ListedFile) -> _Fetch:
        name = f"{self._folder}{file.leaf}"

        async def fetch(span: Span) -> bytes:
            content = await self._container.read(name, offset=span.offset, limit_bytes=span.size_bytes)
            return _unchanged(self._volumes.db, name, content, self._etags).data

        return fetch


def _unchanged(db: str, name: str, content: Content | None, etags: Mapping[str, str]) -> Content:
    if content is None or content.etag != etags.get(name):
        raise TransientFailure(Code.DATABASE_CHANGED, f"'{name}' changed while the app read '{db}'.", target=name)
    return content
