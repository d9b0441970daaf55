"""The inspection of a database by a shard run: what the run has to write, remove and say, decided from what was read."""

from datetime import datetime

from shared.blastdb.alias import LEGACY_ALIAS
from shared.blastdb.listings import without_md5
from shared.errors import Code, Unusable
from shared.runs.database import layout_history
from shared.runs.database.layout_history import LayoutRecord
from shared.runs.database.layouts import is_orphan, last_change
from shared.runs.database.state import DatabaseState, expected, is_current
from shared.runs.database.unfinished import refuse_unfinished_work
from shared.runs.shard.payloads import Inspect, Inspection


def inspection_of(request: Inspect, state: DatabaseState, now: datetime) -> Inspection:
    """Compare what a database must be with what it is.

    Raises:
        Conflict: something else works on the database, or the volumes are not those of the layout to restore.
        NotFound: the layout to restore is not kept.
        Unusable: the database has fewer volumes than the smallest shard count asked for.
    """
    db, inventory, known = request.db, state.inventory, state.known
    refuse_unfinished_work(db, known, now)
    record = _record(request, state)
    counts = record.layouts if record and request.restore else state.stored
    target = expected(inventory, state.statistics, counts, legacy_alias=request.legacy_alias, record=record)
    planned = target.shard_counts
    if not planned:
        message = f"'{db}' has {inventory.volumes.count} volumes, fewer than the smallest shard count asked for. Ask for 1."
        raise Unusable(Code.NO_PRESET_FITS, message, target="presets")
    orphan = is_orphan(inventory.volumes, planned)
    says_so = is_current(known, state.generation, target)
    differences = target.differences(state.stored)
    unidentified = without_md5(inventory.files)
    return Inspection(
        volumes=inventory.volumes,
        generation=state.generation,
        statistics=target.statistics,
        total_bytes=inventory.total_bytes,
        file_count=len(inventory.files),
        sets=target.differences(state.stored, force=True) if request.force else differences,
        skipped=tuple(sorted(count for count in request.presets if count > inventory.volumes.count)),
        orphans=tuple(count for count, stored in sorted(state.stored.items()) if any(map(orphan, stored.md5_by_name))),
        metadata_etag=state.etag,
        epoch=known.shard_epoch,
        marked=known.sharding_in_progress,
        current=says_so and (request.restore is None or record == state.pinned),
        last_change=last_change(state.stored.values()),
        restored=record is not None,
        legacy_alias=target.alias_version == LEGACY_ALIAS,
        alias_version=target.alias_version,
        restored_version=_restored_version(request, record, state),
        unlisted=tuple(
            plan.shard_count for plan in differences if plan.differing.manifests and plan.shard_count in known.shard_sets
        ),
        legacy=state.legacy,
        unidentified=len(unidentified),
        unidentified_bytes=sum(file.size_bytes for file in unidentified),
    )


def _record(request: Inspect, state: DatabaseState) -> LayoutRecord | None:
    """The layout that a record prescribes, instead of the one that today's settings would make."""
    if request.restore is None:
        return None if request.force else state.pinned
    record = layout_history.wanted(request.db, state.document, request.restore)
    layout_history.refuse_other_volumes(record, state.inventory.files)
    return record


def _restored_version(request: Inspect, record: LayoutRecord | None, state: DatabaseState) -> str | None:
    version = record.generation.source_version if record and request.restore else None
    return version if version != state.generation.source_version else None
