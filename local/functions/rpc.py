"""The Durable Task service over gRPC; this module gives the generated code types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import durabletask.internal.orchestrator_service_pb2_grpc as stubs
import grpc.aio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import durabletask.internal.orchestrator_service_pb2 as pb

UNLIMITED_MESSAGES: list[tuple[str, Any]] = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]


class Backend(Protocol):
    """The calls of the Durable Task service that the host makes."""

    def GetWorkItems(self, request: pb.GetWorkItemsRequest) -> AsyncIterator[pb.WorkItem]: ...  # noqa: D102, N802
    def CompleteOrchestratorTask(self, request: pb.OrchestratorResponse) -> Awaitable[object]: ...  # noqa: D102, N802
    def CompleteActivityTask(self, request: pb.ActivityResponse) -> Awaitable[object]: ...  # noqa: D102, N802
    def CompleteEntityTask(self, request: pb.EntityBatchResult) -> Awaitable[object]: ...  # noqa: D102, N802
    def GetInstance(self, request: pb.GetInstanceRequest) -> Awaitable[pb.GetInstanceResponse]: ...  # noqa: D102, N802
    def RaiseEvent(self, request: pb.RaiseEventRequest) -> Awaitable[object]: ...  # noqa: D102, N802
    def TerminateInstance(self, request: pb.TerminateRequest) -> Awaitable[object]: ...  # noqa: D102, N802
    def GetEntity(self, request: pb.GetEntityRequest) -> Awaitable[pb.GetEntityResponse]: ...  # noqa: D102, N802


add_backend_to_server = cast(
    "Callable[[stubs.TaskHubSidecarServiceServicer, grpc.Server], None]",
    stubs.add_TaskHubSidecarServiceServicer_to_server,  # pyright: ignore[reportUnknownMemberType] - generated, untyped
)


class Channel:
    """An open connection; close it on the event loop that made it."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.aio.insecure_channel(address, options=UNLIMITED_MESSAGES)
        self.backend = cast("Backend", stubs.TaskHubSidecarServiceStub(self._channel))

    async def close(self) -> None:
        """Close the connection and cancel its calls."""
        await self._channel.close()
