"""A cluster that the user already has, by KUBECONFIG, in place of the local one."""

from __future__ import annotations

import asyncio
import collections
import os
from pathlib import Path
from typing import Any, cast

from kubernetes import config as kubernetes_config

from local.cluster.access import Access, there
from local.cluster.api import Api
from local.cluster.arm_documents import Pool
from local.cluster.binaries import ClusterUnavailable
from local.cluster.manifests import NAMESPACE, apply, roles
from local.cluster.nodes import SYSTEM_POOL, WORKLOAD_POOL

_UNKNOWN_SIZE = "Standard_E16s_v5"
_APP_ACCOUNT = "shardwarm-app"
_APP_USER = f"system:serviceaccount:{NAMESPACE}:{_APP_ACCOUNT}"
"""The app is a service account here, because the user's cluster does not know the app's identity."""
_TOKEN_SECONDS = 24 * 3600


def given_kubeconfig() -> Path | None:
    """The file that KUBECONFIG names; None when it is not set."""
    environment = os.environ  # noqa: TID251  this is kubectl's setting, not the app's
    value = environment.get("KUBECONFIG")
    return Path(value) if value else None


def access_by(kubeconfig: Path) -> Access:
    """Access by the kubeconfig's current context; runs its login program if it has one.

    Raises:
        kubernetes.config.ConfigException, OSError: the file does not exist or is no kubeconfig.
    """
    client: Any = cast("Any", kubernetes_config).new_client_from_config(str(kubeconfig))
    found = client.configuration
    certificate = (Path(found.cert_file), Path(found.key_file)) if found.cert_file else None
    token = (found.api_key.get("authorization") or "").removeprefix("Bearer ") or None
    return Access(found.host, Path(found.ssl_ca_cert).read_bytes(), token, certificate)


class Given:
    """The user's cluster. The roles are applied and stay; nothing else changes."""

    def __init__(self, kubeconfig: Path, *, may_label_nodes: bool) -> None:
        self.kubeconfig = kubeconfig
        self._may_label_nodes = may_label_nodes
        self._pools: list[Pool] = []
        self._admin: Access | None = None
        self._app: Access | None = None

    @property
    def admin(self) -> Access:
        """Access by the kubeconfig; it must be allowed to grant roles."""
        return there(self._admin)

    @property
    def app(self) -> Access:
        """The app's access: a token of its service account, valid for a day."""
        return there(self._app)

    def pools(self) -> list[Pool]:
        """The pools, as they were at the start."""
        return self._pools

    async def start(self) -> None:
        """Apply the roles and create the app's service account.

        Raises:
            ClusterUnavailable: the kubeconfig cannot be used.
            ApiError: the cluster refused.
        """
        try:
            self._admin = access_by(self.kubeconfig)
        except Exception as error:  # the client raises whatever its login program or its YAML parser raises
            raise ClusterUnavailable(f"KUBECONFIG names {self.kubeconfig}, which cannot be used: {error}") from error
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": _APP_ACCOUNT, "namespace": NAMESPACE}}
        async with Api(self._admin) as api:
            await apply(api, [*roles(_APP_USER, may_label_nodes=self._may_label_nodes, beside="-local"), account])
            request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest"}
            path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{_APP_ACCOUNT}/token"
            reply = await api.create(path, {**request, "spec": {"expirationSeconds": _TOKEN_SECONDS}})
            self._app = Access(self._admin.server, self._admin.authority, reply["status"]["token"])
            self._pools = pools_of((await api.get("/api/v1/nodes"))["items"])

    async def stop(self) -> None:
        """Do nothing: no process was started."""

    async def failed(self) -> None:
        """Wait for ever: no process was started that could fail."""
        await asyncio.Event().wait()


def pools_of(nodes: list[dict[str, Any]]) -> list[Pool]:
    """Pools by the nodes' labels; nodes without AKS's labels count as workload nodes."""
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for node in nodes:
        labels: dict[str, str] = node["metadata"].get("labels", {})
        counts[labels.get("agentpool", WORKLOAD_POOL), labels.get("node.kubernetes.io/instance-type", _UNKNOWN_SIZE)] += 1
    return [Pool(name, count, size, name == SYSTEM_POOL) for (name, size), count in sorted(counts.items())]
