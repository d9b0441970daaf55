"""Metadata writes of a prepare-db run, as functions from document to document.

Fields are the replaced system's (contract 3.1, 3.2). This app adds `prepare_operation_id`, `prepare_started_at` (tells this app's
mark from the replaced system's), `promoting_source_version` (a promotion has begun and must be finished) and, in `copy_status`,
`untouched`: no unfinished copy has changed the files in place, if there are any.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.errors import Code, Conflict, Problem
from shared.runs.database.metadata import Document, ShardFields, fields
from shared.runs.database.staleness import COPY_GIVEN_UP_AFTER, READY_PHASES, is_longer_ago
from shared.runs.prepare.payloads import MarkUpdate
from shared.sanitise import sanitised_line

_OF_THE_OLD_GENERATION = (
    "total_letters",
    "total_sequences",
    "bytes_to_cache",
    "bytes_total",
    "shard_source_version",
    "shard_generation",
    "shard_volume_count",
    "shard_unlisted",
    "sharding_error",
    "shard_errors",
    "statistics",
    "effective_search_space",
    "db_effective_search_space",
)
_UNDER_WAY = ("updating_to_source_version", "updating_signature_etag")
_OUTCOMES = ("update_error", "update_failed_at", "failed_files")


def is_whole(known: ShardFields) -> bool:
    """Whether the files in place belong to one complete generation, as far as copies are recorded."""
    status = known.copy_status or {}
    if known.promoting_source_version is not None:
        return False
    if status.get("untouched") is True:
        return True
    return not known.update_in_progress and str(status.get("phase") or "") in READY_PHASES


def promotion_lost(db: str, version: str) -> Problem:
    """The problem of a promotion that has started and can never be finished."""
    message = (
        f"'{db}' is half in place: neither the app nor NCBI still has the other files of snapshot {version}. "
        "Prepare it with the newest snapshot."
    )
    return Problem(code=Code.PROMOTION_LOST, message=message, target=db)


def is_promotion_lost(known: ShardFields) -> bool:
    """Whether the last run recorded its promotion as lost."""
    reason = (known.copy_status or {}).get("reason")
    return known.promoting_source_version is not None and reason == Code.PROMOTION_LOST.value


def refuse_foreign_update(db: str, document: Mapping[str, Any], now: datetime) -> None:
    """Refuse a database that the replaced system is updating. After two hours that update counts as crashed, as it does there.

    Raises:
        Conflict: such an update is under way; a retry helps once it has ended.
    """
    started = document.get("update_started_at")
    if not document.get("update_in_progress") or document.get("prepare_started_at") == started:
        return
    if not is_longer_ago(COPY_GIVEN_UP_AFTER, started, now):
        shown = sanitised_line(str(started), 40)
        message = f"A program other than this app has been updating '{db}' since {shown}. Wait until it has ended."
        raise Conflict(Code.DATABASE_NOT_READY, message, target=db)


def marked(document: Mapping[str, Any], request: MarkUpdate) -> Document:
    """The document after one step of an update. Safe to repeat.

    Raises:
        Conflict: a run with a higher epoch has written, or this run has ended: a step's second delivery can come that late.
    """
    found = fields(request.db, document).shard_epoch
    if found > request.epoch:
        message = f"Another run (epoch {found}) took over '{request.db}' from this run (epoch {request.epoch})."
        raise Conflict(Code.LEASE_LOST, message, target=request.db)
    is_own = found == request.epoch and document.get("prepare_operation_id") == request.run
    if is_own and not document.get("update_in_progress") and request.step in {"copying", "promoting"}:
        raise Conflict(Code.OPERATION_ENDED, f"The update of '{request.db}' has already ended.", target=request.db)
    new = {
        **_without(document, *_OUTCOMES),
        "db_name": request.db,
        "shard_epoch": request.epoch,
        "prepare_operation_id": request.run,
    }
    match request.step:
        case "copying":
            return new | _begun(request)
        case "promoting":
            return _without(new, *_OF_THE_OLD_GENERATION) | _promoting(request)
        case "promoted":
            return _without(new, *_UNDER_WAY, "promoting_source_version") | _promoted(document, request)
        case "failed" | "canceled":
            return _without(new, *_UNDER_WAY) | _ended(request)


def _begun(request: MarkUpdate) -> Document:
    return {
        "update_in_progress": True,
        "update_started_at": _iso(request.moment),
        "prepare_started_at": _iso(request.moment),
        "updating_to_source_version": request.stage.source_version,
        "copy_status": _status(request, "copying", untouched=request.stage.is_intact),
    }


def _promoting(request: MarkUpdate) -> Document:
    # From here on the folder holds two generations, so the old one's shard sets must not be searched.
    return _begun(request) | {
        "promoting_source_version": request.stage.source_version,
        "sharded": False,
        "shard_sets": [],
        "copy_status": _status(request, "copying", untouched=False),
    }


def _promoted(document: Mapping[str, Any], request: MarkUpdate) -> Document:
    version, before = request.stage.source_version, document.get("source_version")
    old = {"previous_source_version": before, "updated_from_source_version": before} if before not in {None, version} else {}
    return {
        **old,
        "source_version": version,
        "source_signature": request.stage.digest,
        "downloaded_at": _iso(request.moment),
        "update_completed_at": _iso(request.moment),
        "update_in_progress": False,
        "file_count": request.stage.files_total,
        "total_bytes": request.stage.bytes_total,
        "copy_status": _status(request, "completed", untouched=False),
    }


def _ended(request: MarkUpdate) -> Document:
    is_canceled = request.step == "canceled"
    stage, problem = request.stage, request.problem
    untouched = stage.is_intact and stage.step == "copying"
    phase = "cancelled" if is_canceled else "partial" if stage.files_done or stage.step == "promoting" else "init_failed"
    error = {} if problem is None else {"update_error": sanitised_line(f"{problem.code.value}: {problem.message}")}
    files = [
        {"blob": detail.target, "status": "failed", "reason": detail.code.value}
        for detail in (problem.details if problem else ())
        if detail.target
    ]
    return {
        "update_in_progress": False,
        **error,
        **({"failed_files": files} if files else {}),
        **({} if is_canceled else {"update_failed_at": _iso(request.moment)}),
        "copy_status": _status(request, phase, untouched=untouched, problem=problem),
    }


def _status(request: MarkUpdate, phase: str, *, untouched: bool, problem: Problem | None = None) -> Document:
    stage = request.stage
    failed = len(problem.details) if problem else 0
    return {
        "phase": phase,
        "mode": "server-side",
        "total_files": stage.files_total,
        "success": stage.files_total if phase == "completed" else stage.files_done,
        "failed": failed,
        "pending": 0 if phase == "completed" else max(0, stage.files_total - stage.files_done - failed),
        "bytes_done": stage.bytes_total if phase == "completed" else stage.bytes_done,
        "bytes_total": stage.bytes_total,
        **({"reason": problem.code.value} if problem else {}),
        **({"untouched": True} if untouched else {}),
    }


def _without(document: Mapping[str, Any], *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
