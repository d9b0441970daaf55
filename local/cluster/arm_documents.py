"""ARM's documents of managed clusters and their pools. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

type Object = dict[str, Any]

type Power = Literal["Running", "Stopped"]

TENANT_ID = "00000000-0000-0000-0000-000000000001"


@dataclass(frozen=True, slots=True)
class Pool:
    """An agent pool."""

    name: str
    count: int
    vm_size: str
    is_system: bool = False


@dataclass(slots=True)
class ManagedCluster:
    """A managed cluster in ARM."""

    subscription_id: str
    resource_group: str
    name: str
    pools: Callable[[], Sequence[Pool]]
    """Its pools now."""
    kubeconfig: Callable[[], Object]
    """The kubeconfig that ARM gives to users of the cluster."""
    location: str = "koreacentral"
    power_state: Power = "Running"
    provisioning_state: str = "Succeeded"

    @property
    def id(self) -> str:
        """The resource id."""
        group = f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.ContainerService/managedClusters/{self.name}"

    def is_at(self, subscription_id: str, resource_group: str, name: str) -> bool:
        """Whether these names are this cluster's, ignoring case."""
        pairs = ((self.subscription_id, subscription_id), (self.resource_group, resource_group), (self.name, name))
        return all(same(one, other) for one, other in pairs)


def same(one: str, other: str) -> bool:
    """Whether two names of Azure resources are equal, ignoring case."""
    return one.lower() == other.lower()


def managed_cluster(cluster: ManagedCluster) -> Object:
    """The ARM resource of a managed cluster."""
    group = f"MC_{cluster.resource_group}_{cluster.name}_{cluster.location}"
    return {
        "id": cluster.id,
        "name": cluster.name,
        "type": "Microsoft.ContainerService/ManagedClusters",
        "location": cluster.location,
        "tags": {},
        "sku": {"name": "Base", "tier": "Standard"},
        "identity": {"type": "SystemAssigned", "tenantId": TENANT_ID},
        "properties": {
            "provisioningState": cluster.provisioning_state,
            "powerState": {"code": cluster.power_state},
            "kubernetesVersion": "1.33",
            "currentKubernetesVersion": "1.33.3",
            "dnsPrefix": cluster.name,
            "fqdn": "127.0.0.1",
            "nodeResourceGroup": group,
            "enableRBAC": True,
            "disableLocalAccounts": True,
            "aadProfile": {"managed": True, "enableAzureRBAC": False, "tenantID": TENANT_ID},
            "oidcIssuerProfile": {"enabled": True, "issuerURL": "https://shardwarm.invalid/"},
            "securityProfile": {"workloadIdentity": {"enabled": True}},
            "agentPoolProfiles": [{"name": pool.name, **_profile(cluster, pool)} for pool in cluster.pools()],
        },
    }


def agent_pool(cluster: ManagedCluster, pool: Pool) -> Object:
    """The ARM resource of one pool."""
    return {
        "id": f"{cluster.id}/agentPools/{pool.name}",
        "name": pool.name,
        "type": "Microsoft.ContainerService/managedClusters/agentPools",
        "properties": _profile(cluster, pool),
    }


def _profile(cluster: ManagedCluster, pool: Pool) -> Object:
    profile: Object = {
        "count": pool.count,
        "vmSize": pool.vm_size,
        "osDiskSizeGB": 128,
        "osType": "Linux",
        "type": "VirtualMachineScaleSets",
        "mode": "System" if pool.is_system else "User",
        "enableAutoScaling": False,
        "provisioningState": "Succeeded",
        "powerState": {"code": cluster.power_state},
        "currentOrchestratorVersion": "1.33.3",
        "nodeTaints": ["CriticalAddonsOnly=true:NoSchedule" if pool.is_system else "workload=blast:NoSchedule"],
    }
    if not pool.is_system:
        profile["nodeLabels"] = {"workload": "blast"}
    return profile
