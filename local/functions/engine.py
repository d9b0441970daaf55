"""Microsoft's in-memory Durable Task backend, corrected where it differs from the Durable Functions extension.

Corrected here (in brackets: what the base class does):
- an event for a run in the middle of a turn waits for the turn's end, and then wakes the dispatcher at once (it waits for the
  next 100 ms poll, and delays the runs queued behind it);
- a child's result reaches its caller, with its real error, however long the child takes (it is lost after 30 s);
- a child knows its parent (`parentInstance`), even after it has continued as new;
- timers, activities and children of an earlier execution do not affect the next execution of the same id;
- a finished run executes no more turns; its id may be started again, while a live id gives ALREADY_EXISTS;
- an activity that fails with an empty message has failed (it counts as a success);
- an entity without state does not exist; terminating can include the children.

On request, `start_window_seconds`, starts race as they do on Azure's storage backend (the base class never lets two starts win).
A start there looks for its id, queues a message, and then writes the instance. Of several that looked before the first of them
wrote, every one is told that it won, but only the first one's run executes: the instance keeps that input, and the others'
messages are discarded. A start that looks later is refused. The window is the time between look and write. Sources:
DurableTask.AzureStorage 2.9, `AzureStorageOrchestrationService.CreateTaskOrchestrationAsync`;
`AzureTableTrackingStore.SetNewExecutionAsync`, which ignores that the instance was written meanwhile (409, 412);
`OrchestrationSessionManager.DedupeExecutionStartedMessagesAsync`, which discards the messages of all other executions.

Not corrected: state lives in memory only; each pending timer is a thread; a scheduled start happens at once; a query scans all
entities; the backend hands out each work item once, so the dispatcher keeps it until it is completed.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, override

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.internal import helpers
from durabletask.testing.in_memory_backend import InMemoryOrchestrationBackend, OrchestrationInstance

from local.functions.lineage import Caller, adopt, child_result, parent_of

if TYPE_CHECKING:
    import grpc

_MAX_HISTORY_EVENTS = 1_000_000
_RESULTS = frozenset(
    {
        "taskCompleted",
        "taskFailed",
        "timerFired",
        "subOrchestrationInstanceCompleted",
        "subOrchestrationInstanceFailed",
    }
)
"""Events that answer a task by its number; an execution counts its tasks from one."""


class Engine(InMemoryOrchestrationBackend):
    """The backend with the corrections that the module's docstring lists. All of them hold the base class's lock."""

    def __init__(self, port: int, *, start_window_seconds: float = 0.0) -> None:
        super().__init__(max_history_size=_MAX_HISTORY_EVENTS, port=port)
        self._start_window_seconds = start_window_seconds
        self._callers: dict[str, Caller] = {}
        self._first_tokens: dict[str, int] = {}

    @override
    def StartInstance(self, request: pb.CreateInstanceRequest, context: grpc.ServicerContext) -> pb.CreateInstanceResponse:
        seen = self._instances.get(request.instanceId)
        is_racing = self._start_window_seconds > 0 and (seen is None or self._is_terminal_status(seen.status))
        if is_racing:
            self._shutdown_event.wait(self._start_window_seconds)
        with self._lock:
            existing = self._instances.get(request.instanceId)
            if is_racing and existing is not seen:
                return pb.CreateInstanceResponse(instanceId=request.instanceId)
            has_policy = bool(request.orchestrationIdReusePolicy.replaceableStatus)
            if existing and self._is_terminal_status(existing.status) and not has_policy:
                del self._instances[request.instanceId]
            response = super().StartInstance(request, context)
            self._begin_execution(response.instanceId)
            return response

    @override
    def _create_instance_internal(
        self, instance_id: str, name: str, encoded_input: str | None = None, version: str | None = None
    ) -> None:
        super()._create_instance_internal(instance_id, name, encoded_input, version)
        self._begin_execution(instance_id)

    def _begin_execution(self, instance_id: str) -> None:
        self._first_tokens[instance_id] = self._instances[instance_id].completion_token

    def _accepts(self, instance: OrchestrationInstance, token: int) -> bool:
        """Whether a result of the turn with that token belongs to the run's current execution."""
        is_current = token >= self._first_tokens.get(instance.instance_id, 0)
        return is_current and not self._is_terminal_status(instance.status)

    def _deliver(self, instance: OrchestrationInstance, event: pb.HistoryEvent) -> None:
        instance.pending_events.append(event)
        instance.last_updated_at = datetime.now(UTC)
        self._enqueue_orchestration(instance.instance_id)

    @override
    def _enqueue_orchestration(self, instance_id: str) -> None:
        instance = self._instances.get(instance_id)
        if instance and self._is_terminal_status(instance.status):
            instance.pending_events.clear()
        elif instance_id not in self._orchestration_in_flight:
            super()._enqueue_orchestration(instance_id)
            self._work_available.set()

    @override
    def CompleteOrchestratorTask(
        self, request: pb.OrchestratorResponse, context: grpc.ServicerContext
    ) -> pb.CompleteTaskResponse:
        with self._lock:
            response = super().CompleteOrchestratorTask(request, context)
            instance = self._instances.get(request.instanceId)
            if instance and instance.pending_events and instance.status != pb.ORCHESTRATION_STATUS_SUSPENDED:
                self._enqueue_orchestration(request.instanceId)
            return response

    @override
    def CompleteActivityTask(self, request: pb.ActivityResponse, context: grpc.ServicerContext) -> pb.CompleteTaskResponse:
        with self._lock:
            instance = self._instances.get(request.instanceId)
            if instance and not self._accepts(instance, int(request.completionToken)):
                return pb.CompleteTaskResponse()
            if request.HasField("failureDetails") and not request.failureDetails.errorMessage:
                request.failureDetails.errorMessage = request.failureDetails.errorType
            return super().CompleteActivityTask(request, context)

    @override
    def _process_complete_orchestration_action(
        self, instance: OrchestrationInstance, complete_action: pb.CompleteOrchestrationAction
    ) -> None:
        parent = parent_of(instance)
        continues = complete_action.orchestrationStatus == pb.ORCHESTRATION_STATUS_CONTINUED_AS_NEW
        if continues:
            # A result that arrived during this turn belongs to the execution that the turn ends.
            instance.pending_events[:] = [
                event for event in instance.pending_events if not _RESULTS & {event.WhichOneof("eventType")}
            ]
        super()._process_complete_orchestration_action(instance, complete_action)
        if continues:
            self._first_tokens[instance.instance_id] = instance.completion_token + 1
            adopt(instance, parent)

    @override
    def _process_create_timer_action(self, instance: OrchestrationInstance, action: pb.OrchestratorAction) -> None:
        fire_at = action.createTimer.fireAt.ToDatetime(tzinfo=UTC)
        instance.history.append(helpers.new_timer_created_event(action.id, fire_at))
        delay = max(0.0, (fire_at - datetime.now(UTC)).total_seconds())
        fired = (instance.instance_id, instance.completion_token, helpers.new_timer_fired_event(action.id, fire_at))
        timer = threading.Timer(delay, self._fire_timer, fired)
        timer.daemon = True
        timer.start()

    def _fire_timer(self, instance_id: str, token: int, event: pb.HistoryEvent) -> None:
        with self._lock:
            instance = self._instances.get(instance_id)
            if instance and self._accepts(instance, token):
                self._deliver(instance, event)

    @override
    def _process_create_sub_orchestration_action(self, instance: OrchestrationInstance, action: pb.OrchestratorAction) -> None:
        super()._process_create_sub_orchestration_action(instance, action)
        child_id = action.createSubOrchestration.instanceId
        if self._callers.get(child_id) == Caller(instance.instance_id, action.id, instance.completion_token):
            parent = pb.ParentInstanceInfo(
                taskScheduledId=action.id,
                name=helpers.get_string_value(instance.name),
                orchestrationInstance=pb.OrchestrationInstance(instanceId=instance.instance_id),
            )
            adopt(self._instances[child_id], parent)

    @override
    def _watch_sub_orchestration(self, parent_instance_id: str, sub_instance_id: str, task_id: int) -> None:
        token = self._instances[parent_instance_id].completion_token
        self._callers[sub_instance_id] = Caller(parent_instance_id, task_id, token)

    @override
    def _notify_waiters(self, instance_id: str) -> None:
        super()._notify_waiters(instance_id)
        child = self._instances[instance_id]
        if not self._is_terminal_status(child.status) or instance_id not in self._callers:
            return
        caller = self._callers.pop(instance_id)
        parent = self._instances.get(caller.instance_id)
        if parent and self._accepts(parent, caller.token):
            self._deliver(parent, child_result(child, caller.task_id))

    @override
    def _terminate_instance_internal(self, instance_id: str, output: str | None, recursive: bool = False) -> None:
        super()._terminate_instance_internal(instance_id, output)
        children = [child for child, caller in self._callers.items() if caller.instance_id == instance_id]
        for child in children if recursive else ():
            self._terminate_instance_internal(child, output, recursive=True)

    @override
    def GetEntity(self, request: pb.GetEntityRequest, context: grpc.ServicerContext) -> pb.GetEntityResponse:
        with self._lock:
            entity = self._entities.get(request.instanceId)
            if entity is None or entity.serialized_state is None:
                return pb.GetEntityResponse(exists=False)
            return super().GetEntity(request, context)

    @override
    def QueryEntities(self, request: pb.QueryEntitiesRequest, context: grpc.ServicerContext) -> pb.QueryEntitiesResponse:
        with self._lock:
            found = super().QueryEntities(request, context)
            kept = [e for e in found.entities if self._entities[e.instanceId].serialized_state is not None]
            return pb.QueryEntitiesResponse(entities=kept, continuationToken=found.continuationToken)
