"""HTTP requests and replies as values, independent of Azure Functions; the reply to each error."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from shared.errors import (
    Code,
    Conflict,
    Forbidden,
    InvalidRequest,
    Misconfigured,
    NotFound,
    Problem,
    ShardwarmError,
    TransientFailure,
    Unusable,
)
from shared.sanitise import sanitise


@dataclass(frozen=True)
class Call:
    """One request. Header names are in lower case; `base_url` is scheme, host and prefix as the client sees them."""

    method: str
    base_url: str
    arrived: datetime
    path: Mapping[str, str] = field(default_factory=dict[str, str])
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """One reply: a model or plain JSON, its status, and headers in addition to those that every reply has."""

    body: BaseModel | Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def operation_url(call: Call, run: str) -> str:
    """The URL where a client follows a run."""
    return f"{call.base_url}/operations/{run}"


def accepted(call: Call, run: str, body: BaseModel, *, retry_after_seconds: int) -> Answer:
    """The 202 for a run that has started or goes on: where to follow it, and when to look first."""
    url = operation_url(call, run)
    return Answer(body, 202, {"Operation-Location": url, "Location": url, "Retry-After": str(retry_after_seconds)})


_RETRY_SECONDS = 5
_MENDED_SECONDS = 60
"""For an error that an operator must repair first."""
_STATUS: tuple[tuple[type[ShardwarmError], int], ...] = (
    (InvalidRequest, 400),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Unusable, 409),
    (Misconfigured, 502),
    (TransientFailure, 503),
)


def answer_to(error: ShardwarmError) -> Answer:
    """The reply that tells the caller about an error."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    if error.problem.code is Code.UNAUTHENTICATED:
        status = 401
    headers = {"x-ms-error-code": error.problem.code.value}
    if isinstance(error, TransientFailure):
        headers["Retry-After"] = str(error.retry_after_seconds or _RETRY_SECONDS)
    elif isinstance(error, Misconfigured):
        headers["Retry-After"] = str(_MENDED_SECONDS)
    return Answer({"error": shown(error.problem)}, status, headers)


def shown(problem: Problem) -> dict[str, object]:
    """A problem as JSON. Sanitises it once more before it leaves the app."""
    return {
        "code": problem.code.value,
        "message": sanitise(problem.message),
        "target": sanitise(problem.target) if problem.target else None,
        "details": [shown(detail) for detail in problem.details],
    }


def internal_error() -> Answer:
    """The 500 for a defect in the app. It shows no details; the log has them under the request id."""
    problem = Problem(
        code=Code.INTERNAL_ERROR,
        message="Something went wrong inside the app. Its log has the details under this x-ms-request-id.",
    )
    return Answer({"error": shown(problem)}, 500, {"x-ms-error-code": problem.code.value})
