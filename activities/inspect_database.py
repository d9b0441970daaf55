"""Look at a database: everything that decides what a run has to do, in one round trip where nothing is missing."""

from collections.abc import Sequence
from datetime import UTC, datetime

from shared import telemetry
from shared.blastdb.layout import split
from shared.blastdb.statistics import Statistics
from shared.clients import Clients
from shared.errors import Code, Conflict, ShardwarmError, TransientFailure, Unusable
from shared.runs import restore
from shared.runs.abandoned import is_copy_given_up, is_sharding_given_up
from shared.runs.metadata import ShardFields
from shared.runs.restore import LayoutRecord
from shared.runs.shard import Inspect, Inspected, Inspection, SetPlan
from shared.runs.updates import is_whole
from shared.sanitise import sanitised_line
from shared.storage.inspection import Seen, see
from shared.storage.layouts import is_orphan, last_change, plan_set, read_sets

_LOG = telemetry.logger(__name__)


async def inspect_database(request: Inspect, clients: Clients) -> Inspected:
    """Compare what a database is with what its layouts and metadata say.

    Reads only. Refuses, as the reply's problem, whatever could lose a sequence.

    Raises:
        TransientFailure: storage was busy, or the database was changing under the look; a retry helps.
    """
    try:
        return Inspected(inspection=await _inspect(request, clients))
    except TransientFailure:
        raise
    except ShardwarmError as error:
        _LOG.warning(f"Refused: {error.problem.message}")
        return Inspected(problem=error.problem, refused=error.listing if isinstance(error, Unusable) else None)


async def _inspect(request: Inspect, clients: Clients) -> Inspection:
    container = clients.accounts.container(request.account)
    seen = await see(container, clients.control, request.db, request.presets, request.molecule)
    refuse_unfinished_work(request.db, seen.known)
    record = _record(request, seen)
    fixed = record.layouts if record else {}
    more = await read_sets(container, request.db, set(fixed) - set(seen.stored))
    return _compare(request, seen._replace(stored={**seen.stored, **more}), record)


def _compare(request: Inspect, seen: Seen, record: LayoutRecord | None) -> Inspection:
    inventory, volumes = seen.inventory, seen.inventory.volumes
    fixed = record.layouts if record else {}
    statistics = record.statistics if record else seen.statistics
    legacy_alias = record.legacy_alias if record else request.legacy_alias
    in_aliases = None if legacy_alias else statistics
    sets: list[SetPlan] = []
    for count in sorted(fixed if request.restore else seen.stored):
        if count <= volumes.count:
            layout = fixed.get(count) or split(inventory.volume_bytes, count)
            sets.append(plan_set(volumes, layout, in_aliases, seen.stored[count].md5_by_name, force=request.force))
    planned = tuple(plan.shard_count for plan in sets)
    if not planned:
        message = f"'{request.db}' has {volumes.count} volumes, fewer than the smallest shard count asked for. Ask for 1."
        raise Unusable(Code.NO_PRESET_FITS, message, target="presets")
    orphan = is_orphan(volumes, planned)
    return Inspection(
        volumes=volumes,
        generation=seen.generation,
        statistics=statistics,
        total_bytes=inventory.total_bytes,
        file_count=len(inventory.files),
        sets=tuple(sets),
        skipped=tuple(sorted(count for count in request.presets if count > volumes.count)),
        orphans=tuple(count for count, stored in sorted(seen.stored.items()) if any(map(orphan, stored.md5_by_name))),
        metadata_etag=seen.control.etag,
        epoch=seen.known.shard_epoch,
        marked=seen.known.sharding_in_progress,
        current=_is_current(seen, planned, statistics) and (request.restore is None or record == _pin(seen)),
        last_change=last_change(seen.stored.values()),
        restored=record is not None,
        legacy_alias=legacy_alias,
        restored_version=_restored_version(request, record, seen),
    )


def _record(request: Inspect, seen: Seen) -> LayoutRecord | None:
    """The layout that is to be there by a record, and not by what would be made of these volumes today."""
    if request.restore is None:
        return None if request.force else _pin(seen)
    record = restore.wanted(request.db, seen.control.document, request.restore)
    restore.refuse_other_volumes(record, seen.inventory.files)
    return record


def _pin(seen: Seen) -> LayoutRecord | None:
    return restore.pinned(seen.control.document, seen.generation.digest)


def _restored_version(request: Inspect, record: LayoutRecord | None, seen: Seen) -> str | None:
    version = record.generation.source_version if record and request.restore else None
    return version if version != seen.generation.source_version else None


def _is_current(seen: Seen, planned: Sequence[int], statistics: Statistics | None) -> bool:
    known = seen.known
    return (
        known.sharded
        and known.shard_generation == seen.generation.digest
        and known.shard_source_version == seen.generation.source_version
        and known.shard_sets == tuple(planned)
        and known.statistics == (statistics.source if statistics else "absent")
        and known.total_letters == (statistics.letters if statistics else None)
        and known.total_sequences == (statistics.sequences if statistics else None)
        and known.total_bytes == seen.inventory.total_bytes
        and known.file_count == len(seen.inventory.files)
        and known.sharding_error is None
    )


def refuse_unfinished_work(db: str, known: ShardFields) -> None:
    """Refuse a database that something else is at work on, by its metadata.

    Raises:
        Conflict: it is being copied, its copy did not finish, or the replaced system is sharding it.
    """
    _refuse_unfinished_copy(db, known)
    _refuse_foreign_run(db, known)


def _refuse_unfinished_copy(db: str, known: ShardFields) -> None:
    if is_whole(known) or is_copy_given_up(known, datetime.now(UTC)):
        return
    shown = sanitised_line(str((known.copy_status or {}).get("phase") or ""), 40) or "updating"
    message = f"'{db}' is being copied or its copy did not finish ({shown}). Finish it with prepare-db, then shard."
    raise Conflict(Code.DATABASE_NOT_READY, message, target=db)


def _refuse_foreign_run(db: str, known: ShardFields) -> None:
    started = known.sharding_started_at
    if not known.is_marked_by_another or is_sharding_given_up(known, datetime.now(UTC)):
        return
    message = (
        f"Something else than this app is sharding '{db}' since {sanitised_line(str(started), 40)}. Wait until it has ended."
    )
    raise Conflict(Code.DATABASE_NOT_READY, message, target=db)
