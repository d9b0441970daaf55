"""AKS clusters as values: a cluster's address, its state and pools in ARM, and access to its API server."""

from hashlib import sha256
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from shared.errors import Code, Conflict

WORKLOAD_LABEL = ("workload", "blast")
"""The label and taint of the node pool that searches run on; AKS and the consumers set it (contract 7.2)."""


class ClusterRef(BaseModel):
    """One managed cluster by its address in Azure."""

    model_config = ConfigDict(frozen=True)

    subscription_id: str
    resource_group: str
    name: str

    @property
    def key(self) -> str:
        """The cluster's key in leases and operation ids: its name, and a hash that tells clusters of the same name apart."""
        address = f"{self.subscription_id}/{self.resource_group}/{self.name}".lower()
        return f"{self.name.lower()}-{sha256(address.encode()).hexdigest()[:12]}"


class Pool(NamedTuple):
    """One agent pool, as ARM describes it."""

    name: str
    vm_size: str
    nodes: int
    mode: Literal["System", "User"]
    is_workload: bool


class ClusterFacts(NamedTuple):
    """The state of a cluster in ARM: power, provisioning and pools."""

    power_state: str
    provisioning_state: str
    pools: tuple[Pool, ...]

    @property
    def is_running(self) -> bool:
        """Whether the cluster is powered on and provisioned, so that its API server can answer."""
        return self.power_state == "Running" and self.provisioning_state not in {"Deleting", "Failed", "Creating"}


class Access(NamedTuple):
    """The address and CA certificate of a cluster's API server; the caller adds its own token."""

    server: str
    ca_certificate: bytes


def refuse_unfit(cluster: ClusterRef, facts: ClusterFacts) -> None:
    """Refuse a cluster on which no database can be warmed.

    Raises:
        Conflict: it is not running, or has no pool for searches.
    """
    if not facts.is_running:
        state = f"{facts.power_state}, {facts.provisioning_state}"
        message = f"Cluster '{cluster.name}' is not running ({state}). Start it, then warm."
        raise Conflict(Code.CLUSTER_STOPPED, message, target=cluster.name)
    if not any(pool.is_workload for pool in facts.pools):
        message = f"Cluster '{cluster.name}' has no pool with the label workload=blast. Add one: searches run there."
        raise Conflict(Code.NO_WORKLOAD_POOL, message, target=cluster.name)
