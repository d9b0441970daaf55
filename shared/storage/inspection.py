"""A database and its layouts as they are in storage, read together: one round trip where nothing is out of the ordinary."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from shared.blastdb.blobs import files_prefix, folder, statistics_file
from shared.blastdb.generations import Generation, digest_of
from shared.blastdb.statistics import (
    INDEX_HEAD_BYTES,
    Statistics,
    StatisticsFile,
    add_up,
    parse_index_head,
    parse_statistics_file,
)
from shared.blastdb.volumes import INDEX_EXTENSION, Inventory, ListedFile, Molecule, VolumeSet, refuse_other_count, take_inventory
from shared.errors import Code, TransientFailure, Unusable
from shared.runs import metadata, restore
from shared.runs.metadata import ShardFields
from shared.storage.container import Container, Content
from shared.storage.control import Control, ControlBlobs
from shared.storage.layouts import StoredSet, read_sets
from shared.storage.listing import ListedBlob

_STATISTICS_LIMIT_BYTES = 4 * 1024 * 1024


class Seen(NamedTuple):
    """What was there: the control blob, what a run reads in it, the database, and its stored sets by shard count."""

    control: Control
    known: ShardFields
    inventory: Inventory
    generation: Generation
    statistics: Statistics | None
    stored: Mapping[int, StoredSet]


async def see(
    container: Container, control_blobs: ControlBlobs, db: str, shard_counts: Iterable[int], molecule: Molecule | None
) -> Seen:
    """Look at a database, at these shard sets, and at those that its metadata lists or records besides.

    Sets that were not asked for are looked at too: they must not go stale behind the back of their users. What a refusal or an
    unfinished promotion took off the list is still recorded, and counts as long as there are blobs of it.

    Args:
        container: where.
        control_blobs: remembers what it reads, for the run's next step.
        db: which.
        shard_counts: which sets to look at in any case.
        molecule: spares one read when it is known which of `.njs` and `.pjs` there can be.

    Raises:
        NotFound, Unusable: as `take_inventory`; a statistics file that is damaged or counts other volumes; unreadable metadata.
        TransientFailure: storage was busy, or the database was changing under the look.
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
        error.listing = digest_of(files_of(db, listing))
        raise
    recorded = {count for record in restore.present(control.document) for count in record.layouts}
    more = await read_sets(container, db, ({*known.shard_sets} | recorded) - set(stored))
    wanted = {count: found for count, found in more.items() if count in known.shard_sets or found.blobs}
    return Seen(control, known, inventory, generation, statistics, {**stored, **wanted})


def inventory_of(db: str, listing: Iterable[ListedBlob]) -> Inventory:
    """The inventory of a database's folder; what lies in folders below it is staging and not the database.

    Raises:
        NotFound, Unusable: as `take_inventory`.
    """
    return take_inventory(db, files_of(db, listing))


def files_of(db: str, listing: Iterable[ListedBlob]) -> list[ListedFile]:
    """The files in a listing that are the database's own, whether or not they make a database."""
    files = (blob.as_file(folder(db)) for blob in listing if blob.name.startswith(files_prefix(db)))
    return [file for file in files if "/" not in file.leaf]


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
