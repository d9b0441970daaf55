"""One node: registers, gives heartbeats, and runs the pods that are bound to it, all under one folder."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from local.cluster.api import STRATEGIC_MERGE, Api, ApiError
from local.cluster.disk import Disk
from local.cluster.nodes import NodeSpec, lease_object, node_object, node_status
from local.cluster.pod import Host, Pod
from local.cluster.volumes import Places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from local.cluster.images import Image

type Object = dict[str, Any]

_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_CONFLICT = 409
_STATUS_EVERY = 10
_ENDED = ("Succeeded", "Failed")


class World(NamedTuple):
    """Settings and services that all nodes of a cluster share."""

    api: Api
    root: Path
    logs: Path
    images: Mapping[str, Image]
    find: Callable[[str, str, str], Object | None]
    """A ConfigMap or Secret by kind, namespace and name."""
    variables: Mapping[str, str]
    heartbeat_seconds: float


class Node:
    """A node that runs from `start` to `stop`; a stopped node keeps its files and may start again."""

    def __init__(self, spec: NodeSpec, world: World) -> None:
        self.spec = spec
        self.folder = world.root / "nodes" / spec.name
        """The root of its file system: a hostPath `/x` is `folder / "x"`."""
        self.pods: dict[str, Pod] = {}
        self._world = world
        self._disk = Disk(self.folder, spec.disk_bytes)
        self._heart: asyncio.Task[None] | None = None
        self._ends: set[asyncio.Task[None]] = set()

    @property
    def is_running(self) -> bool:
        """Whether the node sends heartbeats and runs pods."""
        return self._heart is not None

    async def start(self) -> None:
        """Register, or come back; soon after, the control plane reports the node as Ready."""
        await self._disk.mount()
        uid = await self._register()
        await self._report_status()
        await self._create_lease(uid)
        self._heart = asyncio.create_task(self._beat_for_ever())

    async def stop(self) -> None:
        """Lose power: heartbeats and processes end without a report. Safe to repeat."""
        tasks, self._ends = [*self._ends], set()
        if self._heart is not None:
            tasks.append(self._heart)
            self._heart = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        pods, self.pods = [*self.pods.values()], {}
        await asyncio.gather(*(pod.abandon() for pod in pods))

    async def discard(self) -> None:
        """Delete the disk, after `stop`."""
        await self._disk.unmount()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def release_disk(self) -> None:
        """Unmount the node's own disk if it has one, after `stop`."""
        await self._disk.unmount()

    def sync(self, pod: Object) -> None:
        """Act on a pod of this node that was added or changed."""
        uid = pod["metadata"]["uid"]
        running = self.pods.get(uid)
        if "deletionTimestamp" in pod["metadata"]:
            running = running or self._adopt(pod)
            if not running.is_terminating:
                self._in_background(self._terminate(running, pod["metadata"].get("deletionGracePeriodSeconds") or 0))
        elif running is None and pod.get("status", {}).get("phase") not in _ENDED:
            self._adopt(pod).start()
        elif running is not None:
            running.reconcile(pod)

    def forget(self, uid: str) -> None:
        """Act on a pod that was removed from the API server."""
        pod = self.pods.pop(uid, None)
        if pod is not None and not pod.is_terminating:
            self._in_background(pod.abandon())

    def refresh(self, namespace: str) -> None:
        """Act on a changed ConfigMap or Secret in that namespace."""
        for pod in self.pods.values():
            if pod.namespace == namespace:
                pod.refresh()

    def _adopt(self, pod: Object) -> Pod:
        metadata = pod["metadata"]
        uid: str = metadata["uid"]
        namespace: str = metadata["namespace"]

        def find(kind: str, name: str) -> Object | None:
            return self._world.find(kind, namespace, name)

        host = Host(
            api=self._world.api,
            images=self._world.images,
            lookup=find,
            places=Places(self._world.root / "pods" / uid, self.folder / "var/lib/kubelet/pods" / uid / "volumes", self.folder),
            logs=self._world.logs / "pods" / f"{namespace}_{metadata['name']}",
            variables=self._world.variables,
        )
        self.pods[uid] = Pod(pod, host)
        return self.pods[uid]

    async def _terminate(self, pod: Pod, grace_seconds: float) -> None:
        await pod.terminate(grace_seconds)
        self.pods.pop(pod.uid, None)

    def _in_background(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)

    async def _register(self) -> str:
        # The status goes along, as with a real kubelet: the scheduler refuses every pod on a node without capacity.
        node = {**node_object(self.spec), "status": node_status(self.spec, self._disk.size_bytes)}
        try:
            registered = await self._world.api.create("/api/v1/nodes", node)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise
            registered = await self._world.api.get(f"/api/v1/nodes/{self.spec.name}")
        return registered["metadata"]["uid"]

    async def _create_lease(self, uid: str) -> None:
        try:
            await self._world.api.create(_LEASES, lease_object(self.spec.name, uid, _micro_now()))
        except ApiError as error:
            if error.status != _CONFLICT:
                raise

    async def _report_status(self) -> None:
        status = {"status": node_status(self.spec, self._disk.size_bytes)}
        await self._world.api.persist("PATCH", f"/api/v1/nodes/{self.spec.name}/status", status, STRATEGIC_MERGE)

    async def _beat_for_ever(self) -> None:
        beats = 0
        while True:
            await asyncio.sleep(self._world.heartbeat_seconds)
            beats += 1
            lease = {"spec": {"renewTime": _micro_now()}}
            await self._world.api.persist("PATCH", f"{_LEASES}/{self.spec.name}", lease, STRATEGIC_MERGE)
            if beats % _STATUS_EVERY == 0:
                await self._report_status()


def _micro_now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
