"""Deliver work items from the backend to the worker, and answers back, even if workers die in between.

The backend hands out an item once. The dispatcher therefore keeps each item until the backend has accepted its completion,
and delivers it to the next worker when one dies. Delivery is at least once, as with the real host's queues.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any, Literal

import durabletask.internal.orchestrator_service_pb2 as pb
import grpc.aio
from google.protobuf.message import DecodeError

from local.functions.items import Observer, Verdict, WorkItem, WorkItemNote, read_item
from local.functions.wire import Answer, Failure
from local.functions.worker_connection import WorkerLost
from local.processes import ProcessFailed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from local.functions.calls import Caller
    from local.functions.catalogue import BoundFunction, Catalogue, DurableSettings
    from local.functions.rpc import Backend

_LOG = logging.getLogger(__name__)
# An error that a durable function raises is part of its answer. An invocation that fails itself mostly fails for good.
_ATTEMPTS = 3
_STREAM_ITEMS = 10_000


class BackendLost(ProcessFailed):
    """The backend is gone, and with it the state of every run."""


class Dispatcher:
    """Serves the backend's work item stream until it is cancelled."""

    def __init__(
        self,
        backend: Backend,
        caller: Caller,
        catalogue: Catalogue,
        settings: DurableSettings,
        *,
        deliver_twice: bool = False,
        observer: Observer | None = None,
    ) -> None:
        self._backend = backend
        self._caller = caller
        self._catalogue = catalogue
        self._deliver_twice = deliver_twice
        self._observer = observer
        self._tasks: set[asyncio.Task[object]] = set()
        self._slots = {
            "orchestrator": asyncio.Semaphore(settings.orchestrators),
            "activity": asyncio.Semaphore(settings.activities),
            "entity": asyncio.Semaphore(settings.entities),
        }

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            BackendLost: the backend ended.
        """
        request = pb.GetWorkItemsRequest(
            maxConcurrentOrchestrationWorkItems=_STREAM_ITEMS,
            maxConcurrentActivityWorkItems=_STREAM_ITEMS,
            maxConcurrentEntityWorkItems=_STREAM_ITEMS,
        )
        try:
            async for message in self._backend.GetWorkItems(request):
                item = read_item(message)
                if item:
                    self._spawn(self._serve(item))
            raise BackendLost("it ended the stream of work items")
        except grpc.aio.AioRpcError as error:
            raise BackendLost(error.details()) from error
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _LOG.error("A work item was lost.", exc_info=error)

    async def _serve(self, item: WorkItem) -> None:
        async with self._slots[item.kind]:
            function = self._catalogue.find(item.trigger_type, item.name)
            if function is None:
                message = f"the app has no {item.kind} function named '{item.name}'"
                _LOG.error("%s: %s", item.instance_id, message)
                await item.fail(self._backend, Failure(type="FunctionNotFound", message=message, stack=""))
            else:
                await self._record(item, await self._answer(item, function))
            await self._observe(item, "recorded")

    async def _answer(self, item: WorkItem, function: BoundFunction) -> Answer:
        failures = 0
        while True:
            await self._observe(item, "delivered")
            try:
                answer = await self._deliver(item, function)
            except WorkerLost:
                _LOG.warning("%s '%s' is delivered again: its worker died.", item.kind, item.name)
                continue
            if await self._observe(item, "answered") is Verdict.REDELIVER:
                continue
            failures += answer.failure is not None
            if answer.failure is None or item.kind == "activity" or failures == _ATTEMPTS:
                return answer

    async def _deliver(self, item: WorkItem, function: BoundFunction) -> Answer:
        payload = item.payload()
        if not (self._deliver_twice and item.kind == "activity"):
            return await self._caller.call(function, payload)
        twins = [asyncio.create_task(self._caller.call(function, payload)) for _ in range(2)]
        done, late = await asyncio.wait(twins, return_when=asyncio.FIRST_COMPLETED)
        for twin in late:
            self._spawn(_discard(twin))
        return next(iter(done)).result()

    async def _record(self, item: WorkItem, answer: Answer) -> None:
        if answer.failure:
            _LOG.info("%s '%s' of %s failed: %s", item.kind, item.name, item.instance_id, answer.failure.message)
            await item.fail(self._backend, answer.failure)
            return
        try:
            await item.complete(self._backend, answer.result)
        except (TypeError, ValueError, DecodeError) as error:
            _LOG.exception("%s '%s' of %s gave an answer that cannot be read.", item.kind, item.name, item.instance_id)
            await item.fail(self._backend, Failure(type=type(error).__name__, message=str(error), stack=""))

    async def _observe(self, item: WorkItem, moment: Literal["delivered", "answered", "recorded"]) -> Verdict | None:
        if self._observer is None:
            return None
        verdict = self._observer(WorkItemNote(item.kind, item.name, item.instance_id, moment))
        return await verdict if inspect.isawaitable(verdict) else verdict


async def _discard(twin: asyncio.Task[Answer]) -> None:
    await asyncio.wait([twin])
    if not twin.cancelled():
        twin.exception()
