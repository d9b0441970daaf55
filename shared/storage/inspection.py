"""A database and its layouts as they are in storage, read together: one round trip where nothing is out of the ordinary."""

import asyncio
from collections.abc import Iterable, Mapping

from shared.blastdb.blobs import files_prefix, statistics_file
from shared.blastdb.evidence import Evidence
from shared.blastdb.generations import Generation, digest_of
from shared.blastdb.listings import inventory_of, listed_files
from shared.blastdb.obstacles import refuse_obstructed
from shared.blastdb.papers import refuse_disagreement
from shared.blastdb.statistics import StatisticsFile, parse_statistics_file
from shared.blastdb.volumes import Molecule, VolumeSet
from shared.errors import Code, TransientFailure, Unusable
from shared.runs.database import layout_history, metadata
from shared.runs.database.state import DatabaseState, recorded_statistics
from shared.storage.container import Container, Content
from shared.storage.control import ControlBlobs
from shared.storage.evidence import count_by_heads, explained, read_alias
from shared.storage.layouts import read_sets
from shared.storage.obstructed import told_by_listing

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
        NotFound, Unusable: as `take_inventory`; an alias or statistics file that is damaged, names or counts other volumes, or
            limits the database; unreadable metadata.
        TransientFailure: storage was busy, or the database was changing during the reading.
    """
    control, listing, files, stored = await asyncio.gather(
        told_by_listing(container, db, control_blobs.read(container, db)),
        container.list(files_prefix(db)),
        told_by_listing(container, db, _read_statistics_files(container, db, molecule)),
        read_sets(container, db, shard_counts),
    )
    refuse_obstructed(db, listing)
    try:
        inventory = inventory_of(db, listing)
        known = metadata.fields(db, control.document)
        generation = Generation(source_version=known.source_version, digest=digest_of(inventory.files))
        etags = {blob.name: blob.etag for blob in listing}
        told = _told(inventory.volumes, files, etags)
        alias = await read_alias(container, inventory, etags)
        refuse_disagreement(Evidence(inventory.volumes, alias, statistics=told))
        statistics = told.statistics() if told else None
        if statistics is None:
            is_counted = known.shard_generation == generation.digest and known.statistics == "index"
            counted = recorded_statistics(known) if is_counted else None
            statistics = counted or await count_by_heads(container, inventory, etags)
    except Unusable as error:
        own = listed_files(db, listing)
        explanation = await explained(container, db, own, error)
        explanation.listing = digest_of(own)
        raise explanation from None
    asked = set(known.shard_sets) | layout_history.shard_counts_of(control.document, restore)
    recorded = layout_history.shard_counts_of(control.document)
    more = await read_sets(container, db, (asked | recorded) - set(stored))
    found = {count: one for count, one in more.items() if count in asked or one.blobs}
    refuse_obstructed(db, *(one.blobs.values() for one in (*stored.values(), *found.values())))
    return DatabaseState(control.document, control.etag, known, inventory, generation, statistics, {**stored, **found})


async def _read_statistics_files(container: Container, db: str, hint: Molecule | None) -> dict[str, Content]:
    molecules: tuple[Molecule, ...] = (hint,) if hint else ("nucl", "prot")
    names = [statistics_file(db, molecule) for molecule in molecules]
    contents = await asyncio.gather(*(container.read(name, limit_bytes=_STATISTICS_LIMIT_BYTES) for name in names))
    return {name: content for name, content in zip(names, contents, strict=True) if content is not None}


def _told(volumes: VolumeSet, files: Mapping[str, Content], etags: Mapping[str, str]) -> StatisticsFile | None:
    name = statistics_file(volumes.db, volumes.molecule)
    content = files.get(name)
    if (content.etag if content else None) != etags.get(name):
        message = f"'{name}' changed while '{volumes.db}' was being read."
        raise TransientFailure(Code.DATABASE_CHANGED, message, target=name)
    return parse_statistics_file(volumes.db, content.data) if content else None
