"""The outcome of a shard run, from the outcomes of its uploads: progress, the problem of a partial run, the result."""

from collections.abc import Iterable, Mapping
from typing import Literal

from shared.blastdb.exactness import inexact
from shared.errors import Code, Problem
from shared.runs.operations import Phase, Progress
from shared.runs.shard.identifying import unidentified
from shared.runs.shard.payloads import Inspection, SetReceipt
from shared.runs.shard.result import ShardResult
from shared.sanitise import sanitised_line

_DETAILS = 8
_DETAIL_LENGTH = 120

type SetOutcome = SetReceipt | Problem
"""The outcome of one shard set's upload."""


def flat(outcome: SetOutcome) -> SetOutcome:
    """The outcome with a receipt's problem in place of the receipt, so that every failure has one type."""
    return outcome.problem if isinstance(outcome, SetReceipt) and outcome.problem is not None else outcome


def partial(uploads: Mapping[int, SetOutcome]) -> Problem | None:
    """The problem of a run in which some sets failed, by shard count; short enough for a custom status."""
    failures = {count: outcome for count, outcome in uploads.items() if isinstance(outcome, Problem)}
    if not failures:
        return None
    details = tuple(
        Problem(code=problem.code, message=sanitised_line(problem.message, _DETAIL_LENGTH), target=str(count))
        for count, problem in list(failures.items())[:_DETAILS]
    )
    counts = ", ".join(map(str, failures))
    codes = ", ".join(sorted({problem.code.value for problem in failures.values()}))
    message = f"The shard sets for N = {counts} failed ({codes}); the others are complete. Start again to repair them."
    return Problem(code=Code.PARTIAL_SHARD_SETS, message=message, details=details)


def progress(phase: Phase, inspection: Inspection, uploads: Iterable[SetOutcome]) -> Progress:
    """The progress of the uploads. A set that had nothing to write counts as done from the start."""
    ended = list(uploads)
    receipts = [outcome for outcome in ended if isinstance(outcome, SetReceipt)]
    return Progress(
        phase=phase,
        presets_total=len(inspection.sets),
        presets_done=len(receipts) + sum(1 for plan in inspection.sets if not plan.writes),
        presets_failed=len(ended) - len(receipts),
        blobs_total=inspection.writes,
        blobs_done=sum(receipt.written for receipt in receipts),
    )


def result(
    inspection: Inspection,
    uploads: Iterable[SetOutcome],
    *,
    removed: int,
    outcome: Literal["sharded", "restored", "unchanged"],
    unstored: Problem | None = None,
) -> ShardResult:
    """The result of a run in which every set is complete. `unstored` is what kept the run from storing MD5s of files."""
    return ShardResult(
        outcome=outcome,
        db=inspection.volumes.db,
        volumes=inspection.volumes.count,
        shard_sets=tuple(plan.shard_count for plan in inspection.sets),
        skipped=inspection.skipped,
        blobs_written=sum(upload.written for upload in uploads if isinstance(upload, SetReceipt)),
        blobs_unchanged=sum(2 * plan.shard_count for plan in inspection.sets) - inspection.writes,
        orphans_removed=removed,
        statistics=inspection.statistics.source if inspection.statistics else "absent",
        generation=inspection.generation,
        warnings=warnings_of(inspection, unstored),
    )


def warnings_of(inspection: Inspection, unstored: Problem | None = None) -> tuple[str, ...]:
    """Why searches of the shard sets are not exact although the sets are what they must be, and how many files have no MD5."""
    db = inspection.volumes.db
    return (
        *inexact(db, has_totals=inspection.statistics is not None, form=inspection.alias_version),
        *unidentified(db, inspection.unidentified, unstored),
    )
