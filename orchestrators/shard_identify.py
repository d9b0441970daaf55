"""The step of a shard run that gives files without an MD5 their MD5, in rounds of a few activities at once."""

from orchestrators.lease import HeldLease
from orchestrators.steps import Context, RunStatus, Steps, logger, run_all
from shared.errors import Problem
from shared.runs.operations import Progress
from shared.runs.shard.identifying import Identified, IdentifyFiles, IdentifySteering, first_problem
from shared.runs.shard.payloads import Inspection, ShardRun

_ROUNDS = 300
"""The bound on a run's history. 300 rounds of four lanes read some hundred terabytes."""


def is_to_identify(request: ShardRun, inspection: Inspection) -> bool:
    """Whether a run that has work to do first gives files their MD5.

    Not a run that keeps or restores a recorded layout: the record names the content by the present identities.
    """
    return request.identifying is not None and inspection.unidentified > 0 and not inspection.restored


def identify(
    ctx: Context, request: ShardRun, lease: HeldLease, status: RunStatus[Progress], inspection: Inspection
) -> Steps[Problem | None]:
    """Give the database's files without an MD5 their MD5; the lease is renewed after each round.

    Files that storage refuses to change stay as they are: that ends no run.

    Returns:
        Why some of them got none, if storage refused or failed.

    Raises:
        StepFailedError: another run took over.
        CanceledError: a user asked the run to stop.
    """
    steering = request.identifying or IdentifySteering()
    steering = steering.model_copy(update={"lanes": min(steering.lanes, inspection.file_count)})
    shown = Progress(phase="identifying", files_total=inspection.unidentified, bytes_total=inspection.unidentified_bytes)
    problems: list[Identified | Problem] = []

    def show(reply: Identified | Problem) -> None:
        nonlocal shown
        problems.append(reply)
        if isinstance(reply, Identified):
            done = {"files_done": shown.files_done + reply.files, "bytes_done": shown.bytes_done + reply.bytes}
            shown = shown.model_copy(update=done)
        status.show(shown)

    status.show(shown)
    passed = dict.fromkeys(range(steering.lanes), 0)
    for _ in range(_ROUNDS):
        requests = [
            IdentifyFiles(
                account=request.account,
                db=request.db,
                lane=lane,
                steering=steering,
                passed=before,
                write_before=lease.write_before,
            )
            for lane, before in passed.items()
        ]
        replies = yield from run_all(ctx, "identify_files", requests, Identified, request.retry, on_done=show)
        passed = {
            asked.lane: reply.passed
            for asked, reply in zip(requests, replies, strict=True)
            if isinstance(reply, Identified) and not reply.is_done
        }
        yield from lease.renew()
        if not passed:
            break
    logger(ctx, __name__).info(f"{shown.files_done} of {shown.files_total} files without an MD5 have one now.")
    return first_problem(problems)
