"""Posting a run's end to its callback: the orchestrator `notify`, which a run starts with its first step and never waits for.

1. Wait until the run has ended; the activity that posts sees that, too.
2. Post the run's operation to the receiver.
3. End when the receiver has taken it. Fail when the receiver refuses it for good, or after the last try.
4. Pause, longer and longer, and go back to step 1 or 2.

After 20 rounds it goes on in a new execution, so that its history stays short.
"""

from datetime import timedelta
from typing import Any

from orchestrators.lease import now
from orchestrators.steps import (
    Context,
    RunFailedError,
    RunStatus,
    StepFailedError,
    Steps,
    logger,
    pause,
    run,
    signal,
    start_again,
)
from shared.errors import Code, Problem
from shared.runs.backoff import backoff
from shared.runs.callbacks import Callback, CallbackState, Notice, PostCallback, Posted
from shared.runs.ids import NOTIFIER_ENTITY
from shared.runs.payload import RetryOptions

_ROUND = 20


def have_posted(ctx: Context, callback: Callback | None, retry: RetryOptions) -> None:
    """Start `notify` for this run, whatever its end will be. Nothing happens without a callback.

    A run does this first. From then on the engine sees to it, even when the run is terminated or its worker dies.
    """
    if callback is not None:
        signal(ctx, NOTIFIER_ENTITY, ctx.instance_id, "start", Notice(run=ctx.instance_id, callback=callback, retry=retry))


def notify(ctx: Context, payload: Any) -> Steps[dict[str, Any] | None]:
    """Wait until a run has ended, then post its operation until the receiver takes it; the input is a `Notice`.

    A receiver that answers in time gets the operation at least once, and may get it more often. Ends as Failed, with the
    reason, when it cannot be delivered.
    """
    notice = Notice.model_validate(payload)
    if notice.deadline is None:
        notice = notice.model_copy(update={"deadline": now(ctx) + timedelta(seconds=notice.callback.wait_seconds)})
    status = RunStatus(ctx, CallbackState(phase="posting" if notice.tries else "waiting", tries=notice.tries))
    for _ in range(_ROUND):
        posted = yield from _post(ctx, notice)
        match posted.outcome:
            case "delivered":
                state = CallbackState(phase="delivered", tries=notice.tries + 1, status_code=posted.status_code)
                status.show(state)
                logger(ctx, __name__).info(f"The app delivered the end of {notice.run}, try {state.tries}.")
                return state.model_dump(mode="json")
            case "waiting":
                if notice.deadline is not None and now(ctx) >= notice.deadline:
                    raise _failed(ctx, status, notice, _overdue(notice))
                wait = backoff(notice.looks, notice.retry.first_seconds, notice.retry.longest_seconds)
                notice = notice.model_copy(update={"looks": notice.looks + 1})
            case _:
                notice = notice.model_copy(update={"tries": notice.tries + 1})
                status.show(_trying(notice, posted))
                if posted.outcome == "refused" or notice.tries >= notice.callback.attempts:
                    raise _failed(ctx, status, notice, posted.problem)
                wait = backoff(notice.tries - 1, notice.callback.first_seconds, notice.callback.longest_seconds)
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


def _failed(ctx: Context, status: RunStatus[CallbackState], notice: Notice, problem: Problem | None) -> RunFailedError:
    problem = problem or Problem(code=Code.INTERNAL_ERROR, message="A step refused the callback and gave no reason.")
    logger(ctx, __name__).warning(f"The app did not deliver the end of {notice.run}, tries {notice.tries}: {problem.message}")
    return status.failed(problem)


def _overdue(notice: Notice) -> Problem:
    message = (
        f"The run did not end within {notice.callback.wait_seconds:.0f} s, so the app posts no callback. Ask for the operation."
    )
    return Problem(code=Code.CALLBACK_FAILED, message=message, target="callback_url")
