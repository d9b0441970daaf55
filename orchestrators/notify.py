"""Posting a run's end: an orchestration of its own, which the run starts with its first step and never waits for."""

from datetime import timedelta
from typing import Any

from orchestrators.lease import now
from orchestrators.steps import Context, RunFailedError, RunStatus, StepFailedError, Steps, logger, pause, run, start_again, tell
from shared.errors import Code, Problem
from shared.runs.callbacks import Callback, CallbackState, Notice, PostCallback, Posted
from shared.runs.ids import NOTIFIER_ENTITY
from shared.runs.payload import RetryOptions

_ROUND = 20
_LONGEST_EXPONENT = 30


def have_posted(ctx: Context, callback: Callback | None, retry: RetryOptions) -> None:
    """Have this run's end posted, whatever that end will be; nothing happens without a callback.

    The first thing a run does: from then on the engine keeps the promise, also when the run is terminated or its worker dies.
    """
    if callback is not None:
        tell(ctx, NOTIFIER_ENTITY, ctx.instance_id, "start", Notice(run=ctx.instance_id, callback=callback, retry=retry))


def notify(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Wait until a run has ended, then post its operation until the receiver takes it; the input is a `Notice`.

    A receiver may get the same operation more than once, never none while it answers in time. Ends as Failed, saying why, when
    it cannot be delivered.
    """
    notice = Notice.model_validate(payload)
    if notice.deadline is None:
        notice = notice.model_copy(update={"deadline": now(ctx) + timedelta(seconds=notice.callback.wait_seconds)})
    board = RunStatus(ctx, CallbackState(phase="posting" if notice.tries else "waiting", tries=notice.tries))
    for _ in range(_ROUND):
        posted = yield from _post(ctx, notice)
        match posted.outcome:
            case "delivered":
                state = CallbackState(phase="delivered", tries=notice.tries + 1, status_code=posted.status_code)
                board.show(state)
                logger(ctx, __name__).info(f"The end of {notice.run} was delivered, try {state.tries}.")
                return state.model_dump(mode="json")
            case "waiting":
                if notice.deadline is not None and now(ctx) >= notice.deadline:
                    raise _failed(ctx, board, notice, _overdue(notice))
                wait = _doubled(notice.retry.first_seconds, notice.looks, notice.retry.longest_seconds)
                notice = notice.model_copy(update={"looks": notice.looks + 1})
            case _:
                notice = notice.model_copy(update={"tries": notice.tries + 1})
                board.show(_trying(notice, posted))
                if posted.outcome == "refused" or notice.tries >= notice.callback.attempts:
                    raise _failed(ctx, board, notice, posted.problem)
                wait = _doubled(notice.callback.first_seconds, notice.tries - 1, notice.callback.longest_seconds)
        yield from pause(ctx, wait)
    start_again(ctx, notice)
    return None


def _post(ctx: Context, notice: Notice) -> Steps[Posted]:
    try:
        request = PostCallback(run=notice.run, url=notice.callback.url)
        return (yield from run(ctx, "post_callback", request, Posted, notice.retry))
    except StepFailedError as error:
        return Posted(outcome="failed", problem=error.problem)


def _trying(notice: Notice, posted: Posted) -> CallbackState:
    return CallbackState(phase="posting", tries=notice.tries, status_code=posted.status_code, error=posted.problem)


def _failed(ctx: Context, board: RunStatus[CallbackState], notice: Notice, problem: Problem | None) -> RunFailedError:
    problem = problem or Problem(code=Code.INTERNAL_ERROR, message="The callback was refused without a reason.")
    logger(ctx, __name__).warning(f"The end of {notice.run} was not delivered, tries {notice.tries}: {problem.message}")
    return board.failed(problem)


def _overdue(notice: Notice) -> Problem:
    message = f"The run had not ended after {notice.callback.wait_seconds:.0f} s; its callback was given up."
    return Problem(code=Code.CALLBACK_FAILED, message=message, target="callback_url")


def _doubled(first_seconds: float, times: int, longest_seconds: float) -> timedelta:
    return timedelta(seconds=min(longest_seconds, first_seconds * 2 ** min(times, _LONGEST_EXPONENT)))
