"""How the Functions worker calls an activity's body."""

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel

from shared import telemetry
from shared.clients import Clients, clients
from shared.errors import TransientFailure

_LOG = telemetry.logger(__name__)


def bound[Request: BaseModel, Reply: BaseModel](
    request_type: type[Request], body: Callable[[Request, Clients], Awaitable[Reply]]
) -> Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]:
    """The body as the Functions worker calls it: plain JSON in, plain JSON out, its name on every log line."""

    async def activity(payload: dict[str, Any]) -> dict[str, Any]:
        request = request_type.model_validate(payload)
        with telemetry.context(activity=body.__name__, **telemetry.dimensions(payload)):
            try:
                reply = await body(request, clients())
            except TransientFailure as error:
                _LOG.warning(f"A passing fault, to be repeated: {error}", exc_info=True)
                # What is raised goes into history with its whole chain of tracebacks; the log keeps those.
                raise error.with_traceback(None) from None
        return reply.model_dump(mode="json", exclude_defaults=True)

    # The worker's indexer refuses parameterised generics.
    activity.__annotations__ = {"payload": dict, "return": dict}
    activity.__name__ = body.__name__
    activity.__doc__ = body.__doc__
    return activity
