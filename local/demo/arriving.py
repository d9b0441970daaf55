"""Shard by upload alone: storage events start the run, without a request. Then replace one volume and expect another run."""

from __future__ import annotations

import asyncio
import shutil
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from local.demo.promises import require, told
from local.demo.proof import Proof

if TYPE_CHECKING:
    from pathlib import Path

    from local.demo.api import Api, Json
    from local.demo.databases import Database
    from local.demo.proof import Comparison
    from local.demo.report import Report
    from local.demo.storage import BlobStore
    from local.stack import Stack

_PATIENCE_SECONDS = 90.0
_LOOK_SECONDS = 0.2
_ENDED = {"Succeeded", "Failed", "Canceled"}


class ArrivalJob:
    """The part of the main job that sends no request to shard."""

    def __init__(self, stack: Stack, api: Api, store: BlobStore, report: Report, work: Path) -> None:
        """Prepare the job; `work` is an empty folder."""
        self._stack = stack
        self._api = api
        self._store = store
        self._report = report
        self._work = work

    async def run(self, database: Database) -> dict[str, Any]:
        """Upload, wait for the run, prove; replace a volume, wait, prove again. Returns the facts for the summary.

        Raises:
            Untrue: a promise does not hold.
        """
        name = database.name
        self._report.step(f"{name}, which is only uploaded")
        async with self._stack.subscription() as subscription:
            await self._store.upload_files(database)
            self._report.fact(f"uploaded {len(database.files)} files; nothing is asked for")
            first_seconds = await self._becomes_sharded(name, 1)
            self._report.fact(f"sharded {first_seconds:.1f} s after the last file")
            before = await self._prove(database, "first")
            first = await self._store.metadata(name)

            replaced = _with_another_volume(database, self._work / "replaced")
            volume = replaced.volumes[1]
            await self._store.put(f"{name}/{volume}.psq", (replaced.folder / f"{volume}.psq").read_bytes())
            self._report.fact(f"replaced {volume}.psq")
            second_seconds = await self._becomes_sharded(name, 2)
            second = await self._store.metadata(name)
            require(
                first["shard_generation"] != second["shard_generation"],
                f"{name}: the generation is {second['shard_generation']} as before",
            )
            self._report.fact(f"sharded again {second_seconds:.1f} s later, as another generation")
            after = await self._prove(replaced, "second")
            require(before.hits_compared != after.hits_compared, f"{name}: the replaced volume changed no search")

            await subscription.caught_up()
            runs, settles = await self._api.operations("shard", name), await self._api.operations("settle", name)
            counts = (len(runs), len(settles))
            require(counts == (2, 2), f"{name}: {counts[0]} runs in {counts[1]} settles, expected 2 in 2")
            self._report.fact(f"{subscription.delivered} events told, the app's own writes among them: 2 runs, no more")
        return {
            "database": name,
            "volumes": len(database.volumes),
            "events": subscription.delivered,
            "runs": len(runs),
            "seconds": [round(first_seconds, 2), round(second_seconds, 2)],
            "hits_compared": before.hits_compared + after.hits_compared,
            "hits_equal": before.hits_equal + after.hits_equal,
        }

    async def _becomes_sharded(self, name: str, number: int) -> float:
        """Wait until the settle of that number has ended; returns how long that took."""
        began = time.monotonic()
        settles: list[Json] = []
        while len(settles) < number or settles[0]["status"] not in _ENDED:
            require(time.monotonic() < began + _PATIENCE_SECONDS, f"{name} was uploaded, and nothing came of it: {settles}")
            await asyncio.sleep(_LOOK_SECONDS)
            settles = await self._api.operations("settle", name)
            if settles:
                self._report.progress(_shown(settles[0]))
        result: Json = settles[0]["result"] or {}
        outcome = result.get("outcome")
        require(outcome == "sharded", f"{name}: the upload ended as {settles[0]['status']}, {outcome}, {settles[0]['error']}")
        return time.monotonic() - began

    async def _prove(self, database: Database, when: str) -> Comparison:
        (comparison,) = await Proof(database, self._store, self._work / when).comparisons()
        self._report.fact(told(comparison, f"{comparison.shard_count} shards"))
        return comparison


def _with_another_volume(database: Database, folder: Path) -> Database:
    """A copy of the database whose second volume has every sequence reversed; only its sequence file differs."""
    shutil.copytree(database.folder, folder)
    file = folder / f"{database.volumes[1]}.psq"
    # One byte a residue, with a zero before, between and after sequences.
    file.write_bytes(b"\0".join(sequence[::-1] for sequence in file.read_bytes().split(b"\0")))
    return replace(database, folder=folder)


def _shown(settle: Json) -> str:
    progress: Json = settle.get("progress") or {}
    reason: Json = progress.get("reason") or {}
    return f"{settle['status']}, {progress.get('phase', 'waiting')} {reason.get('message', '')}".rstrip()
