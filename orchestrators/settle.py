"""Settling an upload: the orchestrator `settle`. It waits until an upload is quiet and complete, then shards the database.

1. Ask the upload entity what has arrived. End when another settle has taken over.
2. Sleep until nothing has arrived for the quiet time; go back to step 1.
3. Inspect the upload: end when no volume is there, or when its layouts are current.
4. Shard a complete database in a child run.
5. Wait for an incomplete one, longer and longer; go back to step 1. Once the time is over, record that in the metadata by a
   child run that does nothing else.
6. Tell the upload entity that the settle ends. Go back to step 1 if something has arrived since step 3.

The upload entity starts one settle at a time. The settle asks it, and is not told, so a flood of events costs the settle
nothing. After 20 rounds it goes on in a new execution.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from orchestrators.lease import now
from orchestrators.shard_child import HeldByAnother, LayoutsCurrent, bring_up_to_date, run_child
from orchestrators.steps import (
    Context,
    RunStatus,
    StepFailedError,
    Steps,
    ask,
    cancel_signal,
    logger,
    pause,
    run,
    start_again,
    unexplained,
)
from shared.errors import Code, Problem
from shared.runs.backoff import backoff
from shared.runs.ids import UPLOAD_ENTITY
from shared.runs.operations import SettleProgress
from shared.runs.shard.result import ShardResult
from shared.runs.upload.payloads import InspectUpload, SettleResult, SettleRun, UploadSeen, Waiting
from shared.runs.upload.transitions import End, SettleLook, SettleReply
from shared.sanitise import sanitised_line

_ROUNDS = 20
"""Rounds of one execution. Then a new execution begins, with a short history."""
_LONGEST_WAIT_SECONDS = 600.0
"""The longest wait between two looks at a quiet upload: a copy may end without an event."""
_PASSING = frozenset(
    {
        Code.DATABASE_NOT_READY,
        Code.DATABASE_CHANGED,
        Code.STORAGE_UNAVAILABLE,
        Code.LEASE_LOST,
        Code.WRITTEN_BY_ANOTHER,
        Code.COPY_PENDING,
    }
)
"""Problems that may be over when the settle looks again."""

type _End = SettleResult | Problem


def settle(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Settle one upload; the input is a `SettleRun`, the output a `SettleResult`.

    Ends as Failed when it gave up, or when the shard run that it started failed. The upload is free for another settle on every
    path. This settle also handles what arrives after its last look.
    """
    request, log = SettleRun.model_validate(payload), logger(ctx, __name__)
    settling = _Settling(ctx, request)
    end = yield from settling.rounds()
    if end is None:
        start_again(ctx, request.model_copy(update={"waiting": settling.waiting}))
        return None
    if isinstance(end, Problem):
        log.warning(f"Failed with {end.code.value}: {end.message}")
        raise settling.status.failed(end)
    log.info(f"Settled '{end.db}': {end.outcome}.")
    settling.status.show(SettleProgress(phase="canceled" if end.outcome == "canceled" else "done"))
    return end.model_dump(mode="json")


