"""Requests to the API server over HTTPS, as the kubelet and the set-up need them, without models of objects.

Objects are dicts as the server sends them. Only the local cluster uses this; the app has its own client.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any, Self, cast

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from local.cluster.access import Access

type Object = dict[str, Any]

MERGE = "application/merge-patch+json"
STRATEGIC_MERGE = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
_UNREACHABLE_PAUSE_SECONDS = 0.1
_TIMEOUT_SECONDS = 10.0
_LINE_LIMIT_BYTES = 8 * 1024 * 1024


class ApiError(Exception):
    """The server refused: `status` is its HTTP status, the text its own message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    """One identity's connections to an API server; `async with` opens and closes them."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._opened: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._access.token}"} if self._access.token else {}
        connector = aiohttp.TCPConnector(ssl=self._access.tls(), limit=0)
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
        self._opened = aiohttp.ClientSession(
            self._access.server, connector=connector, headers=headers, timeout=timeout, read_bufsize=_LINE_LIMIT_BYTES
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._opened is not None:
            await self._opened.close()

    async def get(self, path: str, **query: str) -> Object:
        """Read an object or a list.

        Raises:
            ApiError: the server refused.
            aiohttp.ClientError, TimeoutError: it could not be reached.
        """
        return await self._ask("GET", path, query)

    async def create(self, path: str, body: Mapping[str, Any]) -> Object:
        """Create an object in a collection; raises what `get` raises."""
        return await self._ask("POST", path, {}, body)

    async def patch(self, path: str, body: Mapping[str, Any], kind: str = MERGE, **query: str) -> Object:
        """Change an object; `kind` is the media type of the patch. Raises what `get` raises."""
        return await self._ask("PATCH", path, query, body, kind)

    async def delete(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Delete an object, if it exists; raises what `get` raises."""
        try:
            await self._ask("DELETE", path, {}, body)
        except ApiError as error:
            if error.status != 404:  # noqa: PLR2004 - HTTP's own number
                raise

    async def is_ready(self) -> bool:
        """Whether the server says that it is ready."""
        try:
            async with self._session.get("/readyz") as reply:
                return reply.status == 200  # noqa: PLR2004 - HTTP's own number
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def watch(self, path: str, since: str, **query: str) -> AsyncGenerator[Object]:
        """Events after a resource version, until the server ends the watch.

        Raises:
            ApiError: 410 when the version is too old: list again.
            aiohttp.ClientError, TimeoutError: the connection was lost: watch again from the last event.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": since, **query}
        patient = aiohttp.ClientTimeout(total=None, sock_connect=_TIMEOUT_SECONDS)
        async with self._session.get(path, params=query, timeout=patient) as reply:
            await _raise_refusal(reply)
            async for line in reply.content:
                event = cast("Object", json.loads(line))
                if event["type"] == "ERROR":
                    raise ApiError(int(event["object"].get("code", 500)), str(event["object"].get("message", "")))
                yield event

    async def persist(self, method: str, path: str, body: Mapping[str, Any] | None = None, kind: str | None = None) -> None:
        """Repeat a write until the server answers; the server may be restarting.

        A refusal is an answer too: the object has gone or has changed, and watchers will hear of it.
        """
        while True:
            try:
                await self._ask(method, path, {}, body, kind)
            except ApiError as error:
                if error.status < 500 and error.status != 429:  # noqa: PLR2004 - HTTP's own numbers
                    return
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass
            else:
                return
            await asyncio.sleep(_UNREACHABLE_PAUSE_SECONDS)

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str], body: Mapping[str, Any] | None = None, kind: str | None = None
    ) -> Object:
        headers = {"Content-Type": kind or "application/json"} if body is not None else {}
        data = json.dumps(body) if body is not None else None
        async with self._session.request(method, path, params=query, data=data, headers=headers) as reply:
            await _raise_refusal(reply)
            return cast("Object", await reply.json())

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            raise RuntimeError("the connection was not opened")
        return self._opened


async def _raise_refusal(reply: aiohttp.ClientResponse) -> None:
    if reply.status >= 400:  # noqa: PLR2004 - HTTP's own number
        text = await reply.text()
        with contextlib.suppress(ValueError, KeyError, TypeError):
            text = str(json.loads(text)["message"])
        raise ApiError(reply.status, text)
