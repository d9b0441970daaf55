"""API servers by cluster, each found through ARM once in a while, with the app's own Entra token on every call."""

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
    """What tells of clusters; `shared.azure.clusters.Clusters` says what each method promises."""

    async def facts(self, cluster: ClusterRef) -> ClusterFacts:
        """Power, provisioning and pools."""
        ...

    async def access(self, cluster: ClusterRef) -> Access:
        """The address of its API server, and the certificate to know it by."""
        ...


class _Open(NamedTuple):
    server: ApiServer
    access: Access
    until: float


class ApiServers:
    """The API servers of one process. Their addresses are asked for again every five minutes, since clusters are replaced."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[ClusterRef, _Open] = {}

    async def of(self, cluster: ClusterRef, arm: ArmPort) -> ApiServer:
        """The API server of a cluster; raises what ARM says."""
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

        # Its client is slow to import, and needed only where there is a cluster: imported here, it does not delay the start.
        from shared.kube.api import ApiServer  # noqa: PLC0415

        return ApiServer(cluster.name, access, token)
