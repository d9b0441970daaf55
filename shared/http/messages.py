"""A request and a reply as values, whatever carries them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel


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
    """One reply: a model or plain JSON, and headers besides the usual ones."""

    body: BaseModel | Mapping[str, Any]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def operation_url(call: Call, run: str) -> str:
    """Where a client asks for a run's progress."""
    return f"{call.base_url}/operations/{run}"


def accepted(call: Call, run: str, body: BaseModel, *, retry_after_seconds: int) -> Answer:
    """The 202 for a run that goes on: where to follow it, and when to look first."""
    url = operation_url(call, run)
    return Answer(body, 202, {"Operation-Location": url, "Location": url, "Retry-After": str(retry_after_seconds)})
