"""The part of the Durable Functions webhooks that the local stack uses: status, events, termination, entity state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc
import grpc.aio
from durabletask.internal import helpers
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.functions.calls import WEBHOOKS

if TYPE_CHECKING:
    from starlette.requests import Request

    from local.functions.rpc import Backend

_UNFINISHED = {"Pending", "Running", "Suspended", "ContinuedAsNew"}


class Management:
    """Answers from the backend; no request needs the language worker."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        instance = WEBHOOKS + "/instances/{id}"
        self.routes = [
            Route(instance, self._status),
            Route(instance + "/raiseEvent/{event}", self._raise_event, methods=["POST"]),
            Route(instance + "/terminate", self._terminate, methods=["POST"]),
            Route(WEBHOOKS + "/entities/{name}/{key:path}", self._entity),
        ]

    async def _status(self, request: Request) -> Response:
        found = await self._instance(request)
        if not found.exists:
            return Response(status_code=404)
        state = found.orchestrationState
        status = _status_name(state.orchestrationStatus)
        output = state.output.value or json.dumps(state.failureDetails.errorMessage or None)
        body = {
            "name": state.name,
            "instanceId": state.instanceId,
            "runtimeStatus": status,
            "input": _parsed(state.input.value),
            "customStatus": _parsed(state.customStatus.value),
            "output": _parsed(output),
            "createdTime": state.createdTimestamp.ToJsonString(),
            "lastUpdatedTime": state.lastUpdatedTimestamp.ToJsonString(),
        }
        return JSONResponse(body, status_code=202 if status in _UNFINISHED else 200)

    async def _raise_event(self, request: Request) -> Response:
        data = helpers.get_string_value((await request.body()).decode() or None)
        event = pb.RaiseEventRequest(instanceId=request.path_params["id"], name=request.path_params["event"], input=data)
        try:
            await self._backend.RaiseEvent(event)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            return Response(status_code=404)
        return Response(status_code=202)

    async def _terminate(self, request: Request) -> Response:
        found = await self._instance(request)
        if not found.exists:
            return Response(status_code=404)
        if _status_name(found.orchestrationState.orchestrationStatus) not in _UNFINISHED:
            return Response(status_code=410)
        reason = json.dumps(request.query_params.get("reason", ""))
        await self._backend.TerminateInstance(
            pb.TerminateRequest(instanceId=request.path_params["id"], output=helpers.get_string_value(reason))
        )
        return Response(status_code=202)

    async def _entity(self, request: Request) -> Response:
        instance_id = f"@{request.path_params['name'].lower()}@{request.path_params['key']}"
        found = await self._backend.GetEntity(pb.GetEntityRequest(instanceId=instance_id, includeState=True))
        if not found.exists:
            return Response(status_code=404)
        return JSONResponse(_parsed(found.entity.serializedState.value))

    async def _instance(self, request: Request) -> pb.GetInstanceResponse:
        instance_id = request.path_params["id"]
        return await self._backend.GetInstance(pb.GetInstanceRequest(instanceId=instance_id, getInputsAndOutputs=True))


def _status_name(status: pb.OrchestrationStatus) -> str:
    words = pb.OrchestrationStatus.Name(status).removeprefix("ORCHESTRATION_STATUS_").split("_")
    return "".join(word.capitalize() for word in words)


def _parsed(text: str) -> Any:
    """A payload parsed as JSON; the text itself when it is not JSON."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text
