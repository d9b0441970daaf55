"""Adapter to Azure Functions: binds routes, and turns its requests and events into ours. Only this module of HTTP imports it.

Correlation: each reply echoes `x-ms-client-request-id` and has an own `x-ms-request-id`, which the log lines carry too.
"""

import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import cast
from urllib.parse import urlsplit

import azure.functions as func
from azure.durable_functions import DFApp, DurableFunctionsClient
from pydantic import BaseModel

from shared import telemetry
from shared.errors import ShardwarmError
from shared.http.messages import Answer, Call, answer_to, internal_error
from shared.http.openapi import LoneHandler, Route
from shared.http.ports import Backing
from shared.http.starting import HeldError, held
from shared.http.upload import take_event

type Event = func.EventGridEvent | func.CloudEvent

_LOG = telemetry.logger(__name__)
_LONGEST_ID = 128


def bind_routes(app: DFApp, routes: Iterable[Route], make_backing: Callable[[DurableFunctionsClient], Backing]) -> None:
    """Bind every route of the table to the Functions app, under the function name that operators see."""
    with_hub = app.durable_client_input(client_name="client")
    for route in routes:
        level = func.AuthLevel.ANONYMOUS if route.is_open else func.AuthLevel.FUNCTION
        bind = app.route(route.path.removeprefix("/"), methods=[route.method.upper()], auth_level=level)
        if route.is_open:
            bind(_served_alone(route))
        else:
            bind(with_hub(_served(make_backing, route)))


def _served(
    make_backing: Callable[[DurableFunctionsClient], Backing], route: Route
) -> Callable[[func.HttpRequest, DurableFunctionsClient], Awaitable[func.HttpResponse]]:
    async def function(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
        return await _answer(route.handler.__name__, req, lambda call: route.serve(call, lambda: make_backing(client)))

    return _named(function, route)


def _served_alone(route: Route) -> Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]:
    # Without a client of the hub, so that the platform calls an open route whatever becomes of the hub.
    async def function(req: func.HttpRequest) -> func.HttpResponse:
        return await _answer(route.handler.__name__, req, lambda call: route.serve(call, _no_backing))

    return _named(function, route)


def _no_backing() -> Backing:
    raise AssertionError("An open route has no backing.")


def _named[Function: Callable[..., object]](function: Function, route: Route) -> Function:
    function.__name__ = function.__qualname__ = route.name
    function.__doc__ = route.handler.__doc__
    return function


async def _answer(route_name: str, request: func.HttpRequest, route: LoneHandler) -> func.HttpResponse:
    """Answer a request in every case; errors become bodies with codes."""
    request_id = uuid.uuid4().hex
    headers = _headers(request)
    with telemetry.context(route=route_name, request=request_id):
        try:
            reply = await _reply(_call(request, headers), route)
        except ShardwarmError as error:
            reply = answer_to(error)
            _LOG.info(f"{reply.status} {error.problem.code.value}: {error.problem.message}")
        except Exception:  # noqa: BLE001 - the outermost handler: a defect becomes a 500 with its request id
            _LOG.exception("The request ended in a defect.")
            reply = internal_error()
    return _response(reply, request_id, headers.get("x-ms-client-request-id"))


async def _reply(call: Call, route: LoneHandler) -> Answer:
    try:
        return await route(call)
    except HeldError as error:
        return held(call, error)


async def take(event: func.EventGridEvent, make_backing: Callable[[], Backing]) -> None:
    """Take one storage event. The worker passes a `CloudEvent` if the delivery was one, whatever type the binding declares.

    Raises every error, so that Event Grid delivers the event again.
    """
    with telemetry.context(event=str(event.id)):
        try:
            await take_event(_event(event), datetime.now(UTC), make_backing())
        except ShardwarmError as error:
            _LOG.warning(f"An event failed and will be delivered again: {error.problem.code.value}: {error.problem.message}")
            raise


def _event(event: Event) -> dict[str, object]:
    if isinstance(event, func.CloudEvent):
        return {
            "type": event.type,
            "source": event.source,
            "subject": event.subject,
            "time": event.time,
            "data": event.get_json(),
        }
    return {
        "eventType": event.event_type,
        "topic": event.topic,
        "subject": event.subject,
        "eventTime": event.event_time,
        "data": event.get_json(),
    }


def _headers(request: func.HttpRequest) -> dict[str, str]:
    given = cast("Mapping[str, str]", request.headers)  # the SDK leaves it untyped
    return {name.lower(): value for name, value in given.items()}


def _call(request: func.HttpRequest, headers: Mapping[str, str]) -> Call:
    return Call(
        method=request.method,
        base_url=_base_url(request.url, headers),
        arrived=datetime.now(UTC),
        path=dict(request.route_params),
        query=dict(request.params),
        headers=headers,
        body=request.get_body(),
    )


def _base_url(url: str, headers: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    scheme = headers.get("x-forwarded-proto", parts.scheme).split(",")[0].strip()
    return f"{scheme}://{parts.netloc}/api"


def _response(reply: Answer, request_id: str, client_request_id: str | None) -> func.HttpResponse:
    headers = {**reply.headers, "x-ms-request-id": request_id, "Cache-Control": "no-store"}
    if client_request_id and client_request_id.isprintable():
        headers["x-ms-client-request-id"] = client_request_id[:_LONGEST_ID]
    body = reply.body.model_dump_json() if isinstance(reply.body, BaseModel) else json.dumps(reply.body)
    return func.HttpResponse(body, status_code=reply.status, headers=headers, mimetype="application/json")
