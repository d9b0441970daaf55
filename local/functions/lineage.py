"""Parent and child runs of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.internal import helpers

if TYPE_CHECKING:
    from durabletask.testing.in_memory_backend import OrchestrationInstance


class Caller(NamedTuple):
    """The run that waits for a child, with the task and the turn that started the child."""

    instance_id: str
    task_id: int
    token: int


def child_result(child: OrchestrationInstance, task_id: int) -> pb.HistoryEvent:
    """The event that tells a parent how its child ended."""
    if child.status == pb.ORCHESTRATION_STATUS_COMPLETED:
        return helpers.new_sub_orchestration_completed_event(task_id, child.output)
    event = helpers.new_sub_orchestration_failed_event(task_id, RuntimeError(f"{child.instance_id} was terminated"))
    if child.failure_details:
        event.subOrchestrationInstanceFailed.failureDetails.CopyFrom(child.failure_details)
    return event


def parent_of(instance: OrchestrationInstance) -> pb.ParentInstanceInfo | None:
    """The parent of a run, from the run's history."""
    for event in instance.history:
        if event.HasField("executionStarted") and event.executionStarted.HasField("parentInstance"):
            return event.executionStarted.parentInstance
    return None


def adopt(child: OrchestrationInstance, parent: pb.ParentInstanceInfo | None) -> None:
    """Write the parent into the pending event that starts the child's execution."""
    for event in child.pending_events:
        if parent and event.HasField("executionStarted"):
            event.executionStarted.parentInstance.CopyFrom(parent)
