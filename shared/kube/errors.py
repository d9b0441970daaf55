"""Errors of Kubernetes, and of getting a token for it, translated into ours.

Callers handle a 404 where they expect one. Any other 404, and every conflict, means that another writer removed or wrote an
object between two calls; a retry sees the new state.
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
    """The Status document that Kubernetes sends instead of an object; `details.kind` is the kind of the object at fault."""

    message: str = ""
    details: _Details = _Details()


def translate(cluster: str, error: Exception) -> Exception:
    """Translate an error of the client or of the app's credential into ours."""
    if isinstance(error, AzureError):
        return no_token(cluster, "Kubernetes", error)
    if isinstance(error, HTTPError):
        return _unavailable(cluster, type(error).__name__)
    # The import is slow, and only clusters need it: see `shared.kube.servers`.
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
            message = f"Another writer removed an object in '{cluster}': {reason}"
            return GoneError(Code.WRITTEN_BY_ANOTHER, message, target=cluster)
        case 409:
            message = f"Another writer changed an object in '{cluster}': {reason}"
            return TransientFailure(Code.WRITTEN_BY_ANOTHER, message, target=cluster)
        case 401 | 403:
            message = f"Kubernetes in '{cluster}' refuses the app: {reason}; apply infra/kubernetes/rbac.yaml."
            return Misconfigured(Code.CLUSTER_REFUSED, message, target=cluster)
        case _ if status in _PASSING or status == 0:
            return _unavailable(cluster, reason)
        case _:
            return Misconfigured(Code.CLUSTER_REFUSED, f"Kubernetes in '{cluster}' refused a request: {reason}", target=cluster)


def starting(cluster: str) -> ShardwarmError:
    """The error for a refusal by an API server that is not ready."""
    return _unavailable(cluster, "it refuses the app and is not ready yet")


def _unavailable(cluster: str, reason: str) -> ShardwarmError:
    message = f"The API server of '{cluster}' does not answer: {reason}"
    return TransientFailure(Code.CLUSTER_UNAVAILABLE, message, target=cluster, retry_after_seconds=10)


def _said(body: str | None) -> _Status:
    try:
        return _Status.model_validate_json(body or "")
    except ValidationError:
        return _Status()
