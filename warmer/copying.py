"""Copy of the missing files: check the disk, wait for this node's own start time, then download with all threads."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from hashlib import sha256

from shared.agent.disk import DiskReserve
from shared.agent.report import Reason
from shared.blastdb.extensions import is_shared
from shared.blastdb.listings import ListedBlob
from warmer import taxonomy
from warmer.context import Context
from warmer.download import Downloads, Throttle
from warmer.failures import Stopped, WarmFailure
from warmer.node_folder import FileRecord
from warmer.partial import Partial, room_needed

log = logging.getLogger("warmer")


def copy(blobs: Sequence[ListedBlob], context: Context, verified: Callable[[str, FileRecord], None]) -> None:
    """Download blobs into the node's folder; returns when each has its name there.

    Args:
        blobs: the blobs to download.
        context: the context of this attempt.
        verified: called for each of the database's own files, by the thread that verified it.

    Raises:
        WarmFailure: DiskFull before the first download, or the failure of the copy.
        Stopped: the copy is no longer wanted; the next attempt uses the complete parts.
    """
    settings, node_folder = context.settings, context.node_folder
    refuse_full_disk(blobs, context)
    delay = start_delay(settings.node_name, settings.start_spread_seconds)
    if context.stop.wait(delay):
        raise Stopped
    context.progress.enter("copying_files")
    context.reporter.write()
    total = sum(blob.size_bytes for blob in blobs)
    log.info("copying %d files of %s, %d bytes, after %.1f s", len(blobs), node_folder.db, total, delay)
    began = time.monotonic()

    def install(partial: Partial, md5: str) -> None:
        leaf = partial.blob.leaf
        if is_shared(leaf):
            taxonomy.install(node_folder, partial, md5)
        else:
            verified(leaf, partial.install(node_folder.path / leaf, md5))
        context.progress.verified(leaf)

    Downloads(
        context.storage,
        node_folder.incoming,
        context.stop,
        Throttle(settings.download_bytes_per_second, context.stop),
        admit=lambda blob: refuse_full_disk([blob], context),
        install=install,
        progress=context.progress,
        part_bytes=settings.part_bytes,
        corrupt_attempts=settings.corrupt_attempts,
    ).run(blobs, settings.download_concurrency)
    log.info("copied %d files of %s in %.1f s", len(blobs), node_folder.db, time.monotonic() - began)


def start_delay(node: str, spread_seconds: float) -> float:
    """A node's own start time within the spread: the same each time, and evenly spread over many nodes."""
    return int(sha256(node.encode()).hexdigest()[:8], 16) / 2**32 * spread_seconds


def refuse_full_disk(blobs: Sequence[ListedBlob], context: Context) -> None:
    """Check that a copy fits on the disk beside the present files, and that kubelet would not evict pods for it.

    The files that it replaces are removed only after it. Other programs, and the agents of other databases, write to the same
    disk, so the check is made again before each file.

    Raises:
        WarmFailure: DiskFull.
    """
    settings = context.settings
    needed = room_needed(blobs, context.node_folder.incoming, settings.part_bytes)
    status = os.statvfs(context.node_folder.path)
    free = status.f_bavail * status.f_frsize
    reserve = DiskReserve(settings.disk_reserve_percent, settings.disk_reserve_bytes).on(status.f_blocks * status.f_frsize)
    if needed and needed + reserve > free:
        message = f"The copy needs {needed} bytes and leaves {reserve} free; the disk has {free}. Free some, or use larger disks."
        raise WarmFailure(Reason.DISK_FULL, message)
