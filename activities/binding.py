"""Activity bindings: how the Functions worker calls an activity's body, and how a body replies with a permanent error."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Protocol

from pydantic import BaseModel

from shared import telemetry
from shared.azure.hub import Hub
from shared.clients import Clients, DurableClient, clients
from shared.errors import Problem, ShardwarmError, TransientFailure

_LOG = telemetry.logger(__name__)


class _Refusable[Reply](Protocol):
    """A reply type that can hold a problem and nothing else."""

    def __call__(self, *, problem: Problem) -> Reply: ...


def answering[Request, **Others, Reply](
    reply_type: _Refusable[Reply],
) -> Callable[
    [Callable[Concatenate[Request, Others], Awaitable[Reply]]], Callable[Concatenate[Request, Others], Awaitable[Reply]]
]:
    """Return a permanent error as the reply's problem. A `TransientFailure` is raised: the call's retry policy applies."""

    def reply_to(_: Request, error: ShardwarmError) -> Reply:
        return reply_type(problem=error.problem)

    return answering_by(reply_to)


def answering_by[Request, **Others, Reply](
    reply_to: Callable[[Request, ShardwarmError], Reply],
) -> Callable[
    [Callable[Concatenate[Request, Others], Awaitable[Reply]]], Callable[Concatenate[Request, Others], Awaitable[Reply]]
]:
    """Return a permanent error as the reply that `reply_to` makes of it. A `TransientFailure` is raised, as by `answering`."""

    def decorate(
        body: Callable[Concatenate[Request, Others], Awaitable[Reply]],
    ) -> Callable[Concatenate[Request, Others], Awaitable[Reply]]:
        @functools.wraps(body)
        async def answered(request: Request, /, *others: Others.args, **named: Others.kwargs) -> Reply:
            try:
                return await body(request, *others, **named)
            except TransientFailure:
                raise
            except ShardwarmError as error:
                return reply_to(request, error)

        return answered

    return decorate


def bound[Request: BaseModel, Reply: BaseModel](
    request_type: type[Request], body: Callable[[Request, Clients], Awaitable[Reply]]
) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
    """Wrap a body as the Functions worker calls it: plain JSON in, plain JSON out, its name on every log line."""

    async def activity(payload: dict[str, Any]) -> dict[str, Any]:
        return await _run(body, payload, request_type.model_validate(payload), clients())

    return _named(activity, body)


def bound_with_hub[Request: BaseModel, Reply: BaseModel](
    request_type: type[Request], body: Callable[[Request, Clients, Hub], Awaitable[Reply]]
) -> Callable[[dict[str, Any], DurableClient], Awaitable[dict[str, Any]]]:
    """As `bound`, for a body that reads runs: the worker also passes it the durable client."""

    async def activity(payload: dict[str, Any], client: DurableClient) -> dict[str, Any]:
        return await _run(body, payload, request_type.model_validate(payload), clients(), Hub(client))

    return _named(activity, body)


async def _run(body: Callable[..., Awaitable[BaseModel]], payload: dict[str, Any], *arguments: object) -> dict[str, Any]:
    with telemetry.context(activity=_name(body), **telemetry.dimensions(payload)):
        try:
            reply = await body(*arguments)
        except TransientFailure as error:
            _LOG.warning(f"A transient failure; the step will be retried: {error}", exc_info=True)
            # The run's history stores an exception with its whole chain of tracebacks. The log has those already.
            raise error.with_traceback(None) from None
    return reply.model_dump(mode="json", exclude_defaults=True)


def _named[Activity: Callable[..., object]](activity: Activity, body: Callable[..., object]) -> Activity:
    # The worker's indexer refuses parameterised generics.
    activity.__annotations__ = {"payload": dict, "return": dict}
    activity.__name__ = _name(body)
    activity.__doc__ = body.__doc__
    return activity


def _name(body: Callable[..., object]) -> str:
    return str(getattr(body, "__name__", ""))
