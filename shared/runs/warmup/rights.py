"""The rights that warmups need in a cluster, beyond reading the cluster in ARM."""

from typing import NamedTuple


class Right(NamedTuple):
    """One verb on one kind of object: in the app's namespace, or in the whole cluster."""

    verb: str
    resource: str
    group: str = ""
    is_cluster_wide: bool = False

    def __str__(self) -> str:
        """In words, with the names that kubectl knows."""
        kind = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {kind}{' in the whole cluster' if self.is_cluster_wide else ''}"


NEEDED = (
    Right("list", "nodes", is_cluster_wide=True),
    Right("list", "pods", is_cluster_wide=True),
    Right("list", "pods"),
    *(Right(verb, "daemonsets", "apps") for verb in ("get", "list", "create", "patch", "delete")),
    *(Right(verb, "configmaps") for verb in ("get", "list", "create", "update", "delete")),
)
"""What `shared.kube.agents` does; `infra/kubernetes/rbac.yaml` grants exactly this. Labels of nodes are optional and not here."""
