"""Remove the volumes that a database's own statistics file does not count: left by a larger generation."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from activities.binding import answering
from shared.blastdb.blobs import files_prefix, folder, statistics_file
from shared.blastdb.generations import digest_of
from shared.blastdb.statistics import parse_statistics_file
from shared.blastdb.volumes import VolumeSet
from shared.clients import Clients
from shared.errors import Code, Conflict, Unusable
from shared.runs.reconcile import Pruned, PruneGhosts
from shared.storage.container import Container, Matching
from shared.storage.inspection import files_of, inventory_of
from shared.storage.listing import ListedBlob

_LIMIT_BYTES = 4 * 1024 * 1024


@answering(Pruned)
async def prune_ghosts(request: PruneGhosts, clients: Clients) -> Pruned:
    """Count again by the statistics file, and remove what is beyond it, unless that is more than half or younger than the file.

    What is younger than the file that does not count it may be an upload's, of which that file comes last. Nothing is removed
    if the files are not those that were refused, and no blob that was written since they were listed.

    Safe to repeat, and to be ended halfway: the highest volumes go first, each one's sequence file last, so what is left is
    always a database with fewer ghosts; a repetition leaves it to the next pass, which has it refused again.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container, db = clients.accounts.container(request.account), request.db
    listing = await container.list(files_prefix(db))
    if digest_of(files_of(db, listing)) != request.refused:
        raise Conflict(Code.DATABASE_CHANGED, f"'{db}' changed since its ghosts were refused. They stay for now.", target=db)
    volumes = inventory_of(db, listing).volumes
    name = statistics_file(db, volumes.molecule)
    statistics = next((blob for blob in listing if blob.name == name), None)
    if statistics is None:
        return Pruned()
    counted = await _counted(container, db, statistics)
    if counted is None or counted >= volumes.count:
        return Pruned()
    ghosts = [_blobs_of(volumes, ghost, listing) for ghost in volumes.names(counted, volumes.count)]
    _refuse_doubtful(volumes, ghosts, statistics)
    removed = 0
    for ghost in reversed(ghosts):
        removed += await _remove(container, ghost, request.write_before)
    return Pruned(volumes=len(ghosts), blobs=removed)


async def _counted(container: Container, db: str, statistics: ListedBlob) -> int | None:
    content = await container.read(statistics.name, limit_bytes=_LIMIT_BYTES)
    if content is None or content.etag != statistics.etag:
        message = f"'{statistics.name}' changed while the ghosts of '{db}' were counted. They stay for now."
        raise Conflict(Code.DATABASE_CHANGED, message, target=db)
    return parse_statistics_file(db, content.data).volumes


def _refuse_doubtful(volumes: VolumeSet, ghosts: Sequence[Sequence[ListedBlob]], statistics: ListedBlob) -> None:
    db, doubt = volumes.db, None
    if 2 * len(ghosts) > volumes.count:
        doubt = "more than half"
    elif any(blob.modified > statistics.modified for ghost in ghosts for blob in ghost):
        doubt = f"some younger than '{statistics.name}', which does not count them"
    if doubt is not None:
        message = f"{len(ghosts)} of the {volumes.count} volumes of '{db}' would be removed, {doubt}. A person must decide."
        raise Unusable(Code.GHOST_VOLUMES, message, target=db)


def _blobs_of(volumes: VolumeSet, ghost: str, listing: Sequence[ListedBlob]) -> list[ListedBlob]:
    own = [blob for blob in listing if blob.name.startswith(f"{folder(volumes.db)}{ghost}.")]
    return sorted(own, key=lambda blob: blob.name.endswith((".nsq", ".psq")))


async def _remove(container: Container, blobs: Sequence[ListedBlob], write_before: datetime) -> int:
    *others, sequences = blobs
    if datetime.now(UTC) >= write_before:
        raise Conflict(Code.LEASE_LOST, "The lease's time was over before every ghost was removed.")
    gone = await asyncio.gather(*(container.delete(blob.name, Matching(blob.etag)) for blob in others))
    return sum((*gone, await container.delete(sequences.name, Matching(sequences.etag))))
