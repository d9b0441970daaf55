"""Preflight: checks of the app's rights before a run needs them, each with the command that grants what is missing."""

from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import NamedTuple

from shared.allowed import named
from shared.errors import Code, Misconfigured, Problem
from shared.http.ports import Backing
from shared.runs.warmup.clusters import ClusterRef
from shared.settings import Settings

type Attempt = Callable[[], Awaitable[object]]

_REFUSED = frozenset({Code.STORAGE_REFUSED, Code.CLUSTER_REFUSED})
_CLUSTER_SECONDS = 20.0
"""A process's first call to a cluster imports slow modules, and asks ARM before it asks Kubernetes."""
_APPLY = (
    "sed 's/SHARDWARM_APP_OBJECT_ID/<object id of the app's identity>/' infra/kubernetes/rbac.yaml | "
    "kubectl apply --server-side -f -"
)


class Check(NamedTuple):
    """One readiness check: its name, and the attempt, which raises when it fails or takes longer than `seconds`."""

    name: str
    attempt: Attempt
    seconds: float = 5.0


class MissingRightError(Misconfigured):
    """The app lacks a right; `command` grants it."""

    def __init__(self, problem: Problem, command: str) -> None:
        super().__init__(problem.code, problem.message, target=problem.target)
        self.command = command


def checks(backing: Backing, cluster: ClusterRef | None) -> Iterator[Check]:
    """The checks of rights: to write in every account that the settings name and, with a cluster, to read and warm it.

    An attempt raises MissingRightError for a right that a command of ours grants. It changes nothing, so it is safe to repeat.
    """
    settings = backing.settings
    for account in named(settings.accounts):
        scope = f"$(az storage account show --name {account} --query id --output tsv)"
        command = _assign(
            settings, "Storage Blob Data Contributor", f"{scope}/blobServices/default/containers/{settings.container}"
        )
        yield Check(f"storage:{account}:write", _granted_by(command, partial(backing.catalogue.ping_writes, account)))
    if cluster is not None:
        scope = f"$(az aks show --resource-group {cluster.resource_group} --name {cluster.name} --query id --output tsv)"
        command = _assign(settings, "Azure Kubernetes Service Cluster User Role", scope)
        yield Check(f"cluster:{cluster.name}", _granted_by(command, partial(backing.clusters.require, cluster)), _CLUSTER_SECONDS)
        yield Check(f"cluster:{cluster.name}:rights", partial(_has_rights, backing, cluster), _CLUSTER_SECONDS)


def _granted_by(command: str, attempt: Attempt) -> Attempt:
    async def check() -> None:
        try:
            await attempt()
        except Misconfigured as error:
            if error.problem.code in _REFUSED:
                raise MissingRightError(error.problem, command) from error
            raise

    return check


async def _has_rights(backing: Backing, cluster: ClusterRef) -> None:
    missing = await backing.clusters.missing_rights(cluster)
    if missing:
        message = f"Kubernetes in '{cluster.name}' does not let the app {', '.join(map(str, missing))}."
        raise MissingRightError(Problem(code=Code.CLUSTER_REFUSED, message=message, target=cluster.name), _APPLY)


def _assign(settings: Settings, role: str, scope: str) -> str:
    who = settings.client_id or "<client id of the app's identity>"
    return f'az role assignment create --assignee {who} --role "{role}" --scope "{scope}"'
