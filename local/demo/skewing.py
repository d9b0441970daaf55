"""Skewed databases: sharded through the app, and searched by every program, whose cutoffs depend on average lengths."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.demo.databases import make
from local.demo.promises import require, told
from local.demo.proof import Proof
from local.demo.specimens import SKEWED

if TYPE_CHECKING:
    from local.demo.api import Api
    from local.demo.databases import Database
    from local.demo.proof import Comparison
    from local.demo.report import Report
    from local.demo.storage import BlobStore


class SkewedJob:
    """The part of the main job that proves exactness on skewed databases."""

    def __init__(self, api: Api, store: BlobStore, report: Report, work: Path) -> None:
        self._api = api
        self._store = store
        self._report = report
        self._work = work

    async def run(self, cache: Path) -> dict[str, Any]:
        """Make, upload, shard and prove them; returns the facts for the summary.

        Raises:
            Untrue: a promise does not hold.
        """
        found: list[Comparison] = []
        for specimen in SKEWED:
            found += await self._prove(await make(specimen, cache))
        return {
            "databases": [specimen.recipe.db for specimen in SKEWED],
            "searches": sum(len(specimen.searches) for specimen in SKEWED),
            "hits_compared": sum(comparison.hits_compared for comparison in found),
            "hits_equal": sum(comparison.hits_equal for comparison in found),
        }

    async def _prove(self, database: Database) -> list[Comparison]:
        name = database.name
        self._report.step(f"{name}, from thousands of short sequences to a few very long ones")
        await self._store.upload(database)
        operation = await self._api.shard(name, lambda _: None)
        sets: list[int] = operation["result"]["shard_sets"]
        counts = database.specimen.shard_counts
        require(set(counts) <= set(sets), f"{name}: shard sets {sets}, which lack some of {counts}")
        self._report.fact(f"sharded {sets} ways")
        with tempfile.TemporaryDirectory(prefix="skewed-", dir=self._work) as nodes:
            comparisons = await Proof(database, self._store, Path(nodes)).comparisons()
        for comparison in comparisons:
            line = told(comparison, f"{comparison.shard_count} shards")
            self._report.fact(f"{comparison.search.program}: {line}")
        return comparisons
