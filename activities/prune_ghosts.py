"""Remove the volumes that a database's own statistics file does not count: left by a larger generation."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from activities.binding import answering
from shared.blastdb.blobs import files_prefix, folder, statistics_file
from shared.blastdb.statistics import parse_statistics_file
from shared.blastdb.volumes import VolumeSet
from shared.clients import Clients
from shared.errors import Code, Conflict, Unusable
from shared.runs.reconcile import Pruned, PruneGhosts
from shared.storage.container import Container, Matching
from shared.storage.inspection import inventory_of
from shared.storage.listing import ListedBlob

_LIMIT_BYTES = 4 * 1024 * 1024


@answering(Pruned)
async def prune_ghosts(request: PruneGhosts, clients: Clients) -> Pruned:
    """Count again by the statistics file, and remove what is beyond it, unless that is more than half.

    Safe to repeat, and to be ended halfway: the highest volumes go first, each one's sequence file last, so what is left is
    always a database with fewer ghosts. A blob that was written since it was listed stays.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container, db = clients.accounts.container(request.account), request.db
    listing = await container.list(files_prefix(db))
    volumes = inventory_of(db, listing).volumes
    content = await container.read(statistics_file(db, volumes.molecule), limit_bytes=_LIMIT_BYTES)
    counted = parse_statistics_file(db, content.data).volumes if content is not None else None
    if counted is None or counted >= volumes.count:
        return Pruned()
    ghosts = volumes.names(counted, volumes.count)
    if 2 * len(ghosts) > volumes.count:
        message = (
            f"{len(ghosts)} of the {volumes.count} volumes of '{db}' would be removed, more than half. A person must decide."
        )
        raise Unusable(Code.GHOST_VOLUMES, message, target=db)
    removed = 0
    for ghost in reversed(ghosts):
        removed += await _remove(container, _blobs_of(volumes, ghost, listing), request.write_before)
    return Pruned(volumes=len(ghosts), blobs=removed)


def _blobs_of(volumes: VolumeSet, ghost: str, listing: Sequence[ListedBlob]) -> list[ListedBlob]:
    own = [blob for blob in listing if blob.name.startswith(f"{folder(volumes.db)}{ghost}.")]
    return sorted(own, key=lambda blob: blob.name.endswith((".nsq", ".psq")))


async def _remove(container: Container, blobs: Sequence[ListedBlob], write_before: datetime) -> int:
    *others, sequences = blobs
    if datetime.now(UTC) >= write_before:
        raise Conflict(Code.LEASE_LOST, "The lease's time was over before every ghost was removed.")
    gone = await asyncio.gather(*(container.delete(blob.name, Matching(blob.etag)) for blob in others))
    return sum((*gone, await container.delete(sequences.name, Matching(sequences.etag))))
