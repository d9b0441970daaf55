"""What a database's metadata claims and is not so, taken back: functions from document to document, as in `metadata`."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from shared.runs.database.metadata import Document, ShardFields, fields
from shared.runs.database.staleness import is_copy_given_up, is_sharding_given_up

_UNFINISHED_COPIES = frozenset({"queued", "copying"})


class Evidence(NamedTuple):
    """What is known of a database besides its metadata.

    `owner_ended`: the run that set our mark has ended. `gone`: nothing of the database is left. `marked_at` is the time that
    stood in the mark when that was found out: a mark of another time is another's.
    """

    marked_at: str | None = None
    owner_ended: bool = False
    gone: bool = False


class Correction(NamedTuple):
    """A corrected document, and what was corrected, in words; nothing when all was well."""

    document: Document
    changes: tuple[str, ...]


def corrected(db: str, document: Mapping[str, Any], verdict: Evidence, now: datetime) -> Correction:
    """Take back what is not so. Our own runs' epoch stays: who comes late is still fenced off.

    Raises:
        Unusable: the document cannot be read.
    """
    known = fields(db, document)
    changed: Document = {}
    changes: list[str] = []
    if is_mark_abandoned(known, verdict, now):
        changed["sharding_in_progress"] = False
        changes.append(f"the mark of a sharding that began at {known.sharding_started_at}")
    if is_copy_given_up(known, now):
        changed |= {"update_in_progress": False, "update_failed_at": now.isoformat(timespec="seconds")}
        changed["update_error"] = "The copy was abandoned. Prepare the database again."
        changes.append(f"the mark of a copy that began at {known.update_started_at}")
        if (known.copy_status or {}).get("phase") in _UNFINISHED_COPIES:
            changed["copy_status"] = {**(known.copy_status or {}), "phase": "partial", "reconciled": True}
    if verdict.gone and (known.sharded or known.shard_sets):
        changed |= {"sharded": False, "shard_sets": []}
        changes.append(f"the shard sets {', '.join(map(str, known.shard_sets))} of a database that is not there")
    return Correction({**document, **changed}, tuple(changes))


def is_mark_abandoned(known: ShardFields, verdict: Evidence, now: datetime) -> bool:
    """Whether whoever said that it is sharding will never take it back.

    Of our own marks a run that has ended is proof, and one that the engine does not know only with time: it may be another
    task hub's.
    """
    if not known.sharding_in_progress or known.sharding_started_at != verdict.marked_at:
        return False
    is_ours = not known.is_marked_by_another
    return (is_ours and verdict.owner_ended) or is_sharding_given_up(known, now)
