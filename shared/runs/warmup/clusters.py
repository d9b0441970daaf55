"""AKS clusters as values: which one, what ARM says of it, what Kubernetes says of its nodes."""

from hashlib import sha256
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from shared.errors import Code, Conflict

WORKLOAD_LABEL = ("workload", "blast")
"""The label and the taint of the pool that searches run on; AKS and the consumers give it (contract 7.2)."""


class ClusterRef(BaseModel):
    """One managed cluster by its address in Azure."""

    model_config = ConfigDict(frozen=True)

    subscription_id: str
    resource_group: str
    name: str

    @property
    def key(self) -> str:
        """What leases and operation ids know the cluster by: its name, and a hash that tells clusters of one name apart."""
        address = f"{self.subscription_id}/{self.resource_group}/{self.name}".lower()
        return f"{self.name.lower()}-{sha256(address.encode()).hexdigest()[:12]}"


class Pool(NamedTuple):
    """One agent pool; `memory` of its machines is looked up, or read from its nodes."""

    name: str
    vm_size: str
    nodes: int
    mode: Literal["System", "User"]
    is_workload: bool


class ClusterFacts(NamedTuple):
    """What ARM says. `is_running` covers power and provisioning."""

    power_state: str
    provisioning_state: str
    pools: tuple[Pool, ...]

    @property
    def is_running(self) -> bool:
        """Whether the cluster can be worked with."""
        return self.power_state == "Running" and self.provisioning_state not in {"Deleting", "Failed", "Creating"}


class Access(NamedTuple):
    """Where a cluster's API server is and how to know it; who calls brings a token of their own."""

    server: str
    ca_certificate: bytes


def refuse_unfit(cluster: ClusterRef, facts: ClusterFacts) -> None:
    """Refuse a cluster that nothing can be warmed on.

    Raises:
        Conflict: it is not running, or has no pool for searches.
    """
    if not facts.is_running:
        state = f"{facts.power_state}, {facts.provisioning_state}"
        message = f"Cluster '{cluster.name}' is not running ({state}). Start it, then warm."
        raise Conflict(Code.CLUSTER_STOPPED, message, target=cluster.name)
    if not any(pool.is_workload for pool in facts.pools):
        message = f"Cluster '{cluster.name}' has no pool with the label workload=blast. Add one; searches run there."
        raise Conflict(Code.NO_WORKLOAD_POOL, message, target=cluster.name)
