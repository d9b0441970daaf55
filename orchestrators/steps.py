"""Steps: activities, entities, child runs, timers and the custom status. The only module with the engine's scheduling calls.

A step takes a wire model and returns one. Expected failures are part of a step's reply. `StepFailedError` is the rest: every
repetition that the retry policy allowed has failed.
"""

import logging
import re
from collections.abc import Callable, Generator, Sequence
from datetime import timedelta
from typing import Any

from durabletask import task
from durabletask.entities import EntityInstanceId
from pydantic import BaseModel

from shared.errors import Code, Problem
from shared.runs.callbacks import CallbackState
from shared.runs.operations import PrepareProgress, Progress, ReconcileProgress, SettleProgress, WarmProgress
from shared.runs.payload import RetryOptions
from shared.sanitise import sanitised_line

type Context = task.OrchestrationContext
type Steps[Result] = Generator[task.Task[Any], Any, Result]

CANCEL_EVENT = "cancel"


class StepFailedError(Exception):
    """A run cannot go on; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class RunFailedError(Exception):
    """Ends an orchestration as Failed. Its text is what the portal shows; the details are in the custom status."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.code.value}: {problem.message}")


def defect(error: Exception) -> Problem:
    """The problem of a run that met an unexpected exception, which is a defect of ours."""
    return Problem(code=Code.INTERNAL_ERROR, message=sanitised_line(f"{type(error).__name__}: {error}"))


def unexplained(db: str) -> Problem:
    """The problem of a step that neither succeeded nor gave a reason."""
    return Problem(code=Code.INTERNAL_ERROR, message=f"A step refused '{db}' and gave no reason.", target=db)


def run[Reply: BaseModel](
    ctx: Context, activity: str, request: BaseModel, reply_type: type[Reply], retry: RetryOptions
) -> Steps[Reply]:
    """Run one activity to its end.

    Raises:
        StepFailedError: every repetition failed.
    """
    scheduled = _schedule(ctx, activity, request, retry)
    try:
        reply = yield scheduled
    except task.TaskFailedError as error:
        raise StepFailedError(_problem(activity, error)) from error
    return reply_type.model_validate(reply)


def run_all[Reply: BaseModel](
    ctx: Context,
    activity: str,
    requests: Sequence[BaseModel],
    reply_type: type[Reply],
    retry: RetryOptions,
    *,
    on_done: Callable[[Reply | Problem], None],
) -> Steps[list[Reply | Problem]]:
    """Run one activity for every request at once, and wait for all of them even if some fail.

    Returns:
        For each request, in order: its reply, or the problem in which every repetition ended.
    """
    scheduled: list[task.Task[Any]] = [_schedule(ctx, activity, request, retry) for request in requests]
    waiting: list[task.Task[Any]] = list(scheduled)
    while waiting:
        done: task.Task[Any] = yield task.when_any(waiting)
        waiting = [item for item in waiting if item is not done]
        on_done(_outcome(activity, done, reply_type))
    return [_outcome(activity, item, reply_type) for item in scheduled]


def ask[Reply: BaseModel](
    ctx: Context, entity: str, key: str, operation: str, request: BaseModel, reply_type: type[Reply]
) -> Steps[Reply]:
    """Call an entity and wait for its answer."""
    reply = yield ctx.call_entity(EntityInstanceId(entity, key), operation, request.model_dump(mode="json"))
    return reply_type.model_validate(reply)


def call[Reply: BaseModel](
    ctx: Context, orchestrator: str, request: BaseModel, run_id: str, reply_type: type[Reply]
) -> Steps[Reply | Problem]:
    """Run a child orchestration to its end. Returns its reply, or the problem with which it failed."""
    child: task.Task[Any] = ctx.call_sub_orchestrator(
        orchestrator, input=request.model_dump(mode="json", exclude_defaults=True), instance_id=run_id
    )
    try:
        reply = yield child
    except task.TaskFailedError as error:
        code, message = _told(error.details.message, Code.RUN_FAILED)
        return Problem(code=code, message=sanitised_line(message))
    return reply_type.model_validate(reply)


def call_all(
    ctx: Context, orchestrator: str, requests: Sequence[tuple[str, BaseModel]], patience: timedelta
) -> Steps[list[str | None]]:
    """Run child orchestrations at once, each under its id, and wait for them up to `patience`.

    Returns:
        For each child: an empty text when it succeeded, the text of its failure, or None when it is still under way.
    """
    children: list[task.Task[Any]] = [
        ctx.call_sub_orchestrator(orchestrator, input=request.model_dump(mode="json", exclude_defaults=True), instance_id=run_id)
        for run_id, request in requests
    ]
    timer = ctx.create_timer(patience)
    waiting: list[task.Task[Any]] = list(children)
    while waiting and not timer.is_complete:
        done: task.Task[Any] = yield task.when_any([timer, *waiting])
        waiting = [child for child in waiting if child is not done]
    if not timer.is_complete:
        timer.cancel()
    return [_end_of(child) for child in children]


