"""One copy in a process of its own, so that its peak memory is its own: the node agent's, or a bare parallel ranged GET."""

from __future__ import annotations

import asyncio
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Lock, Thread
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from warmer.credentials import credential
from warmer.download import Downloads, Throttle
from warmer.partial import Partial
from warmer.retrying import RetryBudget
from warmer.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Callable
    from http.client import HTTPResponse

    from shared.blastdb.listings import ListedBlob

_PART_BYTES = 8 * 1024**2
_CONCURRENCY = 16
_BUFFER_BYTES = 512 * 1024
_TIMEOUT_SECONDS = 60.0


class Source(NamedTuple):
    """Where to copy from and, for the agent, where to; it travels to the measuring process."""

    url: str
    sas: str
    prefix: str
    folder: Path
    link_bytes_per_second: int
    start_at: float = 0.0
    """Of `perf_counter`, which all processes share: when to begin, so that several begin at once."""


class Taken(NamedTuple):
    """What one copy took."""

    seconds: float
    peak_mb: float


async def apart(call: Callable[[Source], float], source: Source) -> Taken:
    """Run `raw` or `agent` in a new process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(pool, _measured, call, source)


def _measured(call: Callable[[Source], float], source: Source) -> Taken:
    seconds = call(source)
    # Not getrusage's maximum, which counts the parent's memory from before the exec.
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return Taken(seconds, int(lines["VmHWM"].split()[0]) / 1024)


def raw(source: Source) -> float:
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

    began = _begin(source)
    threads = [Thread(target=work) for _ in range(_CONCURRENCY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return perf_counter() - began


def agent(source: Source) -> float:
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
        admit=lambda _: None,
        install=install,
        progress=_NoProgress(),
        part_bytes=_PART_BYTES,
        corrupt_attempts=1,
    )
    began = _begin(source)
    copy.run(blobs, _CONCURRENCY)
    seconds = perf_counter() - began
    shutil.rmtree(source.folder)
    return seconds


def _begin(source: Source) -> float:
    time.sleep(max(0.0, source.start_at - perf_counter()))
    return perf_counter()


def _open(source: Source) -> tuple[Storage, list[ListedBlob]]:
    budget = RetryBudget(Event(), unavailable_seconds=10, forbidden_seconds=0, first_seconds=0.1, longest_seconds=1)
    storage = Storage(source.url, credential(source.sas), budget, _TIMEOUT_SECONDS)
    return storage, storage.list(source.prefix)


class _Discarded:
    """One range of a bare GET."""

    wants_md5 = False

    def __init__(self, blob: ListedBlob, start: int, buffer: memoryview, link: Throttle) -> None:
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
    def set_bytes(self, blob: ListedBlob, count: int) -> None:
        pass

    def add_bytes(self, blob: ListedBlob, count: int) -> None:
        pass
