"""The steps of one prepare-db run: plan, record, copy in rounds, check, promote, clear, shard.

A round runs one activity for each lane, all at once. Rounds repeat until every lane has done its part. Progress counts what is
stored and verified, also by earlier runs.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from orchestrators.lease import CanceledError, HeldLease, now
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, call, pause, run, run_all, unexplained
from shared.errors import Code, Problem
from shared.runs.backoff import backoff
from shared.runs.operations import PreparePhase, PrepareProgress
from shared.runs.prepare.payloads import (
    CheckCopy,
    Checked,
    Cleared,
    ClearFiles,
    CopyFiles,
    CopyReceipt,
    MarkUpdate,
    PlanCopy,
    PlannedCopy,
    PrepareRun,
    Stage,
    Step,
)
from shared.runs.prepare.rounds import Round, add_up, advanced, lane_count, left_over, why_to_end
from shared.runs.shard.payloads import Written
from shared.runs.shard.result import ShardResult
from shared.sanitise import sanitised_line

_ROUNDS = 20
"""Rounds of one execution. Then a new execution begins, with a short history."""
_CLEARINGS = 100


class PrepareSteps:
    """One run's steps. `stage` is how far the run is; `is_marked` says that the metadata shows the update in progress."""

    def __init__(self, ctx: Context, request: PrepareRun, lease: HeldLease, status: RunStatus[PrepareProgress]) -> None:
        self._ctx = ctx
        self._request = request
        self._lease = lease
        self._status = status
        self.stage = request.stage
        self.is_marked = request.stage is not None

    def plan(self) -> Steps[Stage]:
        """Plan the update by comparing source and storage.

        Raises:
            StepFailedError: the step failed, here as in every step below.
        """
        self._status.show(PrepareProgress(phase="planning"))
        look = PlanCopy(account=self._request.account, db=self._request.db, source_version=self._request.source_version)
        planned = yield from run(self._ctx, "plan_copy", look, PlannedCopy, self._request.retry)
        if planned.stage is None:
            raise StepFailedError(planned.problem or unexplained(self._request.db))
        self.stage = planned.stage
        if planned.stage.epoch >= self._lease.epoch:
            yield from self._lease.rise_above(planned.stage.epoch)
        if planned.problem is not None:
            self.is_marked = True
            raise StepFailedError(planned.problem)
        return planned.stage

    def begin(self, stage: Stage) -> Steps[None]:
        """Record in the metadata that the update has begun, unless there is nothing to update."""
        self._lease.stop_if_canceled()
        if stage.step != "sharding":
            yield from self.record_step(stage.step, stage)
        if stage.step == "copying":
            self._lease.stop_if_canceled()

    def record_step(self, step: Step, stage: Stage, problem: Problem | None = None) -> Steps[None]:
        """Record in the metadata which step the update has reached."""
        request = MarkUpdate(
            account=self._request.account,
            db=self._request.db,
            run=self._request.run,
            epoch=self._lease.epoch,
            moment=now(self._ctx),
            step=step,
            stage=stage,
            problem=problem,
        )
        written = yield from run(self._ctx, "mark_update", request, Written, self._request.retry)
        if written.problem is not None:
            raise StepFailedError(written.problem)
        self.is_marked = step in {"copying", "promoting"}

    def go_through(self, activity: Literal["copy_files", "promote_files"], stage: Stage) -> Steps[tuple[Stage, bool]]:
        """Run rounds until every lane has done its part, at most 20 in one execution.

        A cancel ends copying between two rounds. Promotion ignores it and goes on to its end.

        Returns:
            The stage reached, and whether every lane is done.
        """
        phase: PreparePhase = "copying" if activity == "copy_files" else "promoting"
        # Lanes that promote count every file. Lanes that copy count only files that are not in place.
        kept = (stage.files_kept, stage.bytes_kept) if activity == "copy_files" else (0, 0)
        receipts: dict[int, CopyReceipt] = {}
        for _ in range(_ROUNDS):
            self._show(phase, stage, _sum(receipts, kept))
            before = _sum(receipts, kept) if receipts else None
            left = left_over(receipts, lane_count(stage, self._request.copying))
            yield from self._round(activity, stage, left, receipts)
            done = _sum(receipts, kept)
            stage = self.stage = advanced(stage, before, done, [receipts[lane] for lane in left], now(self._ctx))
            self._show(phase, stage, done)
            yield from self._renew(heeds_cancel=activity == "copy_files")
            if done.is_done:
                return stage.model_copy(update={"stuck": 0}), True
            problem = why_to_end(
                self._request.db, stage, done, self._request.copying, self._request.retry.attempts, now(self._ctx)
            )
            if problem is not None:
                raise StepFailedError(problem)
            if stage.stuck or done.failures or stage.pending_since is not None:
                yield from pause(self._ctx, self._pause_length(stage), self._lease.cancel if phase == "copying" else None)
        return stage, False

    def check(self, stage: Stage) -> Steps[None]:
        """Check that every file is staged, and that the source has not changed."""
        self._show("checking", stage, Round(files_done=stage.files_done, bytes_done=stage.bytes_done))
        request = CheckCopy(
            account=self._request.account, db=self._request.db, source_version=stage.source_version, digest=stage.digest
        )
        checked = yield from run(self._ctx, "check_copy", request, Checked, self._request.retry)
        if checked.problem is not None:
            raise StepFailedError(checked.problem)
        yield from self._renew(heeds_cancel=True)

    def clear(self, what: Literal["ghosts", "staging"], stage: Stage) -> Steps[int]:
        """Remove ghosts, or staged files. Returns how many blobs were removed."""
        removed = 0
        for _ in range(_CLEARINGS):
            request = ClearFiles(
                account=self._request.account,
                db=self._request.db,
                what=what,
                source_version=stage.source_version,
                digest=stage.digest,
                slice_seconds=self._request.copying.slice_seconds,
                write_before=self._lease.write_before,
            )
            cleared = yield from run(self._ctx, "clear_files", request, Cleared, self._request.retry)
            if cleared.problem is not None:
                raise StepFailedError(cleared.problem)
            removed += cleared.blobs
            if cleared.is_done:
                return removed
            yield from self._renew(heeds_cancel=False)
        message = f"More than {_CLEARINGS} rounds did not clear '{self._request.db}' of {what}."
        raise StepFailedError(Problem(code=Code.INTERNAL_ERROR, message=message, target=self._request.db))

    def shard(self, stage: Stage) -> Steps[ShardResult | None]:
        """Shard the new generation in a child run under this run's own lease; None when the child was cancelled.

        The child frees the lease at its end, so this run may write nothing after it.
        """
        self._show("sharding", stage, Round(files_done=stage.files_total, bytes_done=stage.bytes_total))
        given = self._request.shard
        presets = tuple(sorted({*given.presets, *stage.shard_sets}))
        child = given.model_copy(update={"run": self._request.run, "number": self._request.number, "presets": presets})
        ended = yield from call(self._ctx, "shard", child, f"{self._request.run}-shard", ShardResult)
        if isinstance(ended, Problem):
            message = sanitised_line(f"The database is in place, but sharding it failed: {ended.message}")
            raise StepFailedError(ended.model_copy(update={"message": message, "target": self._request.db}))
        return ended if ended.outcome != "canceled" else None

    def _round(self, activity: str, stage: Stage, lanes: Sequence[int], receipts: dict[int, CopyReceipt]) -> Steps[None]:
        requests = [
            CopyFiles(
                account=self._request.account,
                db=self._request.db,
                source_version=stage.source_version,
                digest=stage.digest,
                lane=lane,
                steering=self._request.copying.model_copy(update={"lanes": lane_count(stage, self._request.copying)}),
                write_before=self._lease.write_before,
            )
            for lane in lanes
        ]
        outcomes = yield from run_all(self._ctx, activity, requests, CopyReceipt, self._request.retry, on_done=lambda _: None)
        for lane, outcome in zip(lanes, outcomes, strict=True):
            if isinstance(outcome, Problem):
                nothing = {"bytes_copied": 0, "bytes_verified": 0, "pending": 0}
                known = receipts.get(lane, CopyReceipt(lane=lane))
                receipts[lane] = known.model_copy(update={"failed": 1, "failures": (outcome,), **nothing})
            else:
                receipts[lane] = outcome
        problem = next((receipts[lane].problem for lane in lanes if receipts[lane].problem is not None), None)
        if problem is not None:
            done = add_up(receipts.values())
            self.stage = stage.model_copy(update={"files_done": done.files_done, "bytes_done": done.bytes_done})
            raise StepFailedError(problem)

    def _renew(self, *, heeds_cancel: bool) -> Steps[None]:
        try:
            yield from self._lease.renew()
        except CanceledError:
            if heeds_cancel:
                raise

    def _pause_length(self, stage: Stage) -> timedelta:
        retry = self._request.retry
        if stage.pending_since is not None:
            return timedelta(seconds=retry.longest_seconds)
        return backoff(max(0, stage.stuck - 1), retry.first_seconds, retry.longest_seconds, retry.factor)

    def _show(self, phase: PreparePhase, stage: Stage, done: Round) -> None:
        self._status.show(
            PrepareProgress(
                phase=phase,
                source_version=stage.source_version,
                files_total=stage.files_total,
                files_done=done.files_done,
                files_failed=done.failed,
                bytes_total=stage.bytes_total,
                bytes_done=done.bytes_done,
            )
        )


def _sum(receipts: dict[int, CopyReceipt], kept: tuple[int, int]) -> Round:
    return add_up(receipts.values(), files_kept=kept[0], bytes_kept=kept[1])
