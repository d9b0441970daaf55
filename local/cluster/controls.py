"""Controls of nodes and pods for tests: lose, replace, cordon, fill, kill. For the local cluster only."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from local.cluster.api import STRATEGIC_MERGE, Api
from local.cluster.disk import drop_page_cache, fill
from local.cluster.manifests import NAMESPACE
from local.cluster.nodes import WORKLOAD_POOL, NodeSpec, is_ready, node_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.cluster.kubelet import Kubelet

WAIT_SECONDS = 60.0


class Nodes:
    """The nodes of the local cluster. Methods return when the control plane has noticed, unless they say otherwise.

    To slow a node's network, put a `local.proxy.Proxy` with a round trip in front of the servers that its pods use.
    """

    def __init__(self, api: Api, kubelet: Kubelet, logs: Path) -> None:
        self._api = api
        self._kubelet = kubelet
        self._logs = logs
        self._numbers: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """Nodes of the workload pool, lost ones included, sorted."""
        return sorted(name for name, node in self._kubelet.nodes.items() if not node.spec.is_system)

    @property
    def specs(self) -> list[NodeSpec]:
        """All nodes, including lost ones and those of the system pool."""
        return [node.spec for node in self._kubelet.nodes.values()]

    def new_spec(self, pool: str = WORKLOAD_POOL) -> NodeSpec:
        """A node with the next name in that pool, as AKS numbers them, in the next of three zones."""
        number = self._numbers.get(pool, 0)
        self._numbers[pool] = number + 1
        return NodeSpec(node_name(pool, number), pool=pool, zone=number % 3 + 1)

    async def add(self, *specs: NodeSpec) -> None:
        """Start nodes; returns when they are Ready."""
        await asyncio.gather(*(self._kubelet.add(spec) for spec in specs))
        await self._until(lambda: all(self.is_ready(spec.name) for spec in specs))

    async def lose(self, name: str) -> None:
        """Cut a node's power: processes die at once, and after the grace period the node is no longer Ready."""
        await self._kubelet.lose(name)
        await self._until(lambda: not self.is_ready(name))

    async def recover(self, name: str) -> None:
        """Start a lost node again, with its files and the pods that are still bound to it."""
        await self._kubelet.recover(name)
        await self._until(lambda: self.is_ready(name))

    async def remove(self, name: str, *, collect_pods: bool = True) -> None:
        """Remove a node with its disk and its object, as scaling in does.

        Args:
            name: of the node.
            collect_pods: remove its pods too; else the control plane removes them after 40 to 60 s, as on AKS.
        """
        await self._kubelet.remove(name)
        await self._until(lambda: self._kubelet.node_objects.get("", name) is None)
        if collect_pods:
            for (space, pod), item in [*self._kubelet.pod_objects.objects.items()]:
                if item["spec"].get("nodeName") == name:
                    await self._api.delete(f"/api/v1/namespaces/{space}/pods/{pod}", {"gracePeriodSeconds": 0})

    async def replace(self, name: str) -> str:
        """Remove a node and start one of the same shape under a new name, as a re-imaged pool does; returns that name."""
        old = self._kubelet.nodes[name].spec
        await self.remove(name)
        new = replace(old, name=self.new_spec(old.pool).name)
        await self.add(new)
        return new.name

    async def cordon(self, name: str, *, is_cordoned: bool = True) -> None:
        """Forbid or allow new pods on a node; pods of DaemonSets ignore that."""
        await self._api.patch(f"/api/v1/nodes/{name}", {"spec": {"unschedulable": is_cordoned or None}}, STRATEGIC_MERGE)
        nodes = self._kubelet.node_objects
        await self._until(lambda: (nodes.get("", name) or {"spec": {}})["spec"].get("unschedulable", False) is is_cordoned)

    def is_ready(self, name: str) -> bool:
        """Whether the control plane reports the node as Ready."""
        item = self._kubelet.node_objects.get("", name)
        return item is not None and is_ready(item)

    def folder(self, name: str) -> Path:
        """The root of a node's file system: a hostPath `/x` is `folder(name) / "x"`."""
        return self._kubelet.nodes[name].folder

    def fill_disk(self, name: str, leave_bytes: int = 0) -> Path:
        """Fill the disk of a node that has one of its own (`NodeSpec.disk_bytes`); remove the returned file to free it."""
        if self._kubelet.nodes[name].spec.disk_bytes is None:
            raise ValueError(f"{name} shares the machine's disk, which must not be filled")
        return fill(self.folder(name), leave_bytes)

    async def drop_page_cache(self, name: str, host_path: str) -> int:
        """Evict the files below a folder of the node from memory; returns their number."""
        return await asyncio.to_thread(drop_page_cache, self.folder(name) / host_path.lstrip("/"))

    def kill_pod(self, name: str, namespace: str = NAMESPACE) -> None:
        """Kill all processes of a pod with SIGKILL; its restart policy decides what follows."""
        for container in self._kubelet.pod(namespace, name).containers:
            container.kill()

    def processes(self, name: str, namespace: str = NAMESPACE) -> list[int]:
        """Ids of a pod's running processes; each is also the id of a process group."""
        containers = self._kubelet.pod(namespace, name).containers
        return [container.pid for container in containers if container.pid is not None]

    def log(self, pod: str, container: str, namespace: str = NAMESPACE) -> str:
        """Output of all runs of a container; kept after the pod is gone."""
        path = self._logs / "pods" / f"{namespace}_{pod}" / f"{container}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def _until(self, says_yes: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            await self._kubelet.node_objects.wait_for(says_yes)
