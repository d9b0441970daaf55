"""The node agent's copy against a bare parallel ranged GET: same blobs, same server, same concurrency, same run.

The server is the emulator behind a proxy that adds a round trip, and both sides share a link: as fast, for the cores that
there are, as that of the nodes that warm shards (E16s v5: 16 cores, 12.5 Gbit/s). Without a link loopback delivers faster
than a core computes MD5, and the same cores serve both of its ends; that figure is taken too, under its own name.
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from benchmarks.copying import Source, agent, apart, raw
from local.azurite import CONTAINER, Azurite
from local.proxy import Proxy

if TYPE_CHECKING:
    from local.azurite import Account

_FILES = 4
_FILE_BYTES = 96 * 1024**2
_PREFIX = "big/"
_LINK_BYTES_PER_SECOND_AND_CORE = 12_500_000_000 // 8 // 16
_NODES = 3
_NODE_LINK_BYTES_PER_SECOND = 24 * 1024**2
"""Small enough for three of them to leave the machine's cores, which serve both ends, some rest."""
_START_SECONDS = 2.0
_MOST_TOGETHER = 3


class AgentFigures(NamedTuple):
    """Shares of the bare GET's throughput that the agent reaches, the agent's peak memory, and three nodes at once."""

    agent_vs_raw_get: float
    agent_vs_raw_get_without_link: float
    agent_mib_per_second: float
    raw_mib_per_second: float
    agent_mib_per_second_without_link: float
    raw_mib_per_second_without_link: float
    agent_peak_mb: float
    warm_3_vs_slowest: float


async def measure(root: Path, *, repeats: int = 5, round_trip_seconds: float = 0.025) -> AgentFigures:
    """Measure both, in turns, so that a busy moment meets both; the median of the pairs' ratios counts."""
    async with Azurite(root / "azurite") as azurite, Proxy(azurite.port) as proxy:
        account = azurite.account(azurite.account_name)
        await azurite.create_containers()
        await asyncio.to_thread(_upload, account)
        far = _source(account.at(proxy.port), root / "copy", _LINK_BYTES_PER_SECOND_AND_CORE * (os.cpu_count() or 1))
        near = _source(account, root / "copy", 0)
        proxy.round_trip_seconds = round_trip_seconds
        pairs = [(await apart(raw, far), await apart(agent, far)) for _ in range(repeats)]
        pairs_near = [(await apart(raw, near), await apart(agent, near)) for _ in range(repeats)]
        together = median([await _together(far) for _ in range(min(repeats, _MOST_TOGETHER))])
    mib = _FILES * _FILE_BYTES / 1024**2
    return AgentFigures(
        agent_vs_raw_get=round(median(raw.seconds / agent.seconds for raw, agent in pairs), 3),
        agent_vs_raw_get_without_link=round(median(raw.seconds / agent.seconds for raw, agent in pairs_near), 3),
        agent_mib_per_second=round(mib / median(agent.seconds for _, agent in pairs), 1),
        raw_mib_per_second=round(mib / median(raw.seconds for raw, _ in pairs), 1),
        agent_mib_per_second_without_link=round(mib / median(agent.seconds for _, agent in pairs_near), 1),
        raw_mib_per_second_without_link=round(mib / median(raw.seconds for raw, _ in pairs_near), 1),
        agent_peak_mb=round(max(agent.peak_mb for _, agent in [*pairs, *pairs_near]), 1),
        warm_3_vs_slowest=round(together, 3),
    )


async def _together(source: Source) -> float:
    """How much longer the slowest of three nodes copies its shard beside the others than the slowest does alone.

    Each node has a link of its own, storage and proxy are common to all.
    """
    nodes = [
        source._replace(
            prefix=f"{_PREFIX}{number}", folder=source.folder / str(number), link_bytes_per_second=_NODE_LINK_BYTES_PER_SECOND
        )
        for number in range(_NODES)
    ]
    alone = [await apart(agent, node) for node in nodes]
    start_at = perf_counter() + _START_SECONDS
    at_once = await asyncio.gather(*(apart(agent, node._replace(start_at=start_at)) for node in nodes))
    return max(taken.seconds for taken in at_once) / max(taken.seconds for taken in alone)


def _upload(account: Account) -> None:
    data = os.urandom(_FILE_BYTES)
    # In one request each: then the emulator keeps an MD5, as prepare-db does. Not by aiohttp, which warns of such bodies.
    with BlobServiceClient.from_connection_string(account.connection_string, max_single_put_size=_FILE_BYTES) as service:
        for number in range(_FILES):
            service.get_container_client(CONTAINER).upload_blob(f"{_PREFIX}{number}.nsq", data, overwrite=True)


def _source(account: Account, folder: Path, link_bytes_per_second: int) -> Source:
    sas = generate_container_sas(
        account.name,
        CONTAINER,
        account_key=account.key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return Source(f"{account.blob_endpoint}/{CONTAINER}", sas, _PREFIX, folder, link_bytes_per_second)


if __name__ == "__main__":
    print(asyncio.run(measure(Path(".local/bench/agent"))))
