"""The Event Grid webhook of the Functions host: `POST /runtime/webhooks/EventGrid?functionName=...`."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.functions.wire import Value
from local.functions.worker_connection import WorkerLost

if TYPE_CHECKING:
    from starlette.requests import Request

    from local.functions.calls import Caller
    from local.functions.catalogue import BoundFunction, Catalogue

_LOG = logging.getLogger(__name__)
_CLOUD_EVENT = "application/cloudevents"


class EventGrid:
    """Delivers events of both schemas to eventGridTrigger functions."""

    def __init__(self, caller: Caller, catalogue: Catalogue) -> None:
        self._caller = caller
        self._catalogue = catalogue
        self.route = Route("/runtime/webhooks/EventGrid", self._answer, methods=["POST", "OPTIONS"])

    async def _answer(self, request: Request) -> Response:
        function = self._catalogue.find("eventGridTrigger", request.query_params.get("functionName", ""))
        if function is None:
            return Response(status_code=404)
        if request.method == "OPTIONS":
            origin = request.headers.get("webhook-request-origin", "")
            return Response(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
        try:
            body = json.loads(await request.body())
        except ValueError:
            return Response("The body is not JSON.", status_code=400)
        events: list[Any] = body if isinstance(body, list) else [body]  # pyright: ignore[reportUnknownVariableType] - JSON
        is_cloud = request.headers.get("content-type", "").startswith(_CLOUD_EVENT)
        match request.headers.get("aeg-event-type"):
            case "SubscriptionValidation" if not is_cloud:
                return JSONResponse({"validationResponse": events[0]["data"]["validationCode"]})
            case "Unsubscribe":
                return Response(status_code=202)
            case "Notification":
                return await self._deliver(function, events)
            case _ if is_cloud:
                return await self._deliver(function, events)
            case _:
                return Response("The aeg-event-type header says nothing known.", status_code=400)

    async def _deliver(self, function: BoundFunction, events: list[Any]) -> Response:
        """Run the function for each event, or once for all if it takes many; Event Grid retries after a failure."""
        takes_many = str(function.trigger.get("cardinality", "")).lower() == "many"
        calls = [self._run(function, payload) for payload in ([events] if takes_many else events)]
        statuses = await asyncio.gather(*calls)
        return Response(status_code=max(statuses, default=202))

    async def _run(self, function: BoundFunction, payload: Any) -> int:
        try:
            answer = await self._caller.call(function, Value(kind="json", text=json.dumps(payload)))
        except WorkerLost:
            return 503
        if answer.failure:
            _LOG.error("%s failed: %s: %s", function.name, answer.failure.type, answer.failure.message)
            return 500
        return 202
