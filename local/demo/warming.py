"""The main job's second half: warm the databases, search on the warm nodes, lose a node, and warm again."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from local.demo.folders import shards_on, volumes_sent
from local.demo.ground import COPY_BYTES_PER_SECOND
from local.demo.promises import require, told
from local.demo.proof import Whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from local.demo.api import Api, Json
    from local.demo.databases import Database
    from local.demo.report import Report
    from local.proxy import Record
    from local.stack.warm import WarmStack

_SHARD_COUNTS = {"demo_nt": 3}
"""The shard counts that requests ask for; the app chooses those of the other databases."""
_LOST_SHARD = "01"
_LOOK_SECONDS = 0.3


@dataclass(slots=True)
class WarmFacts:
    """`warm` in run-summary.json."""

    nodes: int = 0
    bytes_moved: int = 0
    """By the agents, for all databases, before a node was lost."""
    seconds: float = 0.0
    """From the first POST until all databases were warm; the demo bounds what a node copies in a second."""
    resident_percent: int = 100
    """Of the database that has least of itself in memory."""
    hits_compared: int = 0
    hits_equal: int = 0
    """Lines of the searches on the nodes' own folders, also those after a node was lost."""
    bytes_moved_again: int = 0
    """By a second warmup, with nothing to do."""
    bytes_moved_after_node_loss: int = 0
    bytes_lost: int = 0
    """What the lost node held."""
    seconds_after_node_loss: float = 0.0


