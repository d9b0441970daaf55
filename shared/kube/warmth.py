"""How warm the databases of a cluster are, for people: one look at all, judged by measured reports."""

from datetime import UTC, datetime

from shared.kube.servers import ArmPort, Servers
from shared.kube.warming import Warming
from shared.runs.clusters import ClusterRef, refuse_unfit
from shared.runs.warm import WarmStatus, status_of


class Warmth:
    """Reads only."""

    def __init__(self, servers: Servers, arm: ArmPort, namespace: str) -> None:
        self._servers = servers
        self._arm = arm
        self._namespace = namespace

    async def require(self, cluster: ClusterRef) -> None:
        """That the cluster is one that the app may touch, that runs and has a pool for searches; raises what ARM says."""
        refuse_unfit(cluster, await self._arm.facts(cluster))

    async def statuses(self, cluster: ClusterRef) -> list[WarmStatus]:
        """Every database that is warmed there, by name; raises what ARM or Kubernetes say."""
        warming = Warming(await self._servers.of(cluster, self._arm), self._namespace)
        looks = await warming.look_at_all()
        now = datetime.now(UTC)
        return sorted((status_of(*look, now) for look in looks), key=lambda status: status.name)
