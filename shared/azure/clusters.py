"""AKS clusters through ARM: power state, node pools, and the address of the API server.

The app uses neither admin credentials (local accounts may be disabled) nor Run Command (slow, throttled). It takes only the
server and its certificate from the user credentials. It ignores their `exec` section for kubelogin and brings its own token.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import yaml
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError, ResourceNotFoundError

from shared.allowed import allows
from shared.azure.credentials import credential, no_token
from shared.errors import Code, Forbidden, Misconfigured, NotFound, ShardwarmError, TransientFailure
from shared.runs.warmup.clusters import WORKLOAD_LABEL, Access, ClusterFacts, ClusterRef, Pool
from shared.sanitise import sanitised_line
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.mgmt.containerservice.aio import ContainerServiceClient

_TIMEOUT_SECONDS = 20


class Clusters:
    """ARM's view of clusters, through one client for each subscription. Reads only."""

    def __init__(self, settings: Settings) -> None:
        """Follow these settings; nothing connects before the first call."""
        self._settings = settings
        self._by_subscription: dict[str, tuple[asyncio.AbstractEventLoop, ContainerServiceClient]] = {}

    async def facts(self, cluster: ClusterRef) -> ClusterFacts:
        """Read a cluster's power state, provisioning state and pools.

        Raises:
            Forbidden: the settings do not allow the cluster.
            NotFound: ARM knows no such cluster.
            Misconfigured: the app's identity may not read it.
            TransientFailure: ARM is busy or out of reach, or the app gets no token for it; a retry helps.
        """
        async with _translated(cluster):
            found: Any = await self._client(cluster).managed_clusters.get(
                cluster.resource_group, cluster.name, read_timeout=_TIMEOUT_SECONDS
            )
        power = _word(getattr(found.power_state, "code", None)) or "Running"
        return ClusterFacts(
            power_state=power,
            provisioning_state=_word(found.provisioning_state) or "Unknown",
            pools=tuple(map(_pool, found.agent_pool_profiles or ())),
        )

    async def access(self, cluster: ClusterRef) -> Access:
        """Read the API server's address and certificate.

        Raises:
            Forbidden, NotFound, Misconfigured, TransientFailure: as `facts`.
        """
        async with _translated(cluster):
            credentials: Any = await self._client(cluster).managed_clusters.list_cluster_user_credentials(
                cluster.resource_group, cluster.name, read_timeout=_TIMEOUT_SECONDS
            )
        if not credentials.kubeconfigs:
            message = f"ARM gives the app no user credentials for cluster '{cluster.name}'."
            raise Misconfigured(Code.CLUSTER_REFUSED, message, target=cluster.name)
        return _access(cluster, bytes(credentials.kubeconfigs[0].value))

    async def close(self) -> None:
        """Close every connection; for tests and tools."""
        for _, client in self._by_subscription.values():
            await client.close()
        self._by_subscription.clear()

    def _client(self, cluster: ClusterRef) -> "ContainerServiceClient":
        if not allows(self._settings.clusters, cluster.name):
            message = f"Cluster '{cluster.name}' is not allowed. An operator can add it to SHARDWARM_CLUSTERS."
            raise Forbidden(Code.CLUSTER_NOT_ALLOWED, message, target="aks_cluster_name")
        loop = asyncio.get_running_loop()
        found = self._by_subscription.get(cluster.subscription_id)
        if found is None or found[0] is not loop:
            # The import is slow, and only clusters need it. Importing it here keeps the app's start short.
            from azure.mgmt.containerservice.aio import ContainerServiceClient  # noqa: PLC0415

            client = ContainerServiceClient(
                credential(self._settings),
                cluster.subscription_id,
                base_url=self._settings.arm_url,
                connection_verify=self._settings.arm_certificate or True,
                connection_timeout=_TIMEOUT_SECONDS,
                retry_total=3,
            )
            found = self._by_subscription[cluster.subscription_id] = (loop, client)
        return found[1]


def _word(value: Any) -> str:
    # The SDK gives an enumeration member for a word that it knows, and plain text for one that it does not.
    return str(getattr(value, "value", value) or "")


def _pool(profile: Any) -> Pool:
    label, value = WORKLOAD_LABEL
    labels: dict[str, str] = profile.node_labels or {}
    return Pool(
        name=str(profile.name),
        vm_size=str(profile.vm_size or ""),
        nodes=int(profile.count or 0),
        mode="System" if _word(profile.mode) == "System" else "User",
        is_workload=labels.get(label) == value,
    )


def _access(cluster: ClusterRef, kubeconfig: bytes) -> Access:
    try:
        entry: Any = yaml.safe_load(kubeconfig)["clusters"][0]["cluster"]
        return Access(str(entry["server"]), base64.b64decode(entry["certificate-authority-data"]))
    except (yaml.YAMLError, KeyError, IndexError, TypeError, ValueError) as error:
        message = f"The user credentials of cluster '{cluster.name}' are not a readable kubeconfig."
        raise Misconfigured(Code.CLUSTER_REFUSED, message, target=cluster.name) from error


@asynccontextmanager
async def _translated(cluster: ClusterRef) -> AsyncGenerator[None]:
    try:
        yield
    except AzureError as error:
        raise _translate(cluster, error) from error


def _translate(cluster: ClusterRef, error: AzureError) -> ShardwarmError:
    reason = sanitised_line(str(error).split("\n", 1)[0], 160)
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, ResourceNotFoundError):
        message = f"There is no cluster '{cluster.name}' in resource group '{cluster.resource_group}'."
        return NotFound(Code.CLUSTER_NOT_FOUND, message, target=cluster.name)
    if isinstance(error, ClientAuthenticationError) and status is None:
        return no_token(cluster.name, "ARM", error)
    if status in {401, 403}:
        message = f"ARM refuses the app at cluster '{cluster.name}': {reason} Grant Azure Kubernetes Service Cluster User Role."
        return Misconfigured(Code.CLUSTER_REFUSED, message, target=cluster.name)
    message = f"ARM does not answer for cluster '{cluster.name}': {reason}"
    return TransientFailure(Code.CLUSTER_UNAVAILABLE, message, target=cluster.name, retry_after_seconds=10)
