"""The cluster that runs on this machine: control plane, the project's roles, and nodes."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import shutil
from typing import TYPE_CHECKING

from local.cluster.access import there
from local.cluster.api import Api
from local.cluster.arm_documents import Pool
from local.cluster.binaries import ensure_programs
from local.cluster.control_plane import ControlPlane, Timing
from local.cluster.controls import Nodes
from local.cluster.kubelet import Kubelet
from local.cluster.manifests import apply, roles
from local.cluster.nodes import SYSTEM_POOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from local.cluster.access import Access
    from local.cluster.images import Image
    from local.cluster.nodes import NodeSpec


class Ours:
    """A cluster of child processes below one folder."""

    def __init__(
        self,
        root: Path,
        *,
        nodes: int | Sequence[NodeSpec],
        system_nodes: int,
        images: Mapping[str, Image],
        may_label_nodes: bool,
        timing: Timing,
    ) -> None:
        """Describe a cluster; `Cluster` explains the arguments."""
        self.kubeconfig = root / "kubeconfig"
        self._root = root
        self._wanted = nodes
        self._system_nodes = system_nodes
        self._images = images
        self._may_label_nodes = may_label_nodes
        self._timing = timing
        self._control_plane: ControlPlane | None = None
        self._nodes: Nodes | None = None
        self._exit = contextlib.AsyncExitStack()

    @property
    def control_plane(self) -> ControlPlane:
        """The servers, once started."""
        return there(self._control_plane)

    @property
    def nodes(self) -> Nodes:
        """Controls of the nodes, once started."""
        return there(self._nodes)

    @property
    def admin(self) -> Access:
        """Access with all rights."""
        return self.control_plane.admin

    @property
    def app(self) -> Access:
        """Access with the app's rights."""
        return self.control_plane.app

    def pools(self) -> list[Pool]:
        """The pools as they are now."""
        counts = collections.Counter((spec.pool, spec.vm_size, spec.is_system) for spec in self.nodes.specs)
        return [Pool(pool, count, size, is_system) for (pool, size, is_system), count in sorted(counts.items())]

    async def start(self) -> None:
        """Start everything; returns when all nodes are Ready.

        Raises:
            ClusterUnavailable: the servers cannot be built on this machine.
            ProcessFailed: a part could not be started; `stop` ends the others.
        """
        plane = self._control_plane = ControlPlane(self._root, await ensure_programs(), self._timing)
        self._exit.push_async_callback(self._remove_files)
        self._exit.push_async_callback(plane.stop)
        await plane.start()
        plane.admin.write_kubeconfig(self.kubeconfig)
        api = await self._exit.enter_async_context(Api(plane.admin))
        await apply(api, roles(plane.app_user, may_label_nodes=self._may_label_nodes))
        logs = self._root / "logs"
        kubelet = Kubelet(
            api,
            self._root,
            logs=logs,
            images=self._images,
            variables={"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(plane.port)},
            heartbeat_seconds=self._timing.heartbeat_seconds,
        )
        await self._exit.enter_async_context(kubelet)
        nodes = self._nodes = Nodes(api, kubelet, logs)
        wanted = [nodes.new_spec() for _ in range(self._wanted)] if isinstance(self._wanted, int) else self._wanted
        await nodes.add(*wanted, *(nodes.new_spec(SYSTEM_POOL) for _ in range(self._system_nodes)))

    async def stop(self) -> None:
        """Kill all processes, and remove all files but logs. Safe to repeat."""
        await self._exit.aclose()

    async def failed(self) -> None:
        """Wait until a part that must not end has ended, and raise its ProcessFailed."""
        await self.control_plane.failed()

    async def _remove_files(self) -> None:
        for name in ("control-plane", "nodes", "pods"):
            await asyncio.to_thread(shutil.rmtree, self._root / name, ignore_errors=True)
