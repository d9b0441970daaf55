"""The writes of one shard run, as steps: mark, upload, commit, remove orphans, record a failure.

Notes what has been written so far, so that the run can record its end truthfully.
"""

from collections.abc import Mapping
from typing import Any

from orchestrators.lease import HeldLease, now
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, run, run_all
from shared.errors import Code, Problem
from shared.runs.operations import Progress
from shared.runs.shard.legacy import LegacySets
from shared.runs.shard.outcome import SetOutcome, flat, progress
from shared.runs.shard.payloads import (
    CommitMetadata,
    Inspection,
    MarkStarted,
    RecordFailure,
    Removed,
    RemoveOrphans,
    SetReceipt,
    ShardRun,
    UploadSet,
    Written,
)

_REFUSALS = frozenset(
    {
        Code.VOLUME_GAP,
        Code.GHOST_VOLUMES,
        Code.VOLUMES_MISSING,
        Code.TOO_MANY_VOLUMES,
        Code.MIXED_MOLECULE_TYPES,
        Code.MIXED_VOLUME_NAMES,
        Code.MISSING_DATABASE_FILE,
        Code.NO_PRESET_FITS,
        Code.UPLOAD_INCOMPLETE,
        Code.PAPERS_DISAGREE,
        Code.UNREADABLE_PAPERS,
        Code.LIMITED_BY_ALIAS,
        Code.VERSION_FOUR,
    }
)
"""Refusals which mean that the database is not the one that its published shard sets were made for."""


class ShardWrites:
    """One run's writes. `is_marked` says that the metadata shows the run in progress."""

    def __init__(self, ctx: Context, request: ShardRun, lease: HeldLease, status: RunStatus[Progress]) -> None:
        self._ctx = ctx
        self._request = request
        self._lease = lease
        self._status = status
        self._etag: str | None = None
        self._touched: tuple[int, ...] = ()
        self._unlisted: tuple[int, ...] = ()
        self.is_marked = False
        self.refused: str | None = None
        """The digest of the refused listing, once a listing was refused."""

    @property
    def has_touched(self) -> bool:
        """Whether this run has written blobs that no commit has published yet."""
        return bool(self._touched)

    def mark(self, inspection: Inspection) -> Steps[None]:
        """Mark the run as in progress in the metadata.

        Raises:
            StepFailedError: the step failed, here as in every step below.
        """
        request = MarkStarted(
            **self._fenced(),
            started=now(self._ctx),
            if_match=inspection.metadata_etag,
            unlisted=inspection.unlisted,
            legacy=_legacy_sets(inspection),
        )
        self._unlisted = tuple(sorted({*self._unlisted, *inspection.unlisted}))
        self._etag = yield from self._metadata("mark_started", request)
        self.is_marked = True

    def upload(self, inspection: Inspection) -> Steps[dict[int, SetOutcome]]:
        """Upload every shard set that lacks something, all at once. Returns what became of each, by shard count."""
        plans = [plan for plan in inspection.sets if plan.writes]
        self._touched = tuple(sorted({*self._touched, *(plan.shard_count for plan in plans)}))
        ended: list[SetOutcome] = []

        def show_end_of(outcome: SetOutcome) -> None:
            ended.append(flat(outcome))
            self._status.show(progress("uploading", inspection, ended))

        self._status.show(progress("uploading", inspection, ended))
        requests = [
            UploadSet(
                **self._place(),
                plan=plan,
                volumes=inspection.volumes,
                statistics=None if self._legacy_alias(inspection) else inspection.statistics,
                alias_version=inspection.alias_version,
                last_change=inspection.last_change,
                write_before=self._lease.write_before,
            )
            for plan in plans
        ]
        outcomes = yield from run_all(
            self._ctx, "upload_shard_set", requests, SetReceipt, self._request.retry, on_done=show_end_of
        )
        return {plan.shard_count: flat(outcome) for plan, outcome in zip(plans, outcomes, strict=True)}

    def commit(self, inspection: Inspection, uploads: Mapping[int, SetOutcome], problem: Problem | None) -> Steps[bool]:
        """Commit the metadata, which publishes the result; False when the database changed meanwhile and nothing was written."""
        self._status.show(progress("committing", inspection, uploads.values()))
        good = [plan.layout for plan in inspection.sets if not isinstance(uploads.get(plan.shard_count), Problem)]
        request = CommitMetadata(
            **self._fenced(),
            finished=now(self._ctx),
            generation=inspection.generation,
            volumes=inspection.volumes,
            statistics=inspection.statistics,
            total_bytes=inspection.total_bytes,
            file_count=inspection.file_count,
            good_sets=tuple(layout.shard_count for layout in good),
            problem=problem,
            etag=self._etag,
            layouts=tuple(good),
            restored=inspection.restored,
            legacy_alias=self._legacy_alias(inspection),
            alias_version=inspection.alias_version,
            restored_version=inspection.restored_version,
        )
        try:
            self._etag = yield from self._metadata("commit_metadata", request)
        except StepFailedError as error:
            if error.problem.code is Code.DATABASE_CHANGED:
                return False
            raise
        self.is_marked, self._touched, self._unlisted = False, (), ()
        return True

    def remove_orphans(self, inspection: Inspection) -> Steps[int]:
        """Remove blobs of shard sets that no longer exist. Returns how many blobs were removed."""
        if not inspection.orphans:
            return 0
        self._status.show(Progress(phase="cleaning"))
        request = RemoveOrphans(
            **self._place(),
            volumes=inspection.volumes,
            shard_counts=inspection.orphans,
            kept=tuple(plan.shard_count for plan in inspection.sets),
            write_before=self._lease.write_before,
        )
        removed = yield from run(self._ctx, "remove_orphans", request, Removed, self._request.retry)
        if removed.problem is not None:
            raise StepFailedError(removed.problem)
        return removed.blobs

    def record_failure(self, problem: Problem | None) -> Steps[None]:
        """Record in the metadata that the run ended without a result. No problem means that it was cancelled."""
        database_refused = problem is not None and problem.code in _REFUSALS
        request = RecordFailure(
            **self._fenced(),
            damaged_sets=self._touched,
            relisted=tuple(count for count in self._unlisted if count not in self._touched),
            database_refused=database_refused,
            refused=self.refused,
            problem=problem,
        )
        yield from self._metadata("record_failure", request)

    def _legacy_alias(self, inspection: Inspection) -> bool:
        return inspection.legacy_alias if inspection.restored else self._request.legacy_alias

    def _place(self) -> dict[str, Any]:
        return {"account": self._request.account, "db": self._request.db}

    def _fenced(self) -> dict[str, Any]:
        return {**self._place(), "run": self._request.run, "epoch": self._lease.epoch}

    def _metadata(self, activity: str, request: MarkStarted | CommitMetadata | RecordFailure) -> Steps[str | None]:
        written = yield from run(self._ctx, activity, request, Written, self._request.retry)
        if written.problem is not None:
            raise StepFailedError(written.problem)
        return written.etag


def _legacy_sets(inspection: Inspection) -> LegacySets | None:
    if not inspection.legacy:
        return None
    return LegacySets(
        generation=inspection.generation,
        volumes=inspection.volumes,
        statistics=inspection.statistics,
        layouts=inspection.legacy,
    )