class WarmJob:
    """Warms sharded databases, all at once."""

    def __init__(self, warm: WarmStack, api: Api, report: Report, databases: Sequence[Database]) -> None:
        self._warm = warm
        self._api = api
        self._report = report
        self._facts = WarmFacts()
        self._wholes = {database.name: Whole(database) for database in databases}

    async def run(self) -> dict[str, Any]:
        """Run this half of the job; returns the facts that it has proved.

        Raises:
            Untrue: a promise does not hold.
            ApiError, ProgramError: a part failed.
        """
        nodes, names = self._warm.cluster.nodes.names, list(self._wholes)
        self._facts.nodes = len(nodes)
        self._report.step(f"Warming {len(nodes)} nodes, each copies at most {COPY_BYTES_PER_SECOND / 1e6} MB/s of a database")
        began = time.monotonic()
        operations = await self._warm_up(names)
        self._facts.seconds = round(time.monotonic() - began, 2)
        self._facts.bytes_moved = sum(operation["result"]["bytes_moved"] for operation in operations)
        require(self._facts.bytes_moved > 0, "warming moved no bytes")
        await self._search(names)
        await self._warm_again(names[0])
        await self._lose_a_node(names[0])
        return asdict(self._facts)

    async def _warm_up(self, names: Sequence[str]) -> list[Json]:
        """Warm databases and wait until all are warm; returns the operations."""
        showing = asyncio.create_task(self._show_progress())
        try:
            async with asyncio.TaskGroup() as group:
                runs = [group.create_task(self._api.warm(self._address, db, _SHARD_COUNTS.get(db))) for db in names]
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
        statuses = await self._statuses()
        for db, run in zip(names, runs, strict=True):
            self._check(db, run.result()["result"], statuses[db])
        return [run.result() for run in runs]

    def _check(self, db: str, result: Json, status: Json) -> None:
        counted = f"{status['bytes_done']} of {status['bytes_total']} bytes, {status['resident_pct']} % in memory"
        where = f"N = {status['shard_count']} on {status['nodes_ready']} of {status['total_jobs']} nodes"
        is_warm = result["outcome"] == "warm" and status["status"] == "Ready"
        require(is_warm, f"{db}: the run says '{result['outcome']}', the status {status['status']}: {where}, {counted}")
        is_whole = status["bytes_done"] == status["bytes_total"] > 0 and status["nodes_ready"] == status["total_jobs"]
        wanted = _SHARD_COUNTS.get(db, status["shard_count"])
        require(is_whole and status["shard_count"] == wanted, f"{db}: called warm at {where}, {counted}; wanted was N = {wanted}")
        self._facts.resident_percent = min(self._facts.resident_percent, status["resident_pct"])
        self._report.fact(f"{db}: warm at {where}, {counted}")

    async def _search(self, names: Sequence[str]) -> None:
        statuses = await self._statuses()
        for db in names:
            shards = shards_on(self._warm.cluster.nodes, statuses[db])
            for comparison in await self._wholes[db].against(shards):
                self._report.fact(told(comparison, f"{db}, {len(shards)} shards in their nodes' own folders"))
                self._facts.hits_compared += comparison.hits_compared
                self._facts.hits_equal += comparison.hits_equal

    async def _warm_again(self, db: str) -> None:
        result = (await self._api.warm(self._address, db, _SHARD_COUNTS.get(db)))["result"]
        self._facts.bytes_moved_again = result["bytes_moved"]
        is_idle = result["bytes_moved"] == 0 and not result["changed"]
        require(is_idle, f"{db}: a second warmup moved {result['bytes_moved']} bytes, changed the cluster: {result['changed']}")
        self._report.fact(f"{db}: a second warmup moved 0 bytes and wrote nothing to the cluster")

    async def _lose_a_node(self, db: str) -> None:
        proxy, before = self._warm.stack.proxy, await self._statuses()
        lost: str = before[db]["shard_nodes"][_LOST_SHARD]
        self._report.step("Losing a node")
        new = await self._warm.cluster.nodes.replace(lost)
        self._report.fact(f"{lost} is gone with its disk, {new} takes its place")
        losers = [name for name, status in before.items() if lost in status["nodes"]]
        for name, status in (await self._statuses()).items():
            require(name not in losers or status["status"] != "Ready", f"{name}: the status says Ready, although {lost} is gone")
            said: Json = status["nodes"].get(lost, {})
            self._report.fact(f"{name}: the status says {status['status']}: {said.get('reason')}, {said.get('message')}")
        proxy.clear()
        began = time.monotonic()
        operations = await self._warm_up(losers)
        self._facts.seconds_after_node_loss = round(time.monotonic() - began, 2)
        after, records = await self._statuses(), tuple(proxy.records)
        for name, operation in zip(losers, operations, strict=True):
            self._check_loss(before[name], after[name], lost, operation["result"]["bytes_moved"], records)
        await self._search(losers)

    def _check_loss(self, before: Json, after: Json, lost: str, moved: int, records: Sequence[Record]) -> None:
        """What the run says it has moved, and what went over the wire, is what the lost node had held."""
        db, held = before["name"], before["nodes"][lost]
        require(0 < moved <= held["bytes_total"], f"{db}: {moved} bytes were moved for {held['bytes_total']} lost ones")
        shards = shards_on(self._warm.cluster.nodes, after)
        gone = {volume for shard in shards if shard.name[-2:] in held["shards"] for volume in shard.volumes}
        sent = volumes_sent(records, db)
        require(sent == gone, f"{db}: the agents read {sorted(sent)}, lost were {sorted(gone)}")
        self._facts.bytes_moved_after_node_loss += moved
        self._facts.bytes_lost += held["bytes_total"]
        self._report.fact(f"{db}: only what was lost was moved: {len(sent)} volumes, {moved} of {after['bytes_total']} bytes")

    async def _show_progress(self) -> None:
        while True:
            self._report.progress(_progress(await self._statuses()))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _statuses(self) -> dict[str, Json]:
        return await self._api.warm_statuses(self._address)

    @property
    def _address(self) -> dict[str, str]:
        return self._warm.cluster_address


def _progress(statuses: Mapping[str, Json]) -> str:
    """The bytes of all databases by node, and each database's state."""
    done: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for status in statuses.values():
        for name, node in status["nodes"].items():
            done[name] += node["bytes_done"]
            total[name] += node["bytes_total"]
    nodes = ", ".join(f"{name[-3:]}: {done[name] / 1e6:.1f} of {total[name] / 1e6:.1f} MB" for name in sorted(total))
    states = ", ".join(f"{db} {status['status']}" for db, status in sorted(statuses.items()))
    return f"{states or 'planning'}  {nodes}".rstrip()
