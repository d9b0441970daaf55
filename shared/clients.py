"""The clients of one process, made on first use and shared by activities and routes."""

from dataclasses import dataclass, field
from functools import cache

from azure.durable_functions import DurableFunctionsClient

from shared.azure.clusters import Clusters
from shared.azure.hub import Hub
from shared.copying.lanes import Relay
from shared.http.ports import Backing
from shared.kube.agents import Agents
from shared.kube.servers import ApiServers
from shared.kube.view import ClusterView
from shared.ncbi.bucket import Bucket
from shared.receivers.posting import Receivers
from shared.runs.warmup.clusters import ClusterRef
from shared.settings import Settings, settings
from shared.storage.accounts import Accounts
from shared.storage.catalogue import Catalogue
from shared.storage.control import ControlBlobs

type DurableClient = DurableFunctionsClient
"""The durable client that the Functions worker passes to a function that is bound to the task hub."""


@dataclass(frozen=True)
class Clients:
    """The clients of one process. Nothing connects before its first use."""

    settings: Settings
    accounts: Accounts
    clusters: Clusters
    servers: ApiServers
    receivers: Receivers
    bucket: Bucket
    control: ControlBlobs = field(default_factory=ControlBlobs)
    relay: Relay = field(default_factory=Relay)

    @classmethod
    def of(cls, settings: Settings) -> "Clients":
        """Clients that follow these settings."""
        return cls(settings, Accounts(settings), Clusters(settings), ApiServers(settings), Receivers(settings), Bucket(settings))

    async def agents(self, cluster: ClusterRef) -> Agents:
        """The node agents of a cluster.

        Raises:
            Forbidden: the settings do not allow the cluster.
            NotFound, Misconfigured, TransientFailure: the errors of `Clusters.access`.
        """
        return Agents(await self.servers.of(cluster, self.clusters), self.settings.namespace)


@cache
def clients() -> Clients:
    """The clients of this process."""
    return Clients.of(settings())


def backing(client: DurableFunctionsClient) -> Backing:
    """The clients and settings behind the routes, for one request.

    Raises:
        Misconfigured: the settings are wrong, or the host's extension bundle is too old.
    """
    mine = clients()
    catalogue = Catalogue(mine.accounts, mine.control, legacy_alias=mine.settings.alias_form == "legacy")
    clusters = ClusterView(mine.servers, mine.clusters, mine.settings.namespace)
    return Backing(mine.settings, Hub(client), catalogue, clusters, mine.bucket)
