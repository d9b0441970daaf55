"""Look at a database: everything that decides what a run has to do, in one round trip where nothing is missing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from shared import telemetry
from shared.blastdb.layout import split
from shared.clients import Clients
from shared.errors import Code, Conflict, ShardwarmError, TransientFailure, Unusable
from shared.runs.shard import Inspect, Inspected, Inspection, SetPlan
from shared.sanitise import sanitised_line
from shared.storage.inspection import Seen, see
from shared.storage.layouts import is_orphan, last_change, plan_set

_READY = frozenset({"", "completed"})
"""Copy phases of a whole database; none is recorded where nothing was copied. A phase of tomorrow counts as unfinished."""
_COPY_GIVEN_UP_AFTER = timedelta(hours=2)
_FOREIGN_RUN_GIVEN_UP_AFTER = timedelta(minutes=30)
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
        return Inspected(problem=error.problem)


async def _inspect(request: Inspect, clients: Clients) -> Inspection:
    container = clients.accounts.container(request.account)
    seen = await see(container, clients.control, request.db, request.presets, request.molecule)
    _refuse_unfinished_copy(request.db, seen)
    _refuse_foreign_run(request.db, seen)
    return _compare(request, seen)


def _compare(request: Inspect, seen: Seen) -> Inspection:
    inventory, volumes = seen.inventory, seen.inventory.volumes
    in_aliases = None if request.legacy_alias else seen.statistics
    sets: list[SetPlan] = []
    for count in sorted(seen.stored):
        if count <= volumes.count:
            layout = split(inventory.volume_bytes, count)
            sets.append(plan_set(volumes, layout, in_aliases, seen.stored[count].md5_by_name, force=request.force))
    planned = tuple(plan.shard_count for plan in sets)
    if not planned:
        message = f"'{request.db}' has {volumes.count} volumes, fewer than the smallest shard count asked for. Ask for 1."
        raise Unusable(Code.NO_PRESET_FITS, message, target="presets")
    orphan = is_orphan(volumes, planned)
    return Inspection(
        volumes=volumes,
        generation=seen.generation,
        statistics=seen.statistics,
        total_bytes=inventory.total_bytes,
        file_count=len(inventory.files),
        sets=tuple(sets),
        skipped=tuple(sorted(count for count in request.presets if count > volumes.count)),
        orphans=tuple(count for count, stored in sorted(seen.stored.items()) if any(map(orphan, stored.md5_by_name))),
        metadata_etag=seen.control.etag,
        epoch=seen.known.shard_epoch,
        marked=seen.known.sharding_in_progress,
        current=_is_current(seen, planned),
        last_change=last_change(seen.stored.values()),
    )


def _is_current(seen: Seen, planned: Sequence[int]) -> bool:
    known = seen.known
    return (
        known.sharded
        and known.shard_generation == seen.generation.digest
        and known.shard_source_version == seen.generation.source_version
        and known.shard_sets == tuple(planned)
        and known.statistics == (seen.statistics.source if seen.statistics else "absent")
        and known.total_bytes == seen.inventory.total_bytes
        and known.sharding_error is None
    )


def _refuse_unfinished_copy(db: str, seen: Seen) -> None:
    phase = str((seen.known.copy_status or {}).get("phase") or "")
    if not seen.known.update_in_progress and phase in _READY:
        return
    if seen.known.update_in_progress and _is_longer_ago(_COPY_GIVEN_UP_AFTER, seen.control.document.get("update_started_at")):
        return
    shown = sanitised_line(phase, 40) or "updating"
    message = f"'{db}' is being copied or its copy did not finish ({shown}). Finish it with prepare-db, then shard."
    raise Conflict(Code.DATABASE_NOT_READY, message, target=db)


def _refuse_foreign_run(db: str, seen: Seen) -> None:
    started = seen.known.sharding_started_at
    if not seen.known.is_marked_by_another or _is_longer_ago(_FOREIGN_RUN_GIVEN_UP_AFTER, started):
        return
    message = (
        f"Something else than this app is sharding '{db}' since {sanitised_line(str(started), 40)}. Wait until it has ended."
    )
    raise Conflict(Code.DATABASE_NOT_READY, message, target=db)


def _is_longer_ago(limit: timedelta, started: object) -> bool:
    # The replaced system's rules for its own markers: after two hours (copies) or half an hour (sharding), or with a time
    # that cannot be read, whoever set the marker has crashed.
    try:
        moment = datetime.fromisoformat(str(started))
    except ValueError:
        return True
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.now(UTC) - moment > limit
