"""The copy of what is missing: room first, a moment of one's own, then all threads at once."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from hashlib import sha256

from shared.agent.report import Reason
from shared.blastdb.extensions import is_shared
from shared.blastdb.listings import ListedBlob
from warmer import taxonomy
from warmer.download import Downloads
from warmer.failures import Stopped, WarmFailure
from warmer.home import FileRecord
from warmer.partial import Partial, room_needed
from warmer.throttle import Throttle
from warmer.tools import Tools

log = logging.getLogger("warmer")


def copy(blobs: Sequence[ListedBlob], tools: Tools, verified: Callable[[str, FileRecord], None]) -> None:
    """Download blobs into the node's folder; returns when each has its name there.

    Args:
        blobs: what to download.
        tools: of this staging.
        verified: told of each of the database's own files, by the thread that verified it.

    Raises:
        WarmFailure: DiskFull before anything was copied, or what went wrong on the way.
        Stopped: the copy is no longer wanted; whole parts are kept for another time.
    """
    settings, home = tools.settings, tools.home
    refuse_full_disk(blobs, tools)
    delay = start_delay(settings.node_name, settings.start_spread_seconds)
    if tools.stop.wait(delay):
        raise Stopped
    tools.board.enter("copying_files")
    tools.reporter.write()
    total = sum(blob.size_bytes for blob in blobs)
    log.info("copying %d files of %s, %d bytes, after %.1f s", len(blobs), home.db, total, delay)
    began = time.monotonic()

    def install(partial: Partial, md5: str) -> None:
        leaf = partial.blob.leaf
        if is_shared(leaf):
            taxonomy.install(home, partial, md5)
        else:
            verified(leaf, partial.install(home.folder / leaf, md5))
        tools.board.verified(leaf)

    Downloads(
        tools.storage,
        home.incoming,
        tools.stop,
        Throttle(settings.download_bytes_per_second, tools.stop),
        install=install,
        progress=tools.board,
        part_bytes=settings.part_bytes,
        corrupt_attempts=settings.corrupt_attempts,
    ).run(blobs, settings.download_concurrency)
    log.info("copied %d files of %s in %.1f s", len(blobs), home.db, time.monotonic() - began)


def start_delay(node: str, spread_seconds: float) -> float:
    """A node's own moment within the spread: the same each time, and as good as chance over many nodes."""
    return int(sha256(node.encode()).hexdigest()[:8], 16) / 2**32 * spread_seconds


def refuse_full_disk(blobs: Sequence[ListedBlob], tools: Tools) -> None:
    """See that a copy fits beside what is on the disk; files that it replaces go only after it.

    Raises:
        WarmFailure: DiskFull.
    """
    needed = room_needed(blobs, tools.home.incoming, tools.settings.part_bytes)
    status = os.statvfs(tools.home.folder)
    free = status.f_bavail * status.f_frsize
    if needed and needed + tools.settings.disk_reserve_bytes > free:
        reserve = tools.settings.disk_reserve_bytes
        message = f"The copy needs {needed} bytes and leaves {reserve} free; the disk has {free}. Free some, or use larger disks."
        raise WarmFailure(Reason.DISK_FULL, message)
