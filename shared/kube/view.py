"""What the routes ask of clusters: warm statuses, and which rights the app lacks. Reads only."""

from datetime import UTC, datetime

from shared.kube.agents import Agents
from shared.kube.rights import missing
from shared.kube.servers import ApiServers, ArmPort
from shared.runs.warmup.clusters import ClusterRef, refuse_unfit
from shared.runs.warmup.rights import Right
from shared.runs.warmup.status import WarmStatus, status_of


class ClusterView:
    """A look at clusters, for one request."""

    def __init__(self, servers: ApiServers, arm: ArmPort, namespace: str) -> None:
        self._servers = servers
        self._arm = arm
        self._namespace = namespace

    async def require(self, cluster: ClusterRef) -> None:
        """Refuse a cluster that is not allowed, is stopped, or has no pool for searches. Raises as `Clusters.facts`."""
        refuse_unfit(cluster, await self._arm.facts(cluster))

    async def statuses(self, cluster: ClusterRef) -> list[WarmStatus]:
        """The status of every warmed database, sorted by name. Raises as `Clusters.access` and `ApiServer`."""
        agents = Agents(await self._servers.of(cluster, self._arm), self._namespace)
        readings = await agents.read_all()
        now = datetime.now(UTC)
        return sorted((status_of(*reading, now) for reading in readings), key=lambda status: status.name)

    async def missing_rights(self, cluster: ClusterRef) -> tuple[Right, ...]:
        """The rights that the app needs in the cluster and does not have. Raises as `Clusters.access` and `ApiServer`."""
        return await missing(await self._servers.of(cluster, self._arm), self._namespace)
