"""A Kubernetes cluster on one machine: a real control plane, nodes that run pods as processes, and a stand-in for ARM."""

from local.cluster.binaries import ClusterUnavailable
from local.cluster.cluster import Cluster
from local.cluster.control_plane import Timing
from local.cluster.images import MACHINE, Image, project_python
from local.cluster.nodes import SYSTEM_POOL, WORKLOAD_POOL, NodeSpec

__all__ = [
    "MACHINE",
    "SYSTEM_POOL",
    "WORKLOAD_POOL",
    "Cluster",
    "ClusterUnavailable",
    "Image",
    "NodeSpec",
    "Timing",
    "project_python",
]
