"""Messages between the host and the language worker: length-prefixed JSON over a socket pair.

The worker first sends `Loaded`. Then it answers each `Invocation` with one `Answer`, in any order.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_LENGTH_BYTES = 4


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")


class Value(_Message):
    """Text that a binding hands to a function, or that a function returns through one."""

    kind: Literal["string", "json"]
    text: str


class HttpCall(_Message):
    """An HTTP request as the httpTrigger binding gives it; a header or parameter sent twice is joined by commas."""

    kind: Literal["http"] = "http"
    method: str
    url: str
    headers: dict[str, str]
    params: dict[str, str]
    query: dict[str, str]
    body: bytes


class HttpReply(_Message):
    """A function's HTTP response; `cookies` are whole Set-Cookie values."""

    kind: Literal["reply"] = "reply"
    status: int
    headers: list[tuple[str, str]]
    cookies: list[str]
    body: bytes


class Failure(_Message):
    """An exception that a function raised: its class name, its text and its traceback."""

    type: str
    message: str
    stack: str


class Invocation(_Message):
    """A request to run one function; `inputs` are by parameter name."""

    id: int
    function_id: str
    inputs: dict[str, Annotated[Value | HttpCall, Field(discriminator="kind")]]


class Answer(_Message):
    """How the invocation of that id ended. With neither result nor failure the function returned nothing."""

    id: int
    result: Annotated[Value | HttpReply, Field(discriminator="kind")] | None = None
    failure: Failure | None = None


class LoadedFunction(_Message):
    """One function of the app, with the bindings that its decorators describe."""

    name: str
    id: str
    bindings: list[dict[str, Any]]


class Loaded(_Message):
    """The app is imported and these are its functions."""

    functions: list[LoadedFunction]


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next message's JSON; None when the other side has closed."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES))
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def frame(message: _Message) -> bytes:
    """A message ready to be written."""
    body = message.model_dump_json().encode()
    return len(body).to_bytes(_LENGTH_BYTES) + body
