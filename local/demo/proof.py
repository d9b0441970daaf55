"""The proof: searches of all shards, merged, against the search of the whole database."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from local.demo import blast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from local.demo.blast import Hit, Search
    from local.demo.databases import Database
    from local.demo.storage import BlobStore, Shard


class Comparison(NamedTuple):
    """One search of one shard set against the same search of the whole database; counts are lines."""

    db: str
    search: Search
    shard_count: int
    hits_compared: int
    """Of the whole search."""
    hits_equal: int
    """Lines that both have, byte for byte."""
    hits_added: int
    """Lines that only the shards have."""
    evalues_equal: bool
    """Where both have the hit, both print the same e-value."""
    volumes_once: bool
    """Every volume is in exactly one shard."""
    order_equal: bool
    """The merged lines are in the whole search's order. Subjects that print the same e-value may change places:
    BLAST orders by digits that it does not print."""

    @property
    def holds(self) -> bool:
        """Whether nothing at all differs."""
        is_complete = self.hits_equal == self.hits_compared > 0
        return is_complete and not self.hits_added and self.evalues_equal and self.order_equal and self.volumes_once


def compare(
    database: Database, search: Search, shards: Sequence[Shard], whole: Sequence[Hit], merged: Sequence[Hit]
) -> Comparison:
    """Compare two outputs, and count the equal lines."""
    expected, found = (Counter(hit.line for hit in hits) for hits in (whole, merged))
    evalues = {(hit.query, hit.subject, hit.place): hit.evalue for hit in whole}
    return Comparison(
        db=database.name,
        search=search,
        shard_count=len(shards),
        hits_compared=len(whole),
        hits_equal=(expected & found).total(),
        hits_added=(found - expected).total(),
        evalues_equal=all(evalues.get((hit.query, hit.subject, hit.place), hit.evalue) == hit.evalue for hit in merged),
        volumes_once=sorted(volume for shard in shards for volume in shard.volumes) == list(database.volumes),
        order_equal=blast.in_order_of(whole) == blast.in_order_of(merged),
    )


class Whole:
    """The searches of a database as it was made, to compare shards with."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._found: list[list[Hit]] = []
        self._oids: dict[str, int] = {}

    async def against(self, shards: Sequence[Shard]) -> list[Comparison]:
        """Compare these shards with the whole database, by every search of the specimen."""
        database, searches = self._database, self._database.specimen.searches
        if not self._found:
            self._oids = await blast.ordinals(database.name, database.folder)
            self._found = await self._search([(search, database.name, database.folder) for search in searches])
        queries = [line[1:] for line in database.queries.read_text().splitlines() if line.startswith(">")]
        found: list[Comparison] = []
        for search, whole in zip(searches, self._found, strict=True):
            parts = await self._search([(search, shard.name, shard.folder) for shard in shards])
            merged = blast.merge(parts, self._oids, queries)
            found.append(compare(database, search, shards, whole, merged))
        return found

    async def _search(self, searches: Sequence[tuple[Search, str, Path]]) -> list[list[Hit]]:
        # A search takes a processor.
        turns = asyncio.Semaphore(os.cpu_count() or 1)

        async def take_turn(search: Search, db: str, folder: Path) -> list[Hit]:
            async with turns:
                return await blast.search(search, db, self._database.queries_for(search), folder)

        async with asyncio.TaskGroup() as group:
            running = [group.create_task(take_turn(*search)) for search in searches]
        return [search.result() for search in running]


class Proof:
    """Compares the shard sets of one database in storage with the database as it was made."""

    def __init__(self, database: Database, store: BlobStore, nodes: Path) -> None:
        self._database = database
        self._store = store
        self._nodes = nodes

    async def comparisons(self) -> list[Comparison]:
        """Compare every shard count of the specimen, by every search of the specimen."""
        whole = Whole(self._database)
        counts = self._database.specimen.shard_counts
        return [comparison for count in counts for comparison in await whole.against(await self._download(count))]

    async def _download(self, shard_count: int) -> Sequence[Shard]:
        place = self._nodes / f"{self._database.name}-{shard_count}"
        async with asyncio.TaskGroup() as group:
            downloads = [
                group.create_task(self._store.download_shard(self._database, shard_count, index, place / f"node_{index:02d}"))
                for index in range(shard_count)
            ]
        return [download.result() for download in downloads]
