"""The whole cluster: control plane, nodes, the project's roles and ARM's stand-in, started and stopped together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cluster.arm import Arm
from local.cluster.arm_documents import TENANT_ID, ManagedCluster
from local.cluster.binaries import obstacle
from local.cluster.control_plane import Timing
from local.cluster.given import Given, given_kubeconfig
from local.cluster.images import Image
from local.cluster.ours import Ours
from local.upkeep import Together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from local.cluster.access import Access
    from local.cluster.controls import Nodes
    from local.cluster.nodes import NodeSpec

SUBSCRIPTION_ID = "00000000-0000-0000-0000-000000000000"
RESOURCE_GROUP = "local"
CLUSTER_NAME = "aks-local"


class Cluster(Together):
    """A Kubernetes cluster and a stand-in for its ARM; `async with` starts and stops both.

    Starting returns when all nodes are Ready. It raises ClusterUnavailable, with advice, where this machine cannot run a
    cluster, and ProcessFailed when a part could not be started. Stopping kills all processes and removes all files but logs.

    With KUBECONFIG in the environment this is the user's cluster. Then nothing is built, only ARM's stand-in runs, the roles are
    applied and stay, and there are no node controls.
    """

    def __init__(
        self,
        root: Path,
        *,
        nodes: int | Sequence[NodeSpec] = 3,
        system_nodes: int = 1,
        images: Mapping[str, Image] | None = None,
        may_label_nodes: bool = False,
        timing: Timing | None = None,
        kubeconfig: Path | None = None,
    ) -> None:
        """Describe a cluster; nothing runs before `start`.

        Args:
            root: folder for all files; holds one cluster at a time.
            nodes: of the workload pool: how many, or their specs.
            system_nodes: how many nodes the system pool has.
            images: programs and environment by image name.
            may_label_nodes: apply the optional role as well.
            timing: of heartbeats.
            kubeconfig: of a cluster to use instead; None reads KUBECONFIG.
        """
        super().__init__()
        self.root = root
        self.logs = root / "logs"
        self.images: dict[str, Image] = dict(images or {})
        """You may add images while pods wait for them."""
        self.cluster_name, self.resource_group, self.subscription_id = CLUSTER_NAME, RESOURCE_GROUP, SUBSCRIPTION_ID
        if (file := kubeconfig or given_kubeconfig()) is not None:
            self._kind = Given(file, may_label_nodes=may_label_nodes)
        else:
            self._kind = Ours(
                root,
                nodes=nodes,
                system_nodes=system_nodes,
                images=self.images,
                may_label_nodes=may_label_nodes,
                timing=timing or Timing(),
            )
        self.managed_cluster = ManagedCluster(
            self.subscription_id, self.resource_group, self.cluster_name, self._kind.pools, self._user_kubeconfig
        )
        """This cluster as ARM shows it; you may change `power_state`."""
        self.arm = Arm(root / "arm", [self.managed_cluster])

    @staticmethod
    async def obstacle() -> str | None:
        """Why this machine cannot run a cluster, and what to do; None when it can, perhaps after a build."""
        return None if given_kubeconfig() is not None else await obstacle()

    @property
    def is_given(self) -> bool:
        """Whether this is the user's own cluster, from KUBECONFIG."""
        return isinstance(self._kind, Given)

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig file with all rights."""
        return self._kind.kubeconfig

    @property
    def app_kubeconfig(self) -> Path:
        """A kubeconfig file with the app's rights."""
        return self.root / "app.kubeconfig"

    @property
    def admin(self) -> Access:
        """Access with all rights, once started."""
        return self._kind.admin

    @property
    def app(self) -> Access:
        """Access with the app's rights, once started."""
        return self._kind.app

    @property
    def app_token(self) -> str:
        """The app's token for the API server; ARM's stand-in accepts it too, like any token."""
        return self.app.token or ""

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self.admin.server

    @property
    def arm_url(self) -> str:
        """ARM's URL, without a slash at the end."""
        return self.arm.url

    @property
    def arm_certificate(self) -> Path:
        """PEM file of the authority that vouches for ARM's stand-in."""
        return self.arm.certificate

    @property
    def nodes(self) -> Nodes:
        """Controls of the nodes; RuntimeError for the user's own cluster."""
        return self._ours.nodes

    async def restart_api_server(self, after_seconds: float = 0.0) -> None:
        """Kill the API server, wait, start it again; returns when it is ready. Watches break; nodes and pods keep running."""
        await self._ours.control_plane.restart_api_server(after_seconds)

    def controllers_paused(self) -> AbstractContextManager[None]:
        """Suspend the controllers: the API server stores writes, and no controller acts on them."""
        return self._ours.control_plane.controllers_paused()

    async def failed(self) -> None:
        """Wait until a part that must not end has ended, and raise its ProcessFailed."""
        await self._kind.failed()

    @property
    def _ours(self) -> Ours:
        if isinstance(self._kind, Given):
            raise RuntimeError("a given cluster has no controls")  # noqa: TRY004 - a wrong call, not a wrong type
        return self._kind

    async def _start(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self._exit.push_async_callback(self._kind.stop)
        await self._kind.start()
        self.app.write_kubeconfig(self.app_kubeconfig)
        await self._exit.enter_async_context(self.arm)

    def _user_kubeconfig(self) -> dict[str, object]:
        return self.admin.entra_kubeconfig(self.resource_group, self.cluster_name, TENANT_ID)
