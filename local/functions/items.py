"""Work items of the backend: the payload of each for the app, and its completion from the app's answer.

The observer's types are here too; tests use them to interrupt the dispatcher at an exact step.
"""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Literal, override

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.entities.entity_instance_id import EntityInstanceId
from durabletask.internal import helpers

from local.functions.wire import Failure, HttpReply, Value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local.functions.rpc import Backend

Kind = Literal["orchestrator", "activity", "entity"]


@dataclass(frozen=True, slots=True)
class WorkItemNote:
    """How far a work item is.

    `delivered`: the worker is about to get it. `answered`: the worker has answered, and the backend does not know that yet.
    `recorded`: the backend has accepted the completion.
    """

    kind: Kind
    name: str
    instance_id: str
    moment: Literal["delivered", "answered", "recorded"]


class Verdict(Enum):
    """An observer's answer to an `answered` note: drop the worker's answer and deliver the item again."""

    REDELIVER = auto()


type Observer = Callable[[WorkItemNote], Awaitable[Verdict | None] | Verdict | None]


class WorkItem(ABC):
    """One item, from the backend's request to its completion."""

    kind: Kind
    trigger_type: str
    name: str
    instance_id: str

    def __init__(self, token: str) -> None:
        self.token = token

    @abstractmethod
    def payload(self) -> Value:
        """The input of the function's trigger binding."""

    @abstractmethod
    async def complete(self, backend: Backend, result: Value | HttpReply | None) -> None:
        """Report what the function returned."""

    @abstractmethod
    async def fail(self, backend: Backend, failure: Failure) -> None:
        """Report that the function could not be run, or that it raised."""


class ActivityItem(WorkItem):
    """One attempt at an activity. Its exception is an answer; the caller's retry policy decides what follows."""

    kind = "activity"
    trigger_type = "activityTrigger"

    def __init__(self, request: pb.ActivityRequest, token: str) -> None:
        super().__init__(token)
        self._request = request
        self.name = request.name
        self.instance_id = request.orchestrationInstance.instanceId

    @override
    def payload(self) -> Value:
        return Value(kind="json", text=self._request.input.value or "null")

    @override
    async def complete(self, backend: Backend, result: Value | HttpReply | None) -> None:
        response = self._response()
        if isinstance(result, Value):
            response.result.value = result.text
        await backend.CompleteActivityTask(response)

    @override
    async def fail(self, backend: Backend, failure: Failure) -> None:
        response = self._response()
        response.failureDetails.CopyFrom(_details(failure))
        await backend.CompleteActivityTask(response)

    def _response(self) -> pb.ActivityResponse:
        return pb.ActivityResponse(instanceId=self.instance_id, taskId=self._request.taskId, completionToken=self.token)


class OrchestratorItem(WorkItem):
    """One turn of an orchestration. An exception in its code is an answer: the turn completes and the run fails."""

    kind = "orchestrator"
    trigger_type = "orchestrationTrigger"

    def __init__(self, request: pb.OrchestratorRequest, token: str) -> None:
        super().__init__(token)
        self._request = request
        self.instance_id = request.instanceId
        events = (event for events in (request.newEvents, request.pastEvents) for event in reversed(events))
        self.name = next(e.executionStarted.name for e in events if e.HasField("executionStarted"))

    @override
    def payload(self) -> Value:
        return _base64(self._request.SerializeToString())

    @override
    async def complete(self, backend: Backend, result: Value | HttpReply | None) -> None:
        response = pb.OrchestratorResponse.FromString(_decoded(result))
        response.completionToken = self.token
        await backend.CompleteOrchestratorTask(response)

    @override
    async def fail(self, backend: Backend, failure: Failure) -> None:
        end = pb.CompleteOrchestrationAction(orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED, failureDetails=_details(failure))
        actions = [pb.OrchestratorAction(id=-1, completeOrchestration=end)]
        response = pb.OrchestratorResponse(instanceId=self.instance_id, actions=actions, completionToken=self.token)
        await backend.CompleteOrchestratorTask(response)


class EntityItem(WorkItem):
    """A batch of operations on one entity; each operation that raises has an answer of its own."""

    kind = "entity"
    trigger_type = "entityTrigger"

    def __init__(self, request: pb.EntityRequest, token: str) -> None:
        super().__init__(token)
        self.instance_id = request.instanceId
        self.name = EntityInstanceId.parse(request.instanceId).entity
        self._batch, self._infos = helpers.convert_to_entity_batch_request(request)

    @override
    def payload(self) -> Value:
        return _base64(self._batch.SerializeToString())

    @override
    async def complete(self, backend: Backend, result: Value | HttpReply | None) -> None:
        await self._send(backend, pb.EntityBatchResult.FromString(_decoded(result)))

    @override
    async def fail(self, backend: Backend, failure: Failure) -> None:
        """Fail every operation of the batch; the entity keeps its state."""
        failed = pb.OperationResult(failure=pb.OperationResultFailure(failureDetails=_details(failure)))
        results = [failed] * len(self._batch.operations)
        await self._send(backend, pb.EntityBatchResult(results=results, entityState=self._batch.entityState))

    async def _send(self, backend: Backend, batch: pb.EntityBatchResult) -> None:
        batch.completionToken = self.token
        del batch.operationInfos[:]
        batch.operationInfos.extend(self._infos)
        await backend.CompleteEntityTask(batch)


def read_item(item: pb.WorkItem) -> WorkItem | None:
    """The work item of a stream message; None for a message without one."""
    match item.WhichOneof("request"):
        case "orchestratorRequest":
            return OrchestratorItem(item.orchestratorRequest, item.completionToken)
        case "activityRequest":
            return ActivityItem(item.activityRequest, item.completionToken)
        case "entityRequestV2":
            return EntityItem(item.entityRequestV2, item.completionToken)
        case _:
            return None


def _base64(body: bytes) -> Value:
    return Value(kind="string", text=base64.b64encode(body).decode())


def _decoded(result: Value | HttpReply | None) -> bytes:
    if not isinstance(result, Value):
        raise TypeError(f"a durable function returned {result!r} instead of its encoded response")
    return base64.b64decode(result.text)


def _details(failure: Failure) -> pb.TaskFailureDetails:
    """Failure details in the extension's form: the bare class name, and the first line of the message."""
    message = (failure.message or failure.type).partition("\n")[0]
    return pb.TaskFailureDetails(errorType=failure.type, errorMessage=message, stackTrace=helpers.get_string_value(failure.stack))
