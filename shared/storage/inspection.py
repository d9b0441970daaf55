"""A database and its layouts as they are in storage, read together: one round trip where nothing is out of the ordinary."""

import asyncio
from collections.abc import Iterable, Mapping

from shared.blastdb.blobs import files_prefix, folder, statistics_file
from shared.blastdb.generations import Generation, digest_of
from shared.blastdb.listings import inventory_of, listed_files
from shared.blastdb.statistics import (
    INDEX_HEAD_BYTES,
    Statistics,
    StatisticsFile,
    add_up,
    parse_index_head,
    parse_statistics_file,
)
from shared.blastdb.volumes import INDEX_EXTENSION, Molecule, VolumeSet, refuse_other_count
from shared.errors import Code, TransientFailure, Unusable
from shared.runs.database import layout_history, metadata
from shared.runs.database.metadata import ShardFields
from shared.runs.database.state import DatabaseState
from shared.storage.container import Container, Content
from shared.storage.control import ControlBlobs
from shared.storage.layouts import read_sets

_STATISTICS_LIMIT_BYTES = 4 * 1024 * 1024


async def read_state(
    container: Container,
    control_blobs: ControlBlobs,
    db: str,
    shard_counts: Iterable[int],
    molecule: Molecule | None = None,
    *,
    restore: str | None = None,
) -> DatabaseState:
    """Read a database, these shard sets, and those that its metadata lists or records.

    Sets that were not asked for are read too: they must not go stale behind the back of their users. What a refusal or an
    unfinished promotion took off the list is still recorded, and counts as long as there are blobs of it.

    Args:
        container: where.
        control_blobs: remembers what it reads, for the run's next step.
        db: which.
        shard_counts: which sets to read in any case.
        molecule: spares one read when it is known which of `.njs` and `.pjs` there can be.
        restore: digest of a replaced generation whose recorded sets are read too.

    Raises:
        NotFound, Unusable: as `take_inventory`; a statistics file that is damaged or counts other volumes; unreadable metadata.
        TransientFailure: storage was busy, or the database was changing during the reading.
    """
    control, listing, files, stored = await asyncio.gather(
        control_blobs.read(container, db),
        container.list(files_prefix(db)),
        _read_statistics_files(container, db, molecule),
        read_sets(container, db, shard_counts),
    )
    try:
        inventory = inventory_of(db, listing)
        known = metadata.fields(db, control.document)
        generation = Generation(source_version=known.source_version, digest=digest_of(inventory.files))
        etags = {blob.name: blob.etag for blob in listing}
        statistics = await _statistics(container, inventory.volumes, _told(inventory.volumes, files, etags), known, generation)
    except Unusable as error:
        error.listing = digest_of(listed_files(db, listing))
        raise
    asked = set(known.shard_sets) | layout_history.shard_counts_of(control.document, restore)
    recorded = layout_history.shard_counts_of(control.document)
    more = await read_sets(container, db, (asked | recorded) - set(stored))
    found = {count: one for count, one in more.items() if count in asked or one.blobs}
    return DatabaseState(control.document, control.etag, known, inventory, generation, statistics, {**stored, **found})


async def _read_statistics_files(container: Container, db: str, hint: Molecule | None) -> dict[str, Content]:
    molecules: tuple[Molecule, ...] = (hint,) if hint else ("nucl", "prot")
    names = [statistics_file(db, molecule) for molecule in molecules]
    contents = await asyncio.gather(*(container.read(name, limit_bytes=_STATISTICS_LIMIT_BYTES) for name in names))
    return {name: content for name, content in zip(names, contents, strict=True) if content is not None}


async def _statistics(
    container: Container, volumes: VolumeSet, told: StatisticsFile | None, known: ShardFields, generation: Generation
) -> Statistics | None:
    if told is not None:
        if told.volumes is not None:
            refuse_other_count(volumes, told.volumes)
        if (statistics := told.statistics()) is not None:
            return statistics
    if known.shard_generation == generation.digest and known.statistics == "index":
        letters, sequences = known.total_letters, known.total_sequences
        if letters and sequences:
            return Statistics(sequences=sequences, letters=letters, source="index")
    return await _count(container, volumes)


def _told(volumes: VolumeSet, files: Mapping[str, Content], etags: Mapping[str, str]) -> StatisticsFile | None:
    name = statistics_file(volumes.db, volumes.molecule)
    content = files.get(name)
    if (content.etag if content else None) != etags.get(name):
        message = f"'{name}' changed while '{volumes.db}' was being read."
        raise TransientFailure(Code.DATABASE_CHANGED, message, target=name)
    return parse_statistics_file(volumes.db, content.data) if content else None


async def _count(container: Container, volumes: VolumeSet) -> Statistics | None:
    extension = INDEX_EXTENSION[volumes.molecule]
    names = [f"{folder(volumes.db)}{volume}.{extension}" for volume in volumes.names(0, volumes.count)]
    heads = await asyncio.gather(*(container.read(name, limit_bytes=INDEX_HEAD_BYTES) for name in names))
    return add_up(parse_index_head(head.data, volumes.molecule) if head else None for head in heads)
