"""Client of one cluster's API server: JSON in, JSON out. Every call has a valid token and a timeout.

It uses the official client for TLS, connection pooling and authentication. It does not use that client's models: they know one
Kubernetes version, and the cluster may have another. The official client is synchronous, so calls run on threads.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

from azure.core.exceptions import AzureError
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from shared.errors import ShardwarmError
from shared.kube.errors import starting, translate
from shared.runs.warmup.clusters import Access

FIELD_MANAGER = "shardwarm"
_TIMEOUT_SECONDS = (5, 20)
_PAGE = 500
_READY = "/readyz"
"""Every caller with a token may read it, by a role that every cluster has."""

type Json = dict[str, Any]
type Token = Callable[[], Awaitable[str]]


class ApiServer:
    """Calls to one API server. Safe to share between tasks of one event loop.

    Every method raises:
        GoneError: there is no such object. It is a TransientFailure to callers that do not expect it.
        Misconfigured: the app lacks a right, or the cluster lacks the app's namespace.
        TransientFailure: the server is busy or out of reach, the app gets no token, or another writer was first; a retry helps.
    """

    def __init__(self, cluster: str, access: Access, token: Token) -> None:
        self.cluster = cluster
        self._token = token
        configuration = Configuration(host=access.server)
        with tempfile.NamedTemporaryFile(suffix=".pem", delete=False) as certificate:
            certificate.write(access.ca_certificate)
        configuration.ssl_ca_cert = certificate.name  # pyright: ignore[reportAttributeAccessIssue] - untyped client
        configuration.retries = 2  # pyright: ignore[reportAttributeAccessIssue] - untyped client
        self._certificate = Path(certificate.name)
        self._client: Any = ApiClient(configuration)  # untyped

    async def get(self, path: str, **query: str) -> Json:
        """One object, or one page of a list."""
        return await self._call("GET", path, query)

    async def list(self, path: str, **query: str) -> list[Json]:
        """All items of a list, page after page."""
        return [item async for page in self.pages(path, **query) for item in page]

    async def pages(self, path: str, **query: str) -> AsyncGenerator[Sequence[Json]]:
        """The pages of a list, one call each, for lists that are too large to hold."""
        more: dict[str, str] = {}
        while True:
            page = await self._call("GET", path, {**query, "limit": str(_PAGE), **more})
            yield cast("Sequence[Json]", page.get("items") or [])
            token = cast("Json", page.get("metadata") or {}).get("continue")
            if not token:
                return
            more = {"continue": str(token)}

    async def apply(self, path: str, body: Json) -> Json:
        """Server-side apply: create the object, or set these fields of it and own them from then on. Safe to repeat."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._call("PATCH", path, query, body, "application/apply-patch+yaml")

    async def merge(self, path: str, body: Json) -> Json:
        """Merge patch; null removes a field. With a resourceVersion in the body it changes only that version."""
        return await self._call("PATCH", path, {}, body, "application/merge-patch+json")

    async def create(self, path: str, body: Json) -> Json:
        """Create an object; a TransientFailure when it exists already."""
        return await self._call("POST", path, {}, body, "application/json")

    async def replace(self, path: str, body: Json) -> Json:
        """Replace an object; with a resourceVersion in the body, only that version of it."""
        return await self._call("PUT", path, {}, body, "application/json")

    async def delete(self, path: str) -> Json:
        """Delete an object. Kubernetes removes the objects that it owns afterwards."""
        return await self._call("DELETE", path, {"propagationPolicy": "Background"})

    def close(self) -> None:
        """Close the connection pool and remove the certificate's file."""
        self._client.close()
        self._certificate.unlink(missing_ok=True)

    async def _call(
        self, method: str, path: str, query: dict[str, str], body: Json | None = None, content_type: str | None = None
    ) -> Json:
        headers = {"Accept": "application/json", **({"Content-Type": content_type} if content_type else {})}

        def call(token: str) -> Json:
            reply: Any = self._client.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={**headers, "Authorization": f"Bearer {token}"},
                body=body,
                response_type="object",
                _return_http_data_only=True,
                _request_timeout=_TIMEOUT_SECONDS,
            )
            return cast("Json", reply)

        try:
            return await asyncio.to_thread(call, await self._token())
        except (ApiException, HTTPError, AzureError) as error:
            if _is_forbidden(error) and path != _READY and not await self._is_ready():
                raise starting(self.cluster) from error
            raise translate(self.cluster, error) from error

    async def _is_ready(self) -> bool:
        """Whether the server is ready and has loaded its roles. Until then it forbids every request of every caller."""
        try:
            await self.get(_READY)
        except ShardwarmError:
            return False
        return True


def _is_forbidden(error: Exception) -> bool:
    return isinstance(error, ApiException) and cast("Any", error).status == HTTPStatus.FORBIDDEN
