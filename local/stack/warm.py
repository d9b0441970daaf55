"""The stack with a cluster: all that a warmup needs, on one machine.

The app finds the cluster as it does on Azure: settings name it, and ARM answers requests that carry a token. The agents read
storage with a read-only SAS from a Secret, because there is no workload identity.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from local import ROOT
from local.azurite import CONTAINER
from local.cluster import Cluster, Timing, project_python
from local.cluster.api import Api
from local.stack.stack import Stack
from local.upkeep import Together

if TYPE_CHECKING:
    from local.functions.items import Observer

IMAGE = "shardwarm-warmer:local"
SECRET = "storage-sas"
# Short intervals: on one machine nothing is far away.
AGENTS = {
    "SHARDWARM_START_SPREAD_SECONDS": "0",
    "SHARDWARM_PUBLISH_SECONDS": "1",
    "SHARDWARM_TOUCH_SECONDS": "2",
    # No kubelet evicts pods here, and the machine's disk may be fuller than a node's.
    "SHARDWARM_DISK_RESERVE_PERCENT": "0",
}


class WarmStack(Together):
    """A cluster and a stack whose app may use it; `async with` starts and stops both."""

    def __init__(
        self,
        root: Path,
        *,
        app: Path = ROOT,
        port: int = 0,
        nodes: int = 3,
        settings: Mapping[str, str] | None = None,
        timing: Timing | None = None,
        observer: Observer | None = None,
        events: bool = False,
    ) -> None:
        """Describe cluster and stack; nothing runs before `async with`. `Stack` and `Cluster` explain the arguments."""
        super().__init__()
        self.cluster = Cluster(root / "cluster", nodes=nodes, images={IMAGE: project_python()}, timing=timing)
        self.root = root
        self._app = app
        self._port = port
        self._more = dict(settings or {})
        self._observer = observer
        self._has_events = events
        self._stack: Stack | None = None

    @property
    def stack(self) -> Stack:
        """The app with its storage, once started."""
        if self._stack is None:
            raise RuntimeError("the stack was not started")
        return self._stack

    @property
    def cluster_address(self) -> dict[str, str]:
        """How requests name the cluster."""
        cluster = self.cluster
        return {
            "subscription_id": cluster.subscription_id,
            "resource_group": cluster.resource_group,
            "aks_cluster_name": cluster.cluster_name,
        }

    async def _start(self) -> None:
        await self._exit.enter_async_context(self.cluster)
        stack = Stack(
            self.root / "stack",
            app=self._app,
            port=self._port,
            settings=self._settings(),
            observer=self._observer,
            events=self._has_events,
        )
        self._stack = await self._exit.enter_async_context(stack)
        await self._give_agents_access()

    def _settings(self) -> dict[str, str]:
        # The app's process inherits this environment. The token is no setting of the app.
        os.environ["LOCAL_ENTRA_TOKEN"] = self.cluster.app_token  # noqa: TID251 - composes a child's environment
        return {
            "SHARDWARM_CLUSTERS": self.cluster.cluster_name,
            "SHARDWARM_ARM_URL": self.cluster.arm_url,
            "SHARDWARM_ARM_CERTIFICATE": str(self.cluster.arm_certificate),
            "SHARDWARM_CREDENTIAL": "local.credentials:from_environment",
            "SHARDWARM_WARMER_IMAGE": IMAGE,
            "SHARDWARM_WARMER_SAS_SECRET": SECRET,
            "SHARDWARM_WARMER_ENVIRONMENT": ",".join(f"{name}={value}" for name, value in AGENTS.items()),
            "SHARDWARM_POLL_FIRST_SECONDS": "0.5",
            "SHARDWARM_POLL_LONGEST_SECONDS": "2",
            **self._more,
        }

    async def _give_agents_access(self) -> None:
        account = self.stack.account
        sas = generate_container_sas(
            account.name,
            CONTAINER,
            account_key=account.key,
            permission=ContainerSasPermissions(read=True, list=True),
            expiry=datetime.now(UTC) + timedelta(days=1),
        )
        secret = {"metadata": {"name": SECRET}, "data": {"sas": base64.b64encode(sas.encode()).decode()}}
        async with Api(self.cluster.admin) as api:
            await api.create("/api/v1/namespaces/shardwarm/secrets", secret)
