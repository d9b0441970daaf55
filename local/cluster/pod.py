"""One pod on its node: volumes, init containers, containers, status reports, and termination."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

from local.cluster.api import STRATEGIC_MERGE, Api
from local.cluster.container import Container
from local.cluster.environment import NotYet
from local.cluster.launch import Surroundings
from local.cluster.status import now, status_of
from local.cluster.volumes import Places, Volumes, with_service_account

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

    from local.cluster.environment import Lookup
    from local.cluster.images import Image

type Object = dict[str, Any]

_log = logging.getLogger(__name__)
_MOUNT_RETRY_SECONDS = 0.2
_TOKEN_CHECK_SECONDS = 30.0


class Host(NamedTuple):
    """Services of a node that its pods use."""

    api: Api
    images: Mapping[str, Image]
    lookup: Lookup
    places: Places
    logs: Path
    variables: Mapping[str, str]


class Pod:
    """A pod that runs in its own tasks, from `start` to `terminate` or `abandon`."""

    def __init__(self, pod: Object, host: Host) -> None:
        self.name: str = pod["metadata"]["name"]
        self.namespace: str = pod["metadata"]["namespace"]
        self.uid: str = pod["metadata"]["uid"]
        self.is_terminating = False
        self._host = host
        spec = with_service_account(pod)
        self._volumes = Volumes(spec, host.places, host.api, host.lookup)
        self._reported: Object = pod.get("status", {})
        self._start_time: str = self._reported.get("startTime") or now()
        self._is_contradicted = False
        self._has_news = asyncio.Event()
        around = Surroundings(
            pod=spec,
            folder=host.places.pod,
            logs=host.logs,
            images=host.images,
            lookup=host.lookup,
            volumes=self._volumes.folders,
            variables={**host.variables, "HOSTNAME": self.name},
            changed=self._has_news.set,
        )
        self._inits = [Container(part, around, is_init=True) for part in spec["spec"].get("initContainers", [])]
        self.containers = [Container(part, around, is_init=False) for part in spec["spec"]["containers"]]
        self._continue_counts()
        self._tasks: list[asyncio.Task[None]] = []
        self._runs: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start the pod's tasks."""
        self._host.places.pod.mkdir(parents=True, exist_ok=True)
        self._has_news.set()
        self._tasks = [_noisy(work) for work in (self._live(), self._report_for_ever(), self._renew_tokens())]

    def reconcile(self, pod: Object) -> None:
        """Act on a changed object: report readiness again if another controller (the node controller) has removed it."""
        if _is_ready(self._reported) and not _is_ready(pod.get("status", {})):
            self._is_contradicted = True
            self._has_news.set()

    def refresh(self) -> None:
        """Act on a changed ConfigMap or Secret of the namespace."""
        if self._volumes.folders and not self.is_terminating:
            self._tasks.append(_noisy(self._volumes.refresh()))
            self._tasks = [task for task in self._tasks if not task.done()]

    async def terminate(self, grace_seconds: float) -> None:
        """End all containers within the grace period, report that, and delete the pod object."""
        self.is_terminating = True
        await asyncio.gather(*(container.stop(grace_seconds) for container in [*self._inits, *self.containers]))
        if self._runs:
            await asyncio.wait(self._runs)
        await self._stop_tasks()
        await self._report()
        await self.remove_object()
        await asyncio.to_thread(self._volumes.remove)

    async def abandon(self) -> None:
        """Kill everything and report nothing, as when a machine loses its power. Files stay."""
        self.is_terminating = True
        await self._stop_tasks()
        for container in [*self._inits, *self.containers]:
            container.kill()

    async def remove_object(self) -> None:
        """Delete the pod from the API server at once."""
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self.uid}}
        await self._host.api.persist("DELETE", self._path, body)

    async def _live(self) -> None:
        await self._mount()
        for init in self._inits:
            await init.run()
            if init.state.exit_code != 0 or self.is_terminating:
                return
        self._runs = [_noisy(container.run()) for container in self.containers]
        # Not gather: cancelling this task must not cancel the containers, which are stopped in order.
        await asyncio.wait(self._runs)

    async def _mount(self) -> None:
        while True:
            try:
                await self._volumes.mount()
            except NotYet as error:
                for container in self.containers:
                    container.state.state = {"waiting": {"reason": "ContainerCreating", "message": str(error)}}
                self._has_news.set()
                await asyncio.sleep(_MOUNT_RETRY_SECONDS)
            else:
                return

    async def _renew_tokens(self) -> None:
        while True:
            await asyncio.sleep(_TOKEN_CHECK_SECONDS)
            await self._volumes.refresh()

    async def _report_for_ever(self) -> None:
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            await self._report()

    async def _report(self) -> None:
        inits = [init.state for init in self._inits]
        containers = [container.state for container in self.containers]
        status = status_of(inits, containers, start_time=self._start_time, before=self._reported)
        if status != self._reported or self._is_contradicted:
            self._is_contradicted = False
            body = {"metadata": {"uid": self.uid}, "status": status}
            await self._host.api.persist("PATCH", f"{self._path}/status", body, STRATEGIC_MERGE)
            self._reported = status

    async def _stop_tasks(self) -> None:
        tasks, self._tasks = [*self._tasks, *self._runs], []
        await _cancelled(tasks)

    def _continue_counts(self) -> None:
        before = {status["name"]: status for status in self._reported.get("containerStatuses", [])}
        for container in self.containers:
            container.take_over(before.get(container.state.name, {}))

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"


def _is_ready(status: Object) -> bool:
    return any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions", []))


def _noisy(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task that logs its failure: no caller awaits it, and a pod that stops working would be silent."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the local kubelet has an error of its own", exc_info=error)

    task = asyncio.create_task(work)
    task.add_done_callback(ended)
    return task


async def _cancelled(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
