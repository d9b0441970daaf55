"""Parents and children among the runs of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.internal import helpers

if TYPE_CHECKING:
    from durabletask.testing.in_memory_backend import OrchestrationInstance


class Caller(NamedTuple):
    """The run that waits for a child: which of its tasks, and in which of its turns the child was started."""

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
    """The parent of a run, as its history names it."""
    for event in instance.history:
        if event.HasField("executionStarted") and event.executionStarted.HasField("parentInstance"):
            return event.executionStarted.parentInstance
    return None


def adopt(child: OrchestrationInstance, parent: pb.ParentInstanceInfo | None) -> None:
    """Name the parent in the event that is about to start the child's execution."""
    for event in child.pending_events:
        if parent and event.HasField("executionStarted"):
            event.executionStarted.parentInstance.CopyFrom(parent)
