"""Corrections to metadata that is no longer true: functions from document to document, as in `metadata`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from shared.runs.database.metadata import Document, ShardFields, fields
from shared.runs.database.staleness import is_copy_given_up, is_sharding_given_up

_UNFINISHED_COPIES = frozenset({"queued", "copying"})


class DatabaseFacts(NamedTuple):
    """What is known of a database from outside its metadata.

    `owner_ended`: the run of this app that set the mark has ended. `gone`: nothing of the database is left. `marked_at` is the
    time that the mark showed when this was found out: a mark with another time belongs to another run.
    """

    marked_at: str | None = None
    owner_ended: bool = False
    gone: bool = False


class Correction(NamedTuple):
    """A corrected document, and its changes in words; no changes when everything was true."""

    document: Document
    changes: tuple[str, ...]


def corrected(db: str, document: Mapping[str, Any], facts: DatabaseFacts, now: datetime) -> Correction:
    """Correct the claims that are no longer true. The epoch of this app's runs stays, so that it still fences off a late writer.

    Raises:
        Unusable: the document cannot be read.
    """
    known = fields(db, document)
    changed: Document = {}
    changes: list[str] = []
    if is_mark_abandoned(known, facts, now):
        changed["sharding_in_progress"] = False
        changes.append(f"the mark of a sharding that began at {known.sharding_started_at}")
    if is_copy_given_up(known, now):
        changed |= {"update_in_progress": False, "update_failed_at": now.isoformat(timespec="seconds")}
        changed["update_error"] = "The program that copied the database has stopped. Prepare the database again."
        changes.append(f"the mark of a copy that began at {known.update_started_at}")
        if (known.copy_status or {}).get("phase") in _UNFINISHED_COPIES:
            changed["copy_status"] = {**(known.copy_status or {}), "phase": "partial", "reconciled": True}
    if facts.gone and (known.sharded or known.shard_sets):
        changed |= {"sharded": False, "shard_sets": []}
        changes.append(f"the shard sets {', '.join(map(str, known.shard_sets))} of a database that is not there")
    return Correction({**document, **changed}, tuple(changes))


def is_mark_abandoned(known: ShardFields, facts: DatabaseFacts, now: datetime) -> bool:
    """Whether the run that marked the database as being sharded will never remove its mark.

    For this app's own marks, a run that has ended is proof. A run that the engine does not know proves nothing until the time
    limit has passed: it may belong to another task hub.
    """
    if not known.sharding_in_progress or known.sharding_started_at != facts.marked_at:
        return False
    is_ours = not known.is_marked_by_another
    return (is_ours and facts.owner_ended) or is_sharding_given_up(known, now)