class _Settling:
    """One execution of a settle. A round, or all rounds, end with None when there is more to wait for."""

    def __init__(self, ctx: Context, request: SettleRun) -> None:
        self._ctx = ctx
        self._request = request
        self._cancel = cancel_signal(ctx)
        self.waiting = request.waiting
        self.status = RunStatus(ctx, SettleProgress(phase="waiting", reason=request.waiting.problem))

    def rounds(self) -> Steps[_End | None]:
        """Up to 20 rounds, or fewer when a user asks to stop: the next execution would not see that request."""
        for _ in range(_ROUNDS):
            end = yield from self._round()
            if end is not None:
                return end
            if self._cancel.is_complete:
                yield from self._ended(None)
                return self._result("canceled")
        return None

    def _round(self) -> Steps[_End | None]:
        """Ask what has arrived. Then sleep, or inspect the upload and act."""
        request = self._request
        arrived = yield from self._ask(
            "look", SettleLook(run=request.run, now=now(self._ctx), alive_seconds=request.alive_seconds)
        )
        if not arrived.granted or arrived.last_arrival is None:
            return self._result("superseded")
        quiet_at = arrived.last_arrival + timedelta(seconds=request.quiet_seconds)
        if now(self._ctx) < quiet_at:
            yield from self._sleep_until(quiet_at)
            return None
        due = self.waiting.next_look
        if arrived.version == self.waiting.looked_at and due is not None and now(self._ctx) < due:
            # New files may arrive before that look is due, and the settle must see them in time.
            yield from self._sleep_until(min(due, now(self._ctx) + timedelta(seconds=request.quiet_seconds)))
            return None
        end = yield from self._look(arrived.last_arrival + timedelta(seconds=request.give_up_seconds), arrived.version)
        # Files that arrived meanwhile belong to a generation that this settle has not inspected.
        return end if end is not None and (yield from self._ended(arrived.version)) else None

    def _look(self, give_up_at: datetime, version: int) -> Steps[_End | None]:
        self.status.show(SettleProgress(phase="looking"))
        shard = self._request.shard
        look = InspectUpload(account=shard.account, db=shard.db)
        try:
            seen = yield from run(self._ctx, "inspect_upload", look, UploadSeen, shard.retry)
            if seen.state in {"absent", "unchanged"}:
                return self._result("absent" if seen.state == "absent" else "unchanged")
            if seen.state == "complete":
                return (yield from self._shard(give_up_at, version))
            problem = seen.problem or unexplained(shard.db)
            is_late = now(self._ctx) >= give_up_at
            if is_late and seen.state == "incomplete":
                return (yield from self._give_up(problem))
        except StepFailedError as error:
            problem, is_late = error.problem, now(self._ctx) >= give_up_at
            if problem.code not in _PASSING:
                return problem
        return problem if is_late else self._wait(problem, version)

    def _shard(self, give_up_at: datetime, version: int) -> Steps[_End | None]:
        self.status.show(SettleProgress(phase="sharding"))
        run_id = self._next_run()
        state = yield from bring_up_to_date(self._ctx, self._request.shard.model_copy(update={"run": run_id}))
        if isinstance(state, ShardResult):
            # The child run was not asked to restore anything.
            return self._result("sharded" if state.outcome == "restored" else state.outcome, run_id, state)
        if isinstance(state, LayoutsCurrent):
            return self._result("unchanged")
        held = self._held()
        return held if now(self._ctx) >= give_up_at else self._wait(held, version)

    def _give_up(self, problem: Problem) -> Steps[_End | None]:
        """Give up, and have a child run record why: only the holder of the lease may write the metadata."""
        db = self._request.shard.db
        hours = self._request.give_up_seconds / 3600
        message = f"Nothing has arrived for {hours:.3g} h, and the upload is not complete. {problem.message}"
        refusal = Problem(code=Code.UPLOAD_INCOMPLETE, message=sanitised_line(message), target=db)
        shard = self._request.shard.model_copy(update={"run": self._next_run(), "refusal": refusal})
        try:
            state = yield from run_child(self._ctx, shard)
        except StepFailedError:
            return refusal
        # The run that holds the database answers for it.
        return self._held() if isinstance(state, HeldByAnother) else refusal

    def _wait(self, problem: Problem, version: int) -> None:
        self.status.show(SettleProgress(phase="incomplete", reason=problem))
        in_vain = self.waiting.looks_in_vain + 1 if version == self.waiting.looked_at else 1
        quiet_seconds = self._request.quiet_seconds
        wait = backoff(in_vain - 1, quiet_seconds, max(quiet_seconds, _LONGEST_WAIT_SECONDS))
        self.waiting = Waiting(
            looked_at=version,
            next_look=now(self._ctx) + wait,
            looks_in_vain=in_vain,
            shards=self.waiting.shards,
            problem=problem,
        )

    def _next_run(self) -> str:
        number = self.waiting.shards
        self.waiting = self.waiting.model_copy(update={"shards": number + 1})
        return f"{self._request.run}-shard-{number}"

    def _ended(self, version: int | None) -> Steps[bool]:
        answer = yield from self._ask("end", End(run=self._request.run, version=version))
        return answer.granted

    def _ask(self, operation: str, request: SettleLook | End) -> Steps[SettleReply]:
        return (yield from ask(self._ctx, UPLOAD_ENTITY, self._request.key, operation, request, SettleReply))

    def _sleep_until(self, moment: datetime) -> Steps[None]:
        yield from pause(self._ctx, moment - now(self._ctx), self._cancel)

    def _held(self) -> Problem:
        db = self._request.shard.db
        return Problem(code=Code.LEASE_HELD, message=f"Another run holds '{db}'. Wait for the end of that run.", target=db)

    def _result(
        self,
        outcome: Literal["sharded", "unchanged", "absent", "superseded", "canceled"],
        run_id: str | None = None,
        result: ShardResult | None = None,
    ) -> SettleResult:
        return SettleResult(outcome=outcome, db=self._request.shard.db, shard_operation_id=run_id, result=result)
