"""A small kubelet for any number of nodes: it runs pods as local processes and reports their real state.

It knows the programs that it runs only by its table of images.

What it does not imitate: containers' isolation (file systems, networks, users, limits of CPU and memory, so no OOM kill and
no eviction), ports (all pods share 127.0.0.1), `kubectl exec`, `logs` and `port-forward`, events, lifecycle hooks,
readiness gates, image pull secrets and policies, ephemeral containers, static pods, volumes of other kinds than
configMap, secret, projected, downwardAPI, emptyDir and hostPath, `resourceFieldRef`, a service account's own
`automountServiceAccountToken`. A changed ConfigMap reaches pods at once; on a real node that takes up to 90 seconds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Self

from local.cluster.informer import Informer
from local.cluster.node import Node, World

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local.cluster.api import Api
    from local.cluster.images import Image
    from local.cluster.nodes import NodeSpec
    from local.cluster.pod import Pod

type Object = dict[str, Any]

START_SECONDS = 120.0


class Kubelet:
    """The nodes of one cluster; `async with` follows the API server, and kills every pod at the end."""

    def __init__(
        self,
        api: Api,
        root: Path,
        *,
        logs: Path,
        images: Mapping[str, Image],
        variables: Mapping[str, str],
        heartbeat_seconds: float,
    ) -> None:
        """Describe a kubelet.

        Args:
            api: an open connection with all rights.
            root: folder for the nodes' file systems and the pods' files.
            logs: folder for what containers write.
            images: by name; you may add images while pods wait for them.
            variables: added to every container's environment.
            heartbeat_seconds: between two heartbeats of a node.
        """
        self.nodes: dict[str, Node] = {}
        self.node_objects = Informer(api, "/api/v1/nodes")
        self.pod_objects = Informer(api, "/api/v1/pods", self._pod_changed)
        self._content = {
            "configMap": Informer(api, "/api/v1/configmaps", self._content_changed),
            "secret": Informer(api, "/api/v1/secrets", self._content_changed),
        }
        self._world = World(api, root, logs, images, self._find, variables, heartbeat_seconds)
        self._api = api
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        informers = [self.node_objects, self.pod_objects, *self._content.values()]
        self._tasks = [asyncio.create_task(informer.run()) for informer in informers]
        async with asyncio.timeout(START_SECONDS):
            await asyncio.gather(*(informer.is_synced.wait() for informer in informers))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(node.stop() for node in self.nodes.values()))
        await asyncio.gather(*(node.release_disk() for node in self.nodes.values()))

    async def add(self, spec: NodeSpec) -> Node:
        """Start a new node."""
        node = self.nodes[spec.name] = Node(spec, self._world)
        await self._start(node)
        return node

    async def lose(self, name: str) -> None:
        """Lose a node: its processes die, and the control plane finds out by missing heartbeats."""
        await self.nodes[name].stop()

    async def recover(self, name: str) -> None:
        """Start a lost node again, with its files; pods that are still bound to it run again."""
        await self._start(self.nodes[name])

    async def remove(self, name: str) -> None:
        """Remove a node for good, with its files and its object. Its pods' objects stay until they are collected."""
        node = self.nodes.pop(name)
        await node.stop()
        await self._api.delete(f"/api/v1/nodes/{name}")
        await node.discard()

    def pod(self, namespace: str, name: str) -> Pod:
        """A pod that runs here; KeyError when there is none of that name."""
        for node in self.nodes.values():
            for pod in node.pods.values():
                if (pod.namespace, pod.name) == (namespace, name):
                    return pod
        raise KeyError(f"no pod {namespace}/{name} runs on these nodes")

    async def _start(self, node: Node) -> None:
        await node.start()
        # Pods that were bound to the node before it ran.
        for pod in [*self.pod_objects.objects.values()]:
            if pod["spec"].get("nodeName") == node.spec.name:
                node.sync(pod)

    def _find(self, kind: str, namespace: str, name: str) -> Object | None:
        return self._content[kind].get(namespace, name)

    def _pod_changed(self, pod: Object, is_there: bool) -> None:  # noqa: FBT001 - an informer's callback
        node = self.nodes.get(pod["spec"].get("nodeName", ""))
        if node is None or not node.is_running:
            return
        if is_there:
            node.sync(pod)
        else:
            node.forget(pod["metadata"]["uid"])

    def _content_changed(self, item: Object, is_there: bool) -> None:  # noqa: FBT001, ARG002 - an informer's callback
        for node in self.nodes.values():
            node.refresh(item["metadata"]["namespace"])
