"""The node agent's copy against a bare parallel ranged GET: same blobs, same server, same concurrency, same run.

The server is the emulator behind a proxy that adds a round trip, and both sides share a link: as fast, for the cores that
there are, as that of the nodes that warm shards (E16s v5: 16 cores, 12.5 Gbit/s). Without a link loopback delivers faster
than a core computes MD5, and the same cores serve both of its ends; that figure is taken too, under its own name.

Each measurement is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from threading import Event, Lock, Thread
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from azure.storage.blob import BlobServiceClient, ContainerSasPermissions, generate_container_sas

from local.azurite import CONTAINER, Azurite
from local.proxy import Proxy
from warmer.credentials import credential
from warmer.download import Downloads
from warmer.partial import Partial
from warmer.patience import Patience
from warmer.storage import Storage
from warmer.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPResponse

    from local.azurite import Account
    from warmer.listing import Blob

_FILES = 4
_FILE_BYTES = 96 * 1024**2
_PART_BYTES = 8 * 1024**2
_CONCURRENCY = 16
_BUFFER_BYTES = 512 * 1024
_TIMEOUT_SECONDS = 60.0
_PREFIX = "big/"
_LINK_BYTES_PER_SECOND_AND_CORE = 12_500_000_000 // 8 // 16


class AgentFigures(NamedTuple):
    """Shares of the bare GET's throughput that the agent reaches, and the agent's peak memory."""

    agent_vs_raw_get: float
    agent_vs_raw_get_without_link: float
    agent_mib_per_second: float
    raw_mib_per_second: float
    agent_peak_mb: float


class _Source(NamedTuple):
    """Where to copy from and, for the agent, where to; it travels to the measuring process."""

    url: str
    sas: str
    folder: Path
    link_bytes_per_second: int


class _Taken(NamedTuple):
    seconds: float
    peak_mb: float


async def measure(root: Path, *, repeats: int = 5, round_trip_seconds: float = 0.025) -> AgentFigures:
    """Measure both, in turns, so that a busy moment meets both; the median of the pairs' ratios counts."""
    async with Azurite(root / "azurite") as azurite, Proxy(azurite.port) as proxy:
        account = azurite.account(azurite.account_name)
        await azurite.create_containers()
        await asyncio.to_thread(_upload, account)
        far = _source(account.at(proxy.port), root / "copy", _LINK_BYTES_PER_SECOND_AND_CORE * (os.cpu_count() or 1))
        near = _source(account, root / "copy", 0)
        proxy.round_trip_seconds = round_trip_seconds
        pairs = [(await _apart(_raw, far), await _apart(_agent, far)) for _ in range(repeats)]
        pairs_near = [(await _apart(_raw, near), await _apart(_agent, near)) for _ in range(repeats)]
    mib = _FILES * _FILE_BYTES / 1024**2
    return AgentFigures(
        agent_vs_raw_get=round(median(raw.seconds / agent.seconds for raw, agent in pairs), 3),
        agent_vs_raw_get_without_link=round(median(raw.seconds / agent.seconds for raw, agent in pairs_near), 3),
        agent_mib_per_second=round(mib / median(agent.seconds for _, agent in pairs), 1),
        raw_mib_per_second=round(mib / median(raw.seconds for raw, _ in pairs), 1),
        agent_peak_mb=round(max(agent.peak_mb for _, agent in [*pairs, *pairs_near]), 1),
    )


def _upload(account: Account) -> None:
    data = os.urandom(_FILE_BYTES)
    # In one request each: then the emulator keeps an MD5, as prepare-db does. Not by aiohttp, which warns of such bodies.
    with BlobServiceClient.from_connection_string(account.connection_string, max_single_put_size=_FILE_BYTES) as service:
        for number in range(_FILES):
            service.get_container_client(CONTAINER).upload_blob(f"{_PREFIX}{number}.nsq", data, overwrite=True)


def _source(account: Account, folder: Path, link_bytes_per_second: int) -> _Source:
    sas = generate_container_sas(
        account.name,
        CONTAINER,
        account_key=account.key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return _Source(f"{account.blob_endpoint}/{CONTAINER}", sas, folder, link_bytes_per_second)


async def _apart(call: Callable[[_Source], float], source: _Source) -> _Taken:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, _measured, call, source)


def _measured(call: Callable[[_Source], float], source: _Source) -> _Taken:
    seconds = call(source)
    # Not getrusage's maximum, which counts the parent's memory from before the exec.
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return _Taken(seconds, int(lines["VmHWM"].split()[0]) / 1024)


def _raw(source: _Source) -> float:
    """Every byte once, in the same ranges, into a buffer that is overwritten."""
    storage, blobs = _open(source)
    parts = iter([(blob, start) for blob in blobs for start in range(0, blob.size_bytes, _PART_BYTES)])
    turn = Lock()
    link = Throttle(source.link_bytes_per_second, Event())

    def work() -> None:
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        while True:
            with turn:
                part = next(parts, None)
            if part is None:
                return
            storage.stream(_Discarded(*part, buffer, link))

    began = perf_counter()
    threads = [Thread(target=work) for _ in range(_CONCURRENCY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return perf_counter() - began


def _agent(source: _Source) -> float:
    """Every file to disk, verified by MD5, synced, under its name."""
    storage, blobs = _open(source)
    incoming = source.folder / "incoming"
    incoming.mkdir(parents=True)
    stop = Event()

    def install(partial: Partial, md5: str) -> None:
        partial.install(source.folder / partial.blob.leaf, md5)

    copy = Downloads(
        storage,
        incoming,
        stop,
        Throttle(source.link_bytes_per_second, stop),
        install=install,
        progress=_NoProgress(),
        part_bytes=_PART_BYTES,
        corrupt_attempts=1,
    )
    began = perf_counter()
    copy.run(blobs, _CONCURRENCY)
    seconds = perf_counter() - began
    shutil.rmtree(source.folder)
    return seconds


def _open(source: _Source) -> tuple[Storage, list[Blob]]:
    patience = Patience(Event(), unavailable_seconds=10, forbidden_seconds=0, first_seconds=0.1, longest_seconds=1)
    storage = Storage(source.url, credential(source.sas), patience, _TIMEOUT_SECONDS)
    return storage, storage.list(_PREFIX)


class _Discarded:
    """One range of a bare GET."""

    wants_md5 = False

    def __init__(self, blob: Blob, start: int, buffer: memoryview, link: Throttle) -> None:
        self.blob = blob
        self._start = start
        self._stop = min(start + _PART_BYTES, blob.size_bytes)
        self._buffer = buffer
        self._link = link

    def first_and_last(self) -> tuple[int, int]:
        return self._start, self._stop - 1

    def receive(self, answer: HTTPResponse) -> None:
        left = self._stop - self._start
        while left:
            count = answer.readinto(self._buffer[:left])
            self._link.take(count)
            left -= count


class _NoProgress:
    def there(self, blob: Blob, count: int) -> None:
        pass

    def came(self, blob: Blob, count: int) -> None:
        pass


if __name__ == "__main__":
    print(asyncio.run(measure(Path(".local/bench/agent"))))
