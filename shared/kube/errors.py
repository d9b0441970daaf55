"""Kubernetes' errors, translated at the edge. 404 and conflicts are answers; callers handle them where they mean something."""

import json
from typing import Any, cast

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from shared.errors import Code, Misconfigured, ShardwarmError, TransientFailure
from shared.sanitise import sanitised_line

_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class GoneError(Exception):
    """There is no such object."""


class WrittenByAnotherError(Exception):
    """The object is not at the version that a write was meant for."""


def translate(cluster: str, error: Exception) -> Exception:
    """Our error for one that the client raised."""
    if isinstance(error, HTTPError):
        return _unavailable(cluster, type(error).__name__)
    if not isinstance(error, ApiException):
        return error
    untyped = cast("Any", error)
    status, reason = int(untyped.status or 0), sanitised_line(_message(untyped), 200)
    match status:
        case 404:
            return GoneError(reason)
        case 409:
            return WrittenByAnotherError(reason)
        case 401 | 403:
            message = f"Kubernetes in '{cluster}' refuses the app: {reason} Apply infra/kubernetes/rbac.yaml."
            return Misconfigured(Code.CLUSTER_REFUSED, message, target=cluster)
        case _ if status in _PASSING or status == 0:
            return _unavailable(cluster, reason)
        case _:
            return Misconfigured(Code.CLUSTER_REFUSED, f"Kubernetes in '{cluster}' refused a request: {reason}", target=cluster)


def _unavailable(cluster: str, reason: str) -> ShardwarmError:
    message = f"The API server of '{cluster}' does not answer: {reason}"
    return TransientFailure(Code.CLUSTER_UNAVAILABLE, message, target=cluster, retry_after_seconds=10)


def _message(error: Any) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (ValueError, KeyError, TypeError):
        return str(error.reason)
