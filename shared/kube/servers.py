"""API server clients by cluster. ARM gives each one's address; every call carries the app's own Entra token."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shared.azure.credentials import AKS_SCOPE, credential
from shared.runs.warmup.clusters import Access, ClusterFacts, ClusterRef
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.kube.api import ApiServer

_KEPT_SECONDS = 300.0


class ArmPort(Protocol):
    """ARM's view of clusters; `shared.azure.clusters.Clusters` says what each method promises."""

    async def facts(self, cluster: ClusterRef) -> ClusterFacts:
        """Read a cluster's power state, provisioning state and pools."""
        ...

    async def access(self, cluster: ClusterRef) -> Access:
        """Read the API server's address, and the CA certificate that verifies it."""
        ...


class _Open(NamedTuple):
    server: ApiServer
    access: Access
    until: float


class ApiServers:
    """The API servers of one process. It asks ARM for an address again after five minutes, because clusters get replaced."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[ClusterRef, _Open] = {}

    async def of(self, cluster: ClusterRef, arm: ArmPort) -> ApiServer:
        """The API server of a cluster. Raises the errors of `ArmPort.access`."""
        found = self._open.get(cluster)
        if found is not None and monotonic() < found.until:
            return found.server
        access = await arm.access(cluster)
        server = found.server if found is not None and found.access == access else self._new(cluster, access)
        self._open[cluster] = _Open(server, access, monotonic() + _KEPT_SECONDS)
        return server

    def _new(self, cluster: ClusterRef, access: Access) -> ApiServer:
        async def token() -> str:
            # The credential keeps its tokens and renews them before they expire.
            return (await credential(self._settings).get_token(AKS_SCOPE)).token

        # The import is slow, and only clusters need it. Importing it here keeps the app's start short.
        from shared.kube.api import ApiServer  # noqa: PLC0415

        return ApiServer(cluster.name, access, token)
