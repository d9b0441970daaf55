"""Refusal of databases with unfinished work in their metadata: a copy that has not ended, or a run of the replaced system."""

from datetime import datetime

from shared.errors import Code, Conflict
from shared.runs.database.metadata import ShardFields
from shared.runs.database.staleness import is_copy_given_up, is_sharding_given_up
from shared.runs.database.updates import is_whole
from shared.sanitise import sanitised_line


def refuse_unfinished_work(db: str, known: ShardFields, now: datetime) -> None:
    """Refuse a database whose metadata shows unfinished work.

    Raises:
        Conflict: it is being copied, its copy did not finish, or the replaced system is sharding it. A retry helps afterwards.
    """
    _refuse_unfinished_copy(db, known, now)
    _refuse_foreign_run(db, known, now)


def _refuse_unfinished_copy(db: str, known: ShardFields, now: datetime) -> None:
    if is_whole(known) or is_copy_given_up(known, now):
        return
    shown = sanitised_line(str((known.copy_status or {}).get("phase") or ""), 40) or "updating"
    message = f"The copy of '{db}' has not finished ({shown}). Finish it with prepare-db, then shard."
    raise Conflict(Code.DATABASE_NOT_READY, message, target=db)


def _refuse_foreign_run(db: str, known: ShardFields, now: datetime) -> None:
    started = known.sharding_started_at
    if not known.is_marked_by_another or is_sharding_given_up(known, now):
        return
    message = (
        f"A program other than this app has been sharding '{db}' since {sanitised_line(str(started), 40)}. Wait for its end."
    )
    raise Conflict(Code.DATABASE_NOT_READY, message, target=db)
