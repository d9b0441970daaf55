"""Kubernetes' errors, and those of getting a token for it, translated at the edge.

404 is an answer; callers handle it where it means something. Anywhere else, and with every conflict, another writer removed or
wrote an object between two calls, and a repetition sees the new state.
"""

from typing import Any, cast

from azure.core.exceptions import AzureError
from pydantic import BaseModel, ValidationError
from urllib3.exceptions import HTTPError

from shared.azure.credentials import no_token
from shared.errors import Code, Misconfigured, ShardwarmError, TransientFailure
from shared.sanitise import sanitised_line

_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class GoneError(TransientFailure):
    """There is no such object."""


class _Details(BaseModel):
    kind: str = ""


class _Status(BaseModel):
    """What Kubernetes answers instead of an object; `kind` is of the object that it is about."""

    message: str = ""
    details: _Details = _Details()


def translate(cluster: str, error: Exception) -> Exception:
    """Our error for one that the client or the app's credential raised."""
    if isinstance(error, AzureError):
        return no_token(cluster, "Kubernetes", error)
    if isinstance(error, HTTPError):
        return _unavailable(cluster, type(error).__name__)
    # Slow to import, and needed only where there is a cluster: see `shared.kube.servers`.
    from kubernetes.client.exceptions import ApiException  # noqa: PLC0415

    if not isinstance(error, ApiException):
        return error
    untyped = cast("Any", error)
    status, said = int(untyped.status or 0), _said(untyped.body)
    reason = sanitised_line(said.message or str(untyped.reason), 200)
    match status:
        case 404 if said.details.kind == "namespaces":
            message = f"Kubernetes in '{cluster}' lacks the app's namespace: {reason}; apply infra/kubernetes/rbac.yaml."
            return Misconfigured(Code.CLUSTER_REFUSED, message, target=cluster)
        case 404:
            return GoneError(Code.WRITTEN_BY_ANOTHER, f"Somebody removed an object in '{cluster}': {reason}", target=cluster)
        case 409:
            return TransientFailure(Code.WRITTEN_BY_ANOTHER, f"Somebody else writes in '{cluster}': {reason}", target=cluster)
        case 401 | 403:
            message = f"Kubernetes in '{cluster}' refuses the app: {reason}; apply infra/kubernetes/rbac.yaml."
            return Misconfigured(Code.CLUSTER_REFUSED, message, target=cluster)
        case _ if status in _PASSING or status == 0:
            return _unavailable(cluster, reason)
        case _:
            return Misconfigured(Code.CLUSTER_REFUSED, f"Kubernetes in '{cluster}' refused a request: {reason}", target=cluster)


def starting(cluster: str) -> ShardwarmError:
    """The error of a refusal by a server that is not ready."""
    return _unavailable(cluster, "it refuses the app and does not say that it is ready")


def _unavailable(cluster: str, reason: str) -> ShardwarmError:
    message = f"The API server of '{cluster}' does not answer: {reason}"
    return TransientFailure(Code.CLUSTER_UNAVAILABLE, message, target=cluster, retry_after_seconds=10)


def _said(body: str | None) -> _Status:
    try:
        return _Status.model_validate_json(body or "")
    except ValidationError:
        return _Status()
