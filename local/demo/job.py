"""The main job, step by step: make, upload, shard, prove, shard again; shard by upload; warm on a cluster; prove skewed ones."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.demo.api import Api, Scope
from local.demo.arriving import ArrivalJob
from local.demo.databases import make
from local.demo.ground import Ground
from local.demo.promises import require, told
from local.demo.proof import Proof
from local.demo.report import Report, Summary
from local.demo.skewing import SkewedJob
from local.demo.specimens import ARRIVING, SPECIMENS
from local.demo.storage import SOURCE_VERSION, BlobStore
from local.demo.warming import WarmJob

if TYPE_CHECKING:
    from local.demo.databases import Database
    from local.proxy import Record

PRESETS = (1, 2, 3, 4, 5, 6, 8, 10)
_READS = {"GET", "HEAD"}


class MainJob:
    """One main job over a stack of its own."""

    def __init__(self, root: Path, cache: Path, report: Report) -> None:
        """Prepare a job.

        Args:
            root: folder for logs and for the nodes' files, which are removed at the end.
            cache: folder for the databases, kept.
            report: receives the facts.
        """
        self.summary = Summary()
        self.ground = Ground(root)
        self._root = root
        self._cache = cache
        self._report = report

    async def run(self) -> Summary:
        """Run the whole job; returns the facts that it has proved.

        Raises:
            Untrue: a promise does not hold.
            ApiError, ProgramError, ProcessFailed: a part failed; the message says which and why.
        """
        started = time.monotonic()
        self._report.step("Making databases and starting the local stack")
        try:
            async with asyncio.TaskGroup() as beginning:
                making = beginning.create_task(self._databases())
                beginning.create_task(self.ground.start())
            await self._use(making.result())
        finally:
            await self.ground.stop()
        self.summary.ok = True
        self.summary.seconds = round(time.monotonic() - started, 2)
        return self.summary

    async def _use(self, databases: list[Database]) -> None:
        where = self.ground.stack.addresses
        store = BlobStore(self.ground.stack.account)
        api = Api(where.functions_url, Scope(where.subscription_id, where.resource_group, where.account_name))
        try:
            await api.ready()
            self._report.fact(f"app is ready at {where.functions_url}")
            for database in databases:
                await self._shard_and_prove(database, api, store)
            await self._arrive(api, store)
            await self._warm(databases, api)
            self.summary.skewed = await SkewedJob(api, store, self._report, self._root).run(self._cache)
        finally:
            await api.close()
            await store.close()

    async def _arrive(self, api: Api, store: BlobStore) -> None:
        database = await make(ARRIVING, self._cache)
        with tempfile.TemporaryDirectory(prefix="arriving-", dir=self._root) as work:
            job = ArrivalJob(self.ground.stack, api, store, self._report, Path(work))
            self.summary.arrived = await job.run(database)

    async def _warm(self, databases: list[Database], api: Api) -> None:
        if self.ground.warm is None:
            self.summary.warm_missing = self.ground.missing
            self._report.missing(f"No warming, since there is no cluster: {self.ground.missing}")
            return
        self.summary.warm = await WarmJob(self.ground.warm, api, self._report, databases).run()

    async def _databases(self) -> list[Database]:
        databases = [await make(specimen, self._cache) for specimen in SPECIMENS]
        for database in databases:
            size = f"{len(database.volumes)} volumes, {database.total_bytes / 1e6:.1f} MB"
            self._report.fact(f"{database.name}: made by makeblastdb, {size}")
        return databases

    async def _shard_and_prove(self, database: Database, api: Api, store: BlobStore) -> None:
        name = database.name
        self._report.step(name)
        await store.upload(database)
        self._report.fact(f"uploaded {len(database.files)} files")
        expected = [count for count in PRESETS if count <= len(database.volumes)]

        first, calls = await self._shard(database, api)
        require(first["outcome"] == "sharded", f"{name}: the first run says '{first['outcome']}'")
        require(first["shard_sets"] == expected, f"{name}: shard sets {first['shard_sets']}, expected {expected}")
        self._report.fact(f"sharded {expected} ways: {first['blobs_written']} blobs written, {len(calls)} storage calls")
        await self._check_listing(database, api, expected)

        await self._prove(database, store)

        again, more_calls = await self._shard(database, api)
        writes = [record for record in more_calls if record.method not in _READS]
        require(
            again["outcome"] == "unchanged" and again["blobs_written"] == 0 and not writes,
            f"{name}: the second run wrote: outcome '{again['outcome']}', {again['blobs_written']} blobs, {_shown(writes)}",
        )
        self._report.fact(f"a second run changed nothing: 0 blobs written, {len(more_calls)} storage calls, all of them reads")
        self.summary.presets[name] = expected
        self.summary.storage_calls += len(calls) + len(more_calls)
        self.summary.databases.append(
            {
                "name": name,
                "molecule": database.specimen.recipe.molecule,
                "volumes": len(database.volumes),
                "bytes": database.total_bytes,
                "storage_calls": {"first_run": len(calls), "second_run": len(more_calls), "second_run_writes": len(writes)},
            }
        )

    async def _shard(self, database: Database, api: Api) -> tuple[dict[str, Any], list[Record]]:
        """Run a shard run; returns its result and the requests that it sent to storage."""
        self.ground.stack.proxy.clear()
        operation = await api.shard(database.name, lambda state: self._report.progress(_progress(state)))
        return operation["result"], list(self.ground.stack.proxy.records)

    async def _check_listing(self, database: Database, api: Api, expected: list[int]) -> None:
        listed = {entry["name"]: entry for entry in await api.databases()}
        entry = listed.get(database.name)
        require(entry is not None, f"{database.name} is not listed; listed are {sorted(listed)}")
        if entry is not None:
            wanted = {"sharded": True, "shard_sets": expected, "shards_stale": False, "shard_source_version": SOURCE_VERSION}
            wrong = {name: entry.get(name) for name, value in wanted.items() if entry.get(name) != value}
            require(not wrong, f"{database.name}: the listing says {wrong}")
        self._report.fact("listed as sharded and current")
        for count in database.specimen.shard_counts:
            await api.shard_set(database.name, count)
        self._report.fact(f"shard sets {list(database.specimen.shard_counts)} can be read through the API")

    async def _prove(self, database: Database, store: BlobStore) -> None:
        with tempfile.TemporaryDirectory(prefix="nodes-", dir=self._root) as nodes:
            comparisons = await Proof(database, store, Path(nodes)).comparisons()
        for comparison in comparisons:
            self.summary.add(comparison)
            self._report.fact(told(comparison, f"{comparison.shard_count} shards"))


def _shown(records: list[Record]) -> str:
    return ", ".join(f"{record.method} {record.path}" for record in records[:5]) or "no write to storage"


def _progress(operation: dict[str, Any]) -> str:
    progress: dict[str, Any] = operation.get("progress") or {}
    counts = f"{progress.get('presets_done', 0)} of {progress.get('presets_total', 0)} shard sets"
    return f"{operation['status']}, {progress.get('phase', 'waiting')}: {counts}"
