"""Node objects: shape, labels and taints in AKS's form. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.cluster.status import now

if TYPE_CHECKING:
    from collections.abc import Mapping

type Object = dict[str, Any]

WORKLOAD_POOL = "blastpool"
SYSTEM_POOL = "systempool"
REGION = "koreacentral"
_GIB = 2**30
_SCALE_SET = "37402549"


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """Specification of a node; the defaults are a Standard_E16s_v5 in the workload pool."""

    name: str
    pool: str = WORKLOAD_POOL
    zone: int = 1
    vm_size: str = "Standard_E16s_v5"
    cpus: int = 16
    memory_bytes: int = 128 * _GIB
    disk_bytes: int | None = None
    """Size of a disk of its own (a loop device, which needs root); None shares the machine's disk."""

    @property
    def is_system(self) -> bool:
        """Whether it belongs to the system pool."""
        return self.pool == SYSTEM_POOL


def node_name(pool: str, number: int) -> str:
    """The name that AKS gives to the pool's instance of that number."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return f"aks-{pool}-{_SCALE_SET}-vmss{number // 36:05d}{digits[number % 36]}"


def node_object(spec: NodeSpec) -> Object:
    """The object that the node registers, without its status."""
    labels = {
        "agentpool": spec.pool,
        "kubernetes.azure.com/agentpool": spec.pool,
        "kubernetes.azure.com/mode": "system" if spec.is_system else "user",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": spec.name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": spec.vm_size,
        "topology.kubernetes.io/region": REGION,
        "topology.kubernetes.io/zone": f"{REGION}-{spec.zone}",
    }
    if spec.is_system:
        taint = {"key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule"}
    else:
        labels["workload"] = "blast"
        taint = {"key": "workload", "value": "blast", "effect": "NoSchedule"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": spec.name, "labels": labels},
        "spec": {"taints": [taint], "providerID": f"local://{spec.name}"},
    }


def node_status(spec: NodeSpec, disk_bytes: int) -> Object:
    """The status of a healthy node; capacity and allocatable roughly as AKS computes them."""
    capacity = {
        "cpu": str(spec.cpus),
        "memory": f"{_usable(spec.memory_bytes) // 1024}Ki",
        "ephemeral-storage": f"{disk_bytes // 1024}Ki",
        "pods": "250",
    }
    allocatable = capacity | {
        "cpu": f"{spec.cpus * 1000 - 260}m",
        "memory": f"{(_usable(spec.memory_bytes) - _reserved(spec.memory_bytes)) // 1024}Ki",
        "ephemeral-storage": str(disk_bytes * 9 // 10),
    }
    well = ("False", "KubeletHasSufficient")
    conditions = [
        _condition("MemoryPressure", *well),
        _condition("DiskPressure", *well),
        _condition("PIDPressure", *well),
        _condition("Ready", "True", "KubeletReady"),
    ]
    addresses = [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": spec.name}]
    versions = {"kubeletVersion": "v1.20.2", "kubeProxyVersion": "v1.20.2", "containerRuntimeVersion": "processes://1"}
    machine = {"operatingSystem": "linux", "architecture": "amd64", "osImage": "", "kernelVersion": ""}
    identity = {"machineID": spec.name, "systemUUID": spec.name, "bootID": spec.name}
    return {
        "capacity": capacity,
        "allocatable": allocatable,
        "conditions": conditions,
        "addresses": addresses,
        "nodeInfo": {**versions, **machine, **identity},
    }


def lease_object(name: str, node_uid: str, renew_time: str) -> Object:
    """The Lease that carries the node's heartbeats, as first created."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node_uid}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renew_time},
    }


def is_ready(node: Mapping[str, Any]) -> bool:
    """Whether the control plane reports a node as Ready and has removed its not-ready taints."""
    conditions = node.get("status", {}).get("conditions", [])
    taints = node.get("spec", {}).get("taints", [])
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and not any(taint["key"].startswith("node.kubernetes.io/not-ready") for taint in taints)


def _usable(memory_bytes: int) -> int:
    """A machine's memory without the kernel's share."""
    return memory_bytes - memory_bytes * 15 // 1000


def _reserved(memory_bytes: int) -> int:
    """AKS's reservation in steps: 25 % of the first 4 GiB, 20, 10, 6 %, and 2 % beyond 128 GiB; 100 MiB for eviction."""
    reserved, rest = 100 * 2**20, memory_bytes
    for width_gib, percent in ((4, 25), (4, 20), (8, 10), (112, 6)):
        part = min(rest, width_gib * _GIB)
        reserved += part * percent // 100
        rest -= part
    return reserved + rest * 2 // 100


def _condition(kind: str, status: str, reason: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "lastHeartbeatTime": now(), "lastTransitionTime": now()}