def pause(ctx: Context, length: timedelta, interrupt: task.Task[Any] | None = None) -> Steps[None]:
    """Wait on a timer. An interrupt that completes meanwhile ends the wait."""
    timer: task.Task[Any] = ctx.create_timer(length)
    yield task.when_any([timer] if interrupt is None else [timer, interrupt])


def start_again(ctx: Context, request: BaseModel) -> None:
    """Continue as new: end this execution and begin another with a short history. Events not yet taken are kept."""
    ctx.continue_as_new(request.model_dump(mode="json", exclude_defaults=True), save_events=True)


def signal(ctx: Context, entity: str, key: str, operation: str, request: BaseModel, *, after: timedelta | None = None) -> None:
    """Signal an entity, now or later, without waiting for it."""
    when = ctx.current_utc_datetime + after if after is not None else None
    ctx.signal_entity(EntityInstanceId(entity, key), operation, request.model_dump(mode="json", exclude_defaults=True), when)


def cancel_signal(ctx: Context) -> task.CancellableTask[Any]:
    """Completes when a user asks the run to stop. Check `is_complete` between steps."""
    return ctx.wait_for_external_event(CANCEL_EVENT)


def logger(ctx: Context, name: str) -> logging.LoggerAdapter[logging.Logger]:
    """A logger that is silent while history is replayed, with the run's id on every line."""
    return _RunLogger(ctx.create_replay_safe_logger(logging.getLogger(name)), ctx.instance_id)


class _RunLogger(logging.LoggerAdapter[Any]):
    def __init__(self, replay_safe: Any, run: str) -> None:
        super().__init__(replay_safe, {})
        self._run = run

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        return f"{sanitised_line(str(msg))} run={self._run}", kwargs


def _schedule(ctx: Context, activity: str, request: BaseModel, retry: RetryOptions) -> task.Task[Any]:
    policy = task.RetryPolicy(
        first_retry_interval=timedelta(seconds=retry.first_seconds),
        max_number_of_attempts=retry.attempts,
        backoff_coefficient=retry.factor,
        max_retry_interval=timedelta(seconds=max(retry.first_seconds, retry.longest_seconds)),
    )
    return ctx.call_activity(activity, input=request.model_dump(mode="json", exclude_defaults=True), retry_policy=policy)


def _outcome[Reply: BaseModel](activity: str, done: task.Task[Any], reply_type: type[Reply]) -> Reply | Problem:
    if done.is_failed:
        return _problem(activity, done.get_exception())
    return reply_type.model_validate(done.get_result())


def _end_of(child: task.Task[Any]) -> str | None:
    if not child.is_complete:
        return None
    return sanitised_line(child.get_exception().details.message) if child.is_failed else ""


def _problem(activity: str, error: task.TaskFailedError) -> Problem:
    # Activities raise only TransientFailure on purpose. Anything else is a defect of ours, and its code says so.
    code, message = Code.INTERNAL_ERROR, error.details.message
    if "TransientFailure" in error.details.error_type:
        code, message = _told(message, Code.STORAGE_UNAVAILABLE)
    return Problem(code=code, message=sanitised_line(f"{activity}: {message}"))


def _told(text: str, otherwise: Code) -> tuple[Code, str]:
    """Code and message of an error text with its code in front. Engines may put words of their own before that."""
    for word in re.finditer(r"\b(\w+): ", text):
        if word[1] in Code:
            return Code(word[1]), text[word.end() :]
    return otherwise, text


class RunStatus[Shown: (Progress, WarmProgress, SettleProgress, PrepareProgress, ReconcileProgress, CallbackState)]:
    """The custom status of one run. It remembers what it showed, so that a failure keeps the last counts."""

    def __init__(self, ctx: Context, first: Shown) -> None:
        self._ctx = ctx
        self._shown: Shown = first
        self.show(first)

    def show(self, progress: Shown) -> None:
        """Replace what is shown."""
        self._shown = progress
        self._ctx.set_custom_status(progress.model_dump(mode="json", exclude_defaults=True))

    def failed(self, problem: Problem) -> RunFailedError:
        """Show the run as failed, keeping its last counts. Returns the exception for the caller to raise."""
        self.show(self._shown.model_copy(update={"phase": "failed", "error": problem}))
        return RunFailedError(problem)
