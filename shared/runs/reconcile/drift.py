"""Drift of one database, detected from its part of a listing. Pure; nothing is read here."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from shared.blastdb.generations import Generation, digest_of
from shared.blastdb.listings import ListedBlob, listed_files
from shared.blastdb.obstacles import obstruction
from shared.blastdb.volumes import Inventory, take_inventory
from shared.errors import Code, NotFound, Unusable
from shared.runs.database.layout_history import LayoutRecord
from shared.runs.database.layouts import StoredSet, is_orphan
from shared.runs.database.legacy import is_legacy, legacy_layouts
from shared.runs.database.metadata import ShardFields
from shared.runs.database.staleness import is_copy_given_up, is_sharding_given_up
from shared.runs.database.state import Expected, expected, metadata_findings, recorded_statistics
from shared.runs.database.updates import is_promotion_lost, is_whole
from shared.runs.reconcile.payloads import Drifted, Terms
from shared.runs.reconcile.reasons import DriftReason

_NOT_RECORDED = frozenset({Code.ALIAS_ONLY, Code.NO_VOLUMES})
"""A shard run that is refused for these writes nothing to the metadata, so it cannot correct the metadata either."""


class Stored(NamedTuple):
    """One database's part of a listing.

    `known` is None without metadata; `is_described` says that it came from the blob's headers. `record` is the restored layout,
    if there is one; it is the expected layout while it belongs to the present generation.
    """

    db: str
    files: Sequence[ListedBlob]
    layouts: Sequence[ListedBlob]
    known: ShardFields | None
    described_at: datetime | None
    is_described: bool
    record: LayoutRecord | None = None


def judge(stored: Stored, terms: Terms, now: datetime) -> Drifted | None:
    """Find the drift of a database and the repairs that are allowed; None when it is current or being worked on."""
    db, known = stored.db, stored.known or ShardFields()
    if known.sharding_in_progress:
        # Only the engine knows whether the run behind this app's own mark lives; for another's mark only the clock can tell.
        if known.is_marked_by_another and not is_sharding_given_up(known, now):
            return None
        return _after_correction(stored, terms, now, "mark", f"marked as being sharded since {known.sharding_started_at}")
    if known.promoting_source_version is not None:
        return _half_in_place(stored, known, terms, now)
    if is_copy_given_up(known, now):
        return _after_correction(stored, terms, now, "copy", f"marked as being copied since {known.update_started_at}")
    if known.update_in_progress:
        return None
    if not is_whole(known):
        phase = str((known.copy_status or {}).get("phase") or "")
        return Drifted(db=db, reason="refused", detail=f"{Code.DATABASE_NOT_READY.value}: its copy is {phase}")
    return _unless_uploading(stored, known, terms, now)


def _after_correction(stored: Stored, terms: Terms, now: datetime, reason: Literal["mark", "copy"], detail: str) -> Drifted:
    """Drift whose first repair corrects the metadata; the other repairs are chosen as if that were already done."""
    known = stored.known or ShardFields()
    cleared = {"mark": "sharding_in_progress", "copy": "update_in_progress"}[reason]
    without = stored._replace(known=known.model_copy(update={cleared: False}), is_described=True)
    after = judge(without, terms, now)
    more = after.model_dump(include={"shard", "molecule", "presets"}) if after is not None else {}
    return Drifted(db=stored.db, reason=reason, detail=detail, correct=True, **more)


def _half_in_place(stored: Stored, known: ShardFields, terms: Terms, now: datetime) -> Drifted:
    """The drift of a started promotion: the folder holds two generations.

    Only the engine knows whether a run is finishing it. A failed promotion is not repeated at once. A lost one is never repeated:
    a person has to ask for a snapshot that NCBI still has.
    """
    version = known.promoting_source_version
    if is_promotion_lost(known):
        return Drifted(db=stored.db, reason="promotion", detail=f"part of {version} is lost: prepare-db with the newest snapshot")
    if not known.update_in_progress and _is_fresh(stored, terms, now):
        return Drifted(db=stored.db, reason="failed", detail=f"{version} is half in place, and the last run did not finish it")
    return Drifted(
        db=stored.db,
        reason="promotion",
        detail=f"{version} is half in place",
        correct=True,
        prepare=True,
        source_version=version,
        presets=terms.presets,
    )


def _is_fresh(stored: Stored, terms: Terms, now: datetime) -> bool:
    """Whether the last run wrote the metadata too recently to be repeated."""
    return stored.described_at is not None and now - stored.described_at < timedelta(seconds=terms.again_seconds)


def _unless_uploading(stored: Stored, known: ShardFields, terms: Terms, now: datetime) -> Drifted | None:
    """The drift of a database that nothing is writing; None while its files are young or being copied."""
    db = stored.db
    files = listed_files(db, stored.files)
    if _is_arriving(stored, terms, now):
        return None
    obstructed = obstruction(db, (*stored.files, *stored.layouts))
    if obstructed is not None:
        # A person has to change how the files are kept; until then every run would be refused.
        return Drifted(db=db, reason="refused", detail=obstructed.message)
    try:
        inventory = take_inventory(db, files)
    except NotFound as error:
        return _gone(stored, known, error)
    except Unusable as error:
        return _refused(db, known, error, digest_of(files), stored)
    if known.shard_refused is not None and known.shard_refused == digest_of(files):
        return _refused_before(stored, known, terms)
    if not terms.renew_legacy and _is_whole_legacy(stored, known, inventory):
        detail = "the replaced system's sets, without totals; shard it to renew them"
        return _headers_missing(stored) or Drifted(db=db, reason="legacy", detail=detail)
    return _compared(stored, known, inventory, terms, now)


def _compared(stored: Stored, known: ShardFields, inventory: Inventory, terms: Terms, now: datetime) -> Drifted | None:
    """The drift of a complete database, by what its metadata and its layouts must be."""
    db = stored.db
    found = _drift_of(stored, known, inventory, terms)
    if found is None:
        return _headers_missing(stored)
    reason, detail = found
    presets = terms.presets
    if reason in {"missing", "damaged", "orphans"} and not known.sharding_error:
        presets = known.shard_sets
    if not any(count <= inventory.volumes.count for count in presets):
        return Drifted(db=db, reason="refused", detail=f"{Code.NO_PRESET_FITS.value}: {inventory.volumes.count} volumes")
    if known.sharding_error and _is_fresh(stored, terms, now):
        return Drifted(db=db, reason="failed", detail=known.sharding_error)
    return Drifted(db=db, reason=reason, detail=detail, shard=True, molecule=inventory.volumes.molecule, presets=presets)


def _is_arriving(stored: Stored, terms: Terms, now: datetime) -> bool:
    youngest = max((blob.modified for blob in stored.files), default=None)
    is_young = youngest is not None and now - youngest < timedelta(seconds=terms.quiet_seconds)
    return is_young or any(blob.copying for blob in stored.files)


def _is_whole_legacy(stored: Stored, known: ShardFields, inventory: Inventory) -> bool:
    sets = {count: StoredSet(stored.db, count, stored.layouts) for count in known.shard_sets} if is_legacy(known) else {}
    return bool(legacy_layouts(known, inventory.volumes, sets))


def _refused_before(stored: Stored, known: ShardFields, terms: Terms) -> Drifted:
    """The drift of a database that a run refused and that has not changed since: another run would be refused, too."""
    reported = Drifted(db=stored.db, reason="refused", detail=known.sharding_error or "")
    if terms.prune_ghosts and reported.detail.startswith(Code.GHOST_VOLUMES.value):
        return reported.model_copy(
            update={"prune": True, "refused": known.shard_refused, "shard": True, "presets": terms.presets}
        )
    return _headers_missing(stored) or reported


def _drift_of(stored: Stored, known: ShardFields, inventory: Inventory, terms: Terms) -> tuple[DriftReason, str] | None:
    if stored.known is None or (known.shard_generation is None and not known.sharded):
        return "never", f"{inventory.volumes.count} volumes"
    generation = Generation(source_version=known.source_version, digest=digest_of(inventory.files))
    statistics = recorded_statistics(known)
    target = expected(inventory, statistics, known.shard_sets, legacy_alias=terms.legacy_alias, record=stored.record)
    findings = metadata_findings(known, generation, target)
    if findings:
        first = findings[0]
        return ("stale" if first.fault == "generation" else "metadata"), f"{first.target} {first.message}"
    return _layouts(stored, target)


def _layouts(stored: Stored, target: Expected) -> tuple[DriftReason, str] | None:
    sets = {count: StoredSet(stored.db, count, stored.layouts) for count in target.shard_counts}
    for plan in target.differences(sets):
        if len(plan.absent):
            return "missing", f"{len(plan.absent)} blobs of N = {plan.shard_count}"
        if len(plan.differing):
            return "damaged", f"{len(plan.differing)} blobs of N = {plan.shard_count}"
    orphan = is_orphan(target.volumes, target.shard_counts)
    strays = [name for one in sets.values() for name in one.blobs if orphan(name)]
    return ("orphans", strays[0]) if strays else None


def _gone(stored: Stored, known: ShardFields, error: NotFound) -> Drifted | None:
    if not stored.layouts and not known.sharded and stored.known is None:
        return None
    if known.sharded:
        return Drifted(db=stored.db, reason="gone", detail=error.problem.message, correct=True)
    return Drifted(db=stored.db, reason="gone", detail=error.problem.message)


def _refused(db: str, known: ShardFields, error: Unusable, digest: str, stored: Stored) -> Drifted | None:
    code = error.problem.code
    if stored.known is None and code in _NOT_RECORDED:
        # Any folder of other files looks like this, and no metadata ever called it a database.
        return None
    if known.sharded and code in _NOT_RECORDED:
        return Drifted(db=db, reason="gone", detail=error.problem.message, correct=True)
    if known.sharded and known.shard_refused != digest:
        # A shard run will be refused, too; it then records the reason in the metadata and removes the sets.
        return Drifted(db=db, reason="metadata", detail=error.problem.message, shard=True, presets=known.shard_sets or (1,))
    return _headers_missing(stored) or Drifted(db=db, reason="refused", detail=error.problem.message)


def _headers_missing(stored: Stored) -> Drifted | None:
    if stored.is_described:
        return None
    return Drifted(db=stored.db, reason="headers", detail="another program wrote its metadata", correct=True)
