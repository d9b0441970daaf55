"""A prepare-db run: the orchestrator `prepare`.

1. Acquire the database's lease.
2. Plan: compare NCBI's snapshot with what is in place, and write the update into the metadata.
3. Copy every file beside the old generation, in rounds, each verified.
4. Check that all is staged, and that the source is what it was.
5. Promote: put every file in place. From here on the run goes to its end; a dead run is continued by the next one.
6. Clear: remove ghosts, then what was staged.
7. Shard the new generation in a child run under the same lease.
8. Record a failed or cancelled run in the metadata; a cancelled one also removes what it staged.
9. Release the lease.

After 20 rounds of step 3 or 5 the run goes on in a new execution, with the lease still held.
"""

from typing import Any, Literal

from orchestrators.lease import Again, HeldLease, run_holding
from orchestrators.notify import have_posted
from orchestrators.prepare_steps import PrepareSteps
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, logger
from shared.errors import Code, Problem
from shared.runs.operations import PrepareProgress
from shared.runs.prepare.payloads import PrepareRun, Stage
from shared.runs.prepare.result import PrepareResult


def prepare(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Bring one database to one of NCBI's snapshots; the input is a `PrepareRun`, the output a `PrepareResult`.

    Nothing of the old generation changes until step 5. Ends as Failed, with the problem in the custom status, when anything
    went wrong. The lease is free on every path.
    """
    request = PrepareRun.model_validate(payload)
    if request.stage is None:
        have_posted(ctx, request.callback, request.retry)
    status = RunStatus(ctx, PrepareProgress(phase="acquiring") if request.stage is None else _shown(request.stage))
    return (yield from run_holding(ctx, request.claim, lambda lease: _Preparing(ctx, request, lease, status), status.failed))


class _Preparing:
    """One execution of a prepare-db run with the lease in hand."""

    def __init__(self, ctx: Context, request: PrepareRun, lease: HeldLease, status: RunStatus[PrepareProgress]) -> None:
        self._request = request
        self._status = status
        self._steps = PrepareSteps(ctx, request, lease, status)
        self._log = logger(ctx, __name__)

    def body(self) -> Steps[PrepareResult | Again | Problem]:
        """Steps 2 to 7, from the stage that an earlier execution reached."""
        steps, stage = self._steps, self._steps.stage
        if stage is None:
            stage = yield from steps.plan()
            yield from steps.begin(stage)
        if stage.step == "copying":
            stage, is_done = yield from steps.go_through("copy_files", stage)
            if not is_done:
                return self._again(stage)
            yield from steps.check(stage)
            stage = stage.model_copy(update={"step": "promoting"})
            yield from steps.record_step("promoting", stage)
        outcome: Literal["prepared", "unchanged"] = "unchanged"
        ghosts = 0
        if stage.step == "promoting":
            stage, is_done = yield from steps.go_through("promote_files", stage)
            if not is_done:
                return self._again(stage)
            ghosts = yield from steps.clear("ghosts", stage)
            yield from steps.record_step("promoted", stage)
            outcome = "prepared"
        # This also removes what a run staged that died after its generation was in place.
        yield from steps.clear("staging", stage)
        sharded = yield from steps.shard(stage)
        self._status.show(_shown(stage).model_copy(update={"phase": "done" if sharded else "canceled"}))
        return PrepareResult(
            outcome=outcome if sharded else "canceled",
            db=self._request.db,
            source_version=stage.source_version,
            files=stage.files_total,
            bytes_total=stage.bytes_total,
            bytes_copied=stage.bytes_copied,
            ghosts_removed=ghosts,
            warnings=sharded.warnings if sharded else (),
        )

    def record(self, end: PrepareResult | Again | Problem | None) -> Steps[PrepareResult | Again | Problem]:
        """Record a failed or cancelled update in the metadata. What a failed run has staged serves the next one."""
        if isinstance(end, PrepareResult):
            self._log.info(f"Ended: {end.outcome}, {end.bytes_copied} bytes copied.")
        if isinstance(end, PrepareResult | Again):
            return end
        if end is None:
            self._status.show(PrepareProgress(phase="canceled"))
        if end is None or end.code is not Code.LEASE_LOST:
            yield from self._leave(end)
        return end or PrepareResult(outcome="canceled", db=self._request.db)

    def _leave(self, problem: Problem | None) -> Steps[None]:
        steps, stage = self._steps, self._steps.stage
        if stage is None or not steps.is_marked:
            return
        try:
            yield from steps.record_step("canceled" if problem is None else "failed", stage, problem)
            if problem is None:
                yield from steps.clear("staging", stage)
        except StepFailedError as error:
            # What ended the run matters more, and the next run repeats both.
            self._log.warning(f"The run could not record its end: {error.problem.message}")

    def _again(self, stage: Stage) -> Again:
        return Again(self._request.model_copy(update={"stage": stage}))


def _shown(stage: Stage) -> PrepareProgress:
    return PrepareProgress(
        phase="promoting" if stage.step == "promoting" else "copying",
        source_version=stage.source_version,
        files_total=stage.files_total,
        files_done=stage.files_done,
        bytes_total=stage.bytes_total,
        bytes_done=stage.bytes_done,
    )
