"""The only module that spells scheduling calls. A step takes a wire model and gives one back.

Expected failures are part of a step's reply. `StepFailedError` is what is left: every repetition that the retry policy
allowed has failed.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from datetime import timedelta
from typing import Any

from durabletask import task
from durabletask.entities import EntityInstanceId
from pydantic import BaseModel

from shared.errors import Code, Problem
from shared.runs.shard import RetrySteering
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


def run[Reply: BaseModel](
    ctx: Context, activity: str, request: BaseModel, reply_type: type[Reply], retry: RetrySteering
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
    retry: RetrySteering,
    *,
    on_done: Callable[[Reply | Problem], None],
) -> Steps[list[Reply | Problem]]:
    """Run one activity for every request at once, and wait for all of them whatever becomes of any.

    Returns:
        What became of each, in the order of the requests: its reply, or the problem that every repetition ended in.
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


def call(ctx: Context, orchestrator: str, request: BaseModel, run_id: str) -> Steps[str | None]:
    """Run a child to its end; None when it succeeded, else the text of its failure."""
    child: task.Task[Any] = ctx.call_sub_orchestrator(
        orchestrator, input=request.model_dump(mode="json", exclude_defaults=True), instance_id=run_id
    )
    try:
        yield child
    except task.TaskFailedError as error:
        return error.details.message
    return None


def pause(ctx: Context, length: timedelta, interrupt: task.Task[Any] | None = None) -> Steps[None]:
    """Wait; an interrupt that completes meanwhile ends the wait."""
    timer: task.Task[Any] = ctx.create_timer(length)
    yield task.when_any([timer] if interrupt is None else [timer, interrupt])


def start_again(ctx: Context, request: BaseModel) -> None:
    """End this execution and begin a new one with a short history; events that nobody took are kept."""
    ctx.continue_as_new(request.model_dump(mode="json", exclude_defaults=True), save_events=True)


def tell(ctx: Context, entity: str, key: str, operation: str, request: BaseModel, *, after: timedelta | None = None) -> None:
    """Signal an entity, now or later; nothing is waited for."""
    when = ctx.current_utc_datetime + after if after is not None else None
    ctx.signal_entity(EntityInstanceId(entity, key), operation, request.model_dump(mode="json", exclude_defaults=True), when)


def cancel_signal(ctx: Context) -> task.CancellableTask[Any]:
    """Completes when somebody asks the run to stop; look at `is_complete` between steps."""
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


def _schedule(ctx: Context, activity: str, request: BaseModel, retry: RetrySteering) -> task.Task[Any]:
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


def _problem(activity: str, error: task.TaskFailedError) -> Problem:
    # Only TransientFailure is raised on purpose; anything else is a defect of ours, and says so.
    passing = "TransientFailure" in error.details.error_type
    code = Code.STORAGE_UNAVAILABLE if passing else Code.INTERNAL_ERROR
    return Problem(code=code, message=sanitised_line(f"{activity}: {error.details.message}"))
