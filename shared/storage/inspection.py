"""A database and its layouts as they are in storage, read together: one round trip where nothing is out of the ordinary."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from shared.blastdb.blobs import files_prefix, statistics_file
from shared.blastdb.completeness import PAPERS_LIMIT_BYTES
from shared.blastdb.generations import Generation, digest_of
from shared.blastdb.listings import ListedBlob, listed_files
from shared.blastdb.obstacles import refuse_obstructed
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import Inventory, Molecule
from shared.errors import Unusable
from shared.runs.database import layout_history, metadata
from shared.runs.database.metadata import ShardFields
from shared.runs.database.state import DatabaseState, is_judged, recorded_statistics
from shared.storage.container import Container, Content
from shared.storage.control import ControlBlobs
from shared.storage.evidence import counted_by, heads_of, judged, taken, told_by, totals_of
from shared.storage.layouts import read_sets
from shared.storage.obstructed import told_by_listing


async def read_state(
    container: Container,
    control_blobs: ControlBlobs,
    db: str,
    shard_counts: Iterable[int],
    molecule: Molecule | None = None,
    *,
    restore: str | None = None,
    in_full: bool = False,
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
        in_full: whether to judge the papers even of a generation that a run judged before it published.

    Raises:
        NotFound, Unusable: as `take_inventory` and `judged`; unreadable metadata.
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
        inventory = await taken(container, db, listing)
        known = metadata.fields(db, control.document)
        generation = Generation(source_version=known.source_version, digest=digest_of(inventory.files))
        judged_before = known if not in_full and is_judged(known, generation) else None
        statistics = await _statistics(container, inventory, listing, files, judged_before)
    except Unusable as error:
        error.listing = digest_of(listed_files(db, listing))
        raise
    asked = set(known.shard_sets) | layout_history.shard_counts_of(control.document, restore)
    recorded = layout_history.shard_counts_of(control.document)
    more = await read_sets(container, db, (asked | recorded) - set(stored))
    found = {count: one for count, one in more.items() if count in asked or one.blobs}
    refuse_obstructed(db, *(one.blobs.values() for one in (*stored.values(), *found.values())))
    return DatabaseState(control.document, control.etag, known, inventory, generation, statistics, {**stored, **found})


async def _read_statistics_files(container: Container, db: str, hint: Molecule | None) -> dict[str, Content]:
    molecules: tuple[Molecule, ...] = (hint,) if hint else ("nucl", "prot")
    names = [statistics_file(db, molecule) for molecule in molecules]
    contents = await asyncio.gather(*(container.read(name, limit_bytes=PAPERS_LIMIT_BYTES) for name in names))
    return {name: content for name, content in zip(names, contents, strict=True) if content is not None}


async def _statistics(
    container: Container,
    inventory: Inventory,
    listing: Sequence[ListedBlob],
    read: Mapping[str, Content],
    known: ShardFields | None,
) -> Statistics | None:
    """The database's totals, once its own papers have let it pass. `known` is given when a run has judged these files before."""
    etags = {blob.name: blob.etag for blob in listing}
    if known is None:
        return totals_of(await judged(container, inventory, etags, read, at_once=True))
    told = told_by(inventory.volumes, etags, read)
    if told is not None:
        return told
    recorded = recorded_statistics(known) if known.statistics == "index" else None
    return recorded or counted_by(inventory.volumes.molecule, await heads_of(container, inventory, etags))
