"""What the lanes of one round of copies add up to, and when it is time to give up."""

from collections.abc import Iterable

from shared.errors import Code, Problem
from shared.runs.prepare import CopyReceipt, CopySteering, Stage
from shared.runs.shard import Wire
from shared.sanitise import sanitised_line

_DETAILS = 5
_DETAIL_LENGTH = 120


class Round(Wire):
    """All lanes together. `failures` are some of those `failed`."""

    is_done: bool = False
    files_done: int = 0
    bytes_done: int = 0
    failed: int = 0
    failures: tuple[Problem, ...] = ()


def lane_count(stage: Stage, steering: CopySteering) -> int:
    """As many lanes as the settings allow; never more than there are blocks to copy."""
    return max(1, min(steering.lanes, stage.files_total + stage.bytes_total // steering.block_bytes))


def add_up(receipts: Iterable[CopyReceipt], *, files_kept: int = 0, bytes_kept: int = 0) -> Round:
    """The sums over all lanes, and what no lane has to do because it is in place."""
    every = tuple(receipts)
    failures = tuple(failure for receipt in every for failure in receipt.failures)
    return Round(
        is_done=bool(every) and all(receipt.is_done for receipt in every),
        files_done=files_kept + sum(receipt.files_done for receipt in every),
        bytes_done=bytes_kept + sum(receipt.bytes_done for receipt in every),
        failed=sum(receipt.failed for receipt in every),
        failures=failures[:_DETAILS],
    )


def given_up(db: str, done: Round) -> Problem:
    """The problem of a run whose last rounds achieved nothing; short enough for a custom status."""
    code = done.failures[0].code if done.failures else Code.SOURCE_UNAVAILABLE
    reason = sanitised_line(done.failures[0].message, _DETAIL_LENGTH) if done.failures else "no copy ended in its time."
    details = tuple(
        Problem(code=failure.code, message=sanitised_line(failure.message, _DETAIL_LENGTH), target=failure.target)
        for failure in done.failures
    )
    message = (
        f"{done.failed} files of '{db}' could not be copied however often it was tried: {reason} Start again later; what is "
        "copied is kept."
    )
    return Problem(code=code, message=message, target=db, details=details)
