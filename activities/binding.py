"""How the Functions worker calls an activity's body, and how a body says what no retry cures."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from pydantic import BaseModel

from shared import telemetry
from shared.azure.hub import Hub
from shared.clients import Clients, DurableClient, clients
from shared.errors import Problem, ShardwarmError, TransientFailure

_LOG = telemetry.logger(__name__)


class _Refusable[Reply](Protocol):
    """A reply's type that can be a problem alone."""

    def __call__(self, *, problem: Problem) -> Reply: ...


def answering[**Given, Reply](
    reply_type: _Refusable[Reply],
) -> Callable[[Callable[Given, Awaitable[Reply]]], Callable[Given, Awaitable[Reply]]]:
    """Make what no retry cures the reply's problem. A `TransientFailure` is raised on: the call's retry policy applies."""

    def decorate(body: Callable[Given, Awaitable[Reply]]) -> Callable[Given, Awaitable[Reply]]:
        @functools.wraps(body)
        async def answered(*given: Given.args, **named: Given.kwargs) -> Reply:
            try:
                return await body(*given, **named)
            except TransientFailure:
                raise
            except ShardwarmError as error:
                return reply_type(problem=error.problem)

        return answered

    return decorate


def bound[Request: BaseModel, Reply: BaseModel](
    request_type: type[Request], body: Callable[[Request, Clients], Awaitable[Reply]]
) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
    """The body as the Functions worker calls it: plain JSON in, plain JSON out, its name on every log line."""

    async def activity(payload: dict[str, Any]) -> dict[str, Any]:
        return await _run(body, payload, request_type.model_validate(payload), clients())

    return _named(activity, body)


def bound_with_hub[Request: BaseModel, Reply: BaseModel](
    request_type: type[Request], body: Callable[[Request, Clients, Hub], Awaitable[Reply]]
) -> Callable[[dict[str, Any], DurableClient], Awaitable[dict[str, Any]]]:
    """As `bound`, for a body that looks at runs: the worker hands it the durable client besides."""

    async def activity(payload: dict[str, Any], client: DurableClient) -> dict[str, Any]:
        return await _run(body, payload, request_type.model_validate(payload), clients(), Hub(client))

    return _named(activity, body)


async def _run(body: Callable[..., Awaitable[BaseModel]], payload: dict[str, Any], *arguments: object) -> dict[str, Any]:
    with telemetry.context(activity=_name(body), **telemetry.dimensions(payload)):
        try:
            reply = await body(*arguments)
        except TransientFailure as error:
            _LOG.warning(f"A passing fault, to be repeated: {error}", exc_info=True)
            # What is raised goes into history with its whole chain of tracebacks; the log keeps those.
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
