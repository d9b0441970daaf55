"""Residency of files in memory: measure it (never infer it), read files into the page cache, and evict them.

`fincore` measures it (by mincore(2)). The agent reads files instead of calling `vmtouch -t`, with the same effect on the page
cache: reading can stop between two pieces, runs in several threads, and skips files that are already in memory as a whole.
It does not lock pages: that would need a capability, and would take memory from searches that need it more.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import batched
from pathlib import Path
from threading import Event

from pydantic import BaseModel, ConfigDict

from shared.agent.report import Reason
from shared.sanitise import shortened
from warmer import programs
from warmer.failures import Stopped, WarmFailure

_FILES_A_CALL = 500
_PIECE_BYTES = 1024 * 1024
_TIMEOUT_SECONDS = 600.0
_MEMORY = Path("/proc/meminfo")
_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True)

    file: str
    res: int
    size: int


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True)

    fincore: tuple[_Row, ...]


def measure(folder: Path, leaves: Sequence[str], stop: Event) -> dict[str, int]:
    """Measure the resident bytes of each file; a missing file has 0.

    Raises:
        WarmFailure: VerificationFailed: fincore cannot be run. The agent claims no residency that it has not measured.
        Stopped: the work is no longer wanted.
    """
    resident = dict.fromkeys(leaves, 0)
    for batch in batched(leaves, _FILES_A_CALL, strict=False):
        ended = programs.run(
            ["fincore", "--json", "--bytes", "--output", "FILE,RES,SIZE", "--", *batch], folder, stop, _TIMEOUT_SECONDS
        )
        try:
            rows = _Table.model_validate(json.loads(ended.output)).fincore
        except ValueError as error:
            if ended.status and all(not (folder / leaf).exists() for leaf in batch):
                continue
            message = f"fincore does not measure (status {ended.status}): {shortened(ended.errors.strip(), 160)}"
            raise WarmFailure(Reason.VERIFICATION_FAILED, message) from error
        # fincore counts whole pages, even the last one, which a file may fill only in part.
        resident |= {row.file: min(row.res, row.size) for row in rows}
    return resident


def touch(folder: Path, leaves: Iterable[str], stop: Event, threads: int) -> None:
    """Read files into the page cache.

    Raises:
        Stopped: the work is no longer wanted.
    """

    def read(leaf: str) -> None:
        buffer = memoryview(bytearray(_PIECE_BYTES))
        # The next measurement reports a missing file as not in memory.
        try:
            stream = (folder / leaf).open("rb", buffering=0)
        except FileNotFoundError:
            return
        with stream:
            while stream.readinto(buffer):
                if stop.is_set():
                    raise Stopped

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(read, leaves):
            pass


def evict(path: Path) -> None:
    """Let the kernel drop a file's pages, as `vmtouch -e` does. Pages that a search has mapped stay."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def available_memory(limit_bytes: int) -> int:
    """Bytes of memory that shards can fill: the setting, else MemAvailable, but at most this cgroup's limit.

    MemAvailable counts page cache, even that of the shards, because the kernel can reclaim it. So nothing is added to it. Page
    cache counts for the cgroup that touches it first, so a limit on this pod is a limit on the shards.
    """
    if limit_bytes:
        return limit_bytes
    lines = dict(line.split(":", 1) for line in _MEMORY.read_text().splitlines())
    return min([int(lines["MemAvailable"].split()[0]) * 1024, *_cgroup_limits()])


def refuse_too_much(total_bytes: int, limit_bytes: int) -> None:
    """Check that this many bytes fit in memory at once.

    Raises:
        WarmFailure: MemoryTooSmall.
    """
    available = available_memory(limit_bytes)
    if total_bytes > available:
        message = f"The shards need {total_bytes} bytes of memory; {available} bytes are available. Use more or larger nodes."
        raise WarmFailure(Reason.MEMORY_TOO_SMALL, message)


def percent(resident: int, total: int) -> float:
    """The percentage, rounded down: 99.999 must not become 100."""
    return 100.0 if resident >= total else int(resident * 10_000 / total) / 100


def cold(resident: Mapping[str, int], sizes: Mapping[str, int]) -> list[str]:
    """The files that are not completely in memory."""
    return [leaf for leaf, size in sizes.items() if resident[leaf] < size]


def _cgroup_limits() -> list[int]:
    limits: list[int] = []
    for path in _LIMITS:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            limits.append(int(text))
    return limits
