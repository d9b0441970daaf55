"""Rounds of copying: the sum over all lanes, progress between rounds, and when the run gives up."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from shared.errors import Code, Problem
from shared.runs.payload import Payload
from shared.runs.prepare.payloads import CopyReceipt, CopySteering, Stage
from shared.sanitise import sanitised_line

_DETAILS = 5
_DETAIL_LENGTH = 120


class Round(Payload):
    """All lanes together. `failures` are some of the `failed`; `pending` counts the files that storage is still copying."""

    is_done: bool = False
    files_done: int = 0
    bytes_done: int = 0
    failed: int = 0
    failures: tuple[Problem, ...] = ()
    pending: int = 0


def lane_count(stage: Stage, steering: CopySteering) -> int:
    """The number of lanes: as many as the settings allow, but never more than there are blocks to copy."""
    return max(1, min(steering.lanes, stage.files_total + stage.bytes_total // steering.block_bytes))


def add_up(receipts: Iterable[CopyReceipt], *, files_kept: int = 0, bytes_kept: int = 0) -> Round:
    """The sum over all lanes, plus the files that are already in place and therefore in no lane."""
    every = tuple(receipts)
    failures = tuple(failure for receipt in every for failure in receipt.failures)
    return Round(
        is_done=bool(every) and all(receipt.is_done for receipt in every),
        files_done=files_kept + sum(receipt.files_done for receipt in every),
        bytes_done=bytes_kept + sum(receipt.bytes_done for receipt in every),
        failed=sum(receipt.failed for receipt in every),
        failures=failures[:_DETAILS],
        pending=sum(receipt.pending for receipt in every),
    )


def left_over(receipts: Mapping[int, CopyReceipt], lanes: int) -> list[int]:
    """The lanes that still have work: all of them once a file failed.

    A file that arrived with other content was removed, so every lane that has a piece of it must stage that piece again.
    """
    has_failed = any(receipt.failed for receipt in receipts.values())
    return [lane for lane in range(lanes) if has_failed or lane not in receipts or not receipts[lane].is_done]


def advanced(stage: Stage, before: Round | None, done: Round, receipts: Iterable[CopyReceipt], moment: datetime) -> Stage:
    """The state of the run after a round with these receipts.

    `before` is None in the first round of an execution: it has nothing to compare with and never counts as stuck. A round with
    `pending` copies does not count as stuck either, because `pending_seconds` bounds those.
    """
    every = tuple(receipts)
    moved = before is not None and (done.bytes_done > before.bytes_done or done.files_done > before.files_done)
    is_new = moved or done.is_done or before is None or any(receipt.bytes_verified for receipt in every)
    return stage.model_copy(
        update={
            "files_done": done.files_done,
            "bytes_done": done.bytes_done,
            "bytes_copied": stage.bytes_copied + sum(receipt.bytes_copied for receipt in every),
            "stuck": 0 if is_new or done.pending else stage.stuck + 1,
            "pending_since": None if moved or not done.pending else stage.pending_since or moment,
        }
    )


def why_to_end(db: str, stage: Stage, done: Round, steering: CopySteering, attempts: int, moment: datetime) -> Problem | None:
    """The problem that ends a run without progress; None while the run should continue."""
    since = stage.pending_since
    if since is not None and moment - since >= timedelta(seconds=steering.pending_seconds):
        message = (
            f"Storage has been copying {done.pending} files of '{db}' into place since {since.isoformat(timespec='seconds')} and "
            "has completed none of them. Start again: the new run continues from there, without NCBI."
        )
        return Problem(code=Code.STORAGE_UNAVAILABLE, message=message, target=db)
    return given_up(db, done) if stage.stuck >= attempts else None


def given_up(db: str, done: Round) -> Problem:
    """The problem of a run whose last rounds made no progress; short enough for a custom status."""
    code = done.failures[0].code if done.failures else Code.SOURCE_UNAVAILABLE
    reason = sanitised_line(done.failures[0].message, _DETAIL_LENGTH) if done.failures else "no copy ended in time."
    details = tuple(
        Problem(code=failure.code, message=sanitised_line(failure.message, _DETAIL_LENGTH), target=failure.target)
        for failure in done.failures
    )
    message = (
        f"The run repeatedly failed to copy {done.failed} files of '{db}': {reason} Start again later: the new run keeps the "
        "files already copied."
    )
    return Problem(code=code, message=message, target=db, details=details)
