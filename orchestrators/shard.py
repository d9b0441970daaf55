"""A shard run: the orchestrators `shard` and `restore`.

1. Acquire the database's lease.
2. Inspect the database: list it once, and plan what each shard set needs. End here when nothing differs.
3. Give files without an MD5 their MD5, and inspect the database again, when there are such files.
4. Mark the run as in progress in the metadata.
5. Upload every shard set that lacks something, all at once; renew the lease.
6. Commit the metadata, which publishes the result. Go back to step 2 when the database changed meanwhile.
7. Remove the blobs of shard sets that no longer exist.
8. Record a failed or cancelled run in the metadata.
9. Release the lease.
"""

from typing import Any

from orchestrators.lease import HeldLease, run_holding
from orchestrators.notify import have_posted
from orchestrators.shard_identify import identify, is_to_identify
from orchestrators.shard_writes import ShardWrites
from orchestrators.steps import Context, RunStatus, StepFailedError, Steps, logger, run, unexplained
from shared.errors import Code, Problem
from shared.runs.operations import Progress
from shared.runs.shard.outcome import partial, progress, result
from shared.runs.shard.payloads import Inspect, Inspected, Inspection, ShardRun
from shared.runs.shard.result import ShardResult

_LOOKS = 3
"""How often a run inspects a database that changes meanwhile."""

_NOT_RECORDED = frozenset(
    {
        Code.DATABASE_NOT_FOUND,
        Code.CONTAINER_NOT_FOUND,
        Code.ALIAS_ONLY,
        Code.NO_VOLUMES,
        Code.DATABASE_NOT_READY,
        Code.LEASE_LOST,
        Code.PREVIOUS_LAYOUT_NOT_FOUND,
        Code.VOLUMES_DIFFER,
    }
)
"""Refusals that the metadata does not record: there is no database, or another run answers for it."""


def shard(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Shard one database; the input is a `ShardRun`, the output a `ShardResult`.

    Ends as Failed, with the problem in the custom status, when anything went wrong. The lease is free on every path.
    """
    request = ShardRun.model_validate(payload)
    have_posted(ctx, request.callback, request.retry)
    status = RunStatus(ctx, Progress(phase="acquiring"))
    return (yield from run_holding(ctx, request.claim, lambda lease: _Sharding(ctx, request, lease, status), status.failed))


def restore(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Restore the layout of an earlier generation; the input is a `ShardRun` that names it, the output a `ShardResult`.

    An orchestration of its own name, so that users see what it does. Refused when the volumes are not those of the layout.
    """
    return (yield from shard(ctx, payload))


class _Sharding:
    """One shard run with the lease in hand."""

    def __init__(self, ctx: Context, request: ShardRun, lease: HeldLease, status: RunStatus[Progress]) -> None:
        self._ctx = ctx
        self._request = request
        self._lease = lease
        self._status = status
        self._writes = ShardWrites(ctx, request, lease, status)
        self._unstored: Problem | None = None
        self._log = logger(ctx, __name__)

    def body(self) -> Steps[ShardResult | Problem]:
        """Steps 2 to 7; from the start again when the database changed meanwhile."""
        request, lease, writes, status = self._request, self._lease, self._writes, self._status
        self._log.info(f"Sharding '{request.db}' in '{request.account}', epoch {lease.epoch}.")
        for _ in range(_LOOKS):
            inspection = yield from self._look()
            if inspection.is_done:
                status.show(Progress(phase="done"))
                return result(inspection, (), removed=0, outcome="unchanged", unstored=self._unstored)
            yield from writes.mark(inspection)
            lease.stop_if_canceled()
            uploads = yield from writes.upload(inspection)
            yield from lease.renew()
            problem = partial(uploads)
            if not (yield from writes.commit(inspection, uploads, problem)):
                continue
            removed = yield from writes.remove_orphans(inspection)
            status.show(progress("done", inspection, uploads.values()))
            outcome = "restored" if request.restore else "sharded"
            return problem or result(inspection, uploads.values(), removed=removed, outcome=outcome, unstored=self._unstored)
        message = f"'{request.db}' kept changing while the run sharded it. Start again when its upload is complete."
        raise StepFailedError(Problem(code=Code.DATABASE_CHANGED, message=message, target=request.db))

    def record(self, end: ShardResult | Problem | None) -> Steps[ShardResult | Problem]:
        """Record a failed or cancelled run in the metadata, where the metadata would otherwise say something else."""
        if isinstance(end, ShardResult):
            self._log.info(f"Ended: {end.outcome}, {end.blobs_written} blobs written.")
            return end
        if end is None:
            self._status.show(Progress(phase="canceled"))
        if self._is_recorded(end):
            try:
                yield from self._writes.record_failure(end)
            except StepFailedError as error:
                # What ended the run matters more, and a mark left behind blocks no other run.
                self._log.warning(f"The run could not record its end: {error.problem.message}")
        return end or ShardResult(outcome="canceled", db=self._request.db)

    def _is_recorded(self, problem: Problem | None) -> bool:
        if problem is None:
            return self._writes.is_marked
        if self._request.refusal is not None and problem.code is Code.NO_VOLUMES:
            # A settle waits for this upload, so there is a database to record the refusal of.
            return True
        # A run that lost its lease stays silent even if its mark still stands: its successor replaces the mark.
        return problem.code is not Code.LEASE_LOST and (self._writes.is_marked or problem.code not in _NOT_RECORDED)

    def _look(self) -> Steps[Inspection]:
        """Steps 2 and 3. Once storage has refused to store an MD5, the run does not try again."""
        self._status.show(Progress(phase="inspecting"))
        inspection = yield from self._inspect()
        if self._request.refusal is not None:
            raise StepFailedError(self._request.refusal)
        if inspection.is_done or self._unstored is not None or not is_to_identify(self._request, inspection):
            return inspection
        self._unstored = yield from identify(self._ctx, self._request, self._lease, self._status, inspection)
        self._status.show(Progress(phase="inspecting"))
        return (yield from self._inspect())

    def _inspect(self) -> Steps[Inspection]:
        request, writes = self._request, self._writes
        look = Inspect(
            account=request.account,
            db=request.db,
            presets=request.presets,
            # What this run has written itself need not be written again after another look.
            force=request.force and not writes.has_touched,
            legacy_alias=request.legacy_alias,
            molecule=request.molecule,
            restore=request.restore,
        )
        inspected = yield from run(self._ctx, "inspect_database", look, Inspected, request.retry)
        inspection = inspected.inspection
        if inspection is None:
            writes.refused = inspected.refused
            raise StepFailedError(inspected.problem or unexplained(request.db))
        if not writes.is_marked and inspection.epoch >= self._lease.epoch:
            yield from self._lease.rise_above(inspection.epoch)
        self._lease.stop_if_canceled()
        return inspection
