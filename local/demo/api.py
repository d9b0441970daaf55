"""Shardwarm's HTTP API as a client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WAIT_MILLISECONDS = 20_000
_SHORT_WAIT_MILLISECONDS = 1000
"""Of several runs at once: when one fails, the others' questions are not to hold up the app's end."""
_TIMEOUT_SECONDS = 60.0
_ENDED = {"Succeeded", "Failed", "Canceled"}

type Json = dict[str, Any]


class ApiError(Exception):
    """The API refused a request, or a run failed; the message carries the API's code and sentence."""


class Scope(NamedTuple):
    """The subscription, resource group and account of the databases, which every request names."""

    subscription_id: str
    resource_group: str
    account_name: str


class Api:
    """A client of one app."""

    def __init__(self, url: str, scope: Scope) -> None:
        self._scope = scope
        self._http = httpx.AsyncClient(base_url=f"{url}/api", timeout=_TIMEOUT_SECONDS)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ready(self) -> Json:
        """Read the app's readiness; raises ApiError when it is not ready."""
        return await self._call("GET", "/health/ready")

    async def databases(self) -> list[Json]:
        """All databases of the account, page by page."""
        found: list[Json] = []
        address: str | None = "/blast/databases"
        query: dict[str, str] | None = {"account_name": self._scope.account_name}
        while address:
            page = await self._call("GET", address, params=query)
            found += page["value"]
            address, query = page.get("nextLink"), None
        return found

    async def shard_set(self, db: str, shard_count: int) -> Json:
        """One shard set of a database."""
        query = {"account_name": self._scope.account_name}
        return await self._call("GET", f"/blast/databases/{db}/shard-sets/{shard_count}", params=query)

    async def shard(self, db: str, on_progress: Callable[[Json], None]) -> Json:
        """Shard a database and wait until the run ends; returns the operation.

        Raises:
            ApiError: the run was refused or has failed.
        """
        accepted = await self._call("POST", f"/blast/databases/{db}/shard", json=self._scope._asdict())
        return await self._follow(db, accepted, on_progress)

    async def warm(self, cluster: Mapping[str, str], db: str, shard_count: int | None) -> Json:
        """Warm a database and wait until the run ends; returns the operation.

        Raises:
            ApiError: the run was refused or has failed.
        """
        body: Json = {**cluster, "storage_account": self._scope.account_name, "database_name": db}
        if shard_count is not None:
            body["shard_count"] = shard_count
        accepted = await self._call("POST", "/warmup/start", json=body)
        return await self._follow(db, accepted, wait_milliseconds=_SHORT_WAIT_MILLISECONDS)

    async def warm_statuses(self, cluster: Mapping[str, str]) -> dict[str, Json]:
        """The cluster's warm status of each warmed database.

        Raises:
            ApiError: the cluster cannot be read.
        """
        query = {name: cluster[name] for name in ("subscription_id", "resource_group")}
        query["cluster_name"] = cluster["aks_cluster_name"]
        status = await self._call("GET", "/monitor/aks/warmup-status", params=query)
        if status.get("error"):
            raise ApiError(f"the cluster's warm status: {status['error']}")
        return {entry["name"]: entry for entry in status["databases"]}

    async def operations(self, kind: str, db: str) -> list[Json]:
        """All operations of a kind on a database, the newest first."""
        page = await self._call("GET", "/operations", params={"kind": kind})
        return [operation for operation in page["value"] if operation["db_name"] == db]

    async def _follow(
        self,
        db: str,
        accepted: Json,
        on_progress: Callable[[Json], None] | None = None,
        *,
        wait_milliseconds: int = _WAIT_MILLISECONDS,
    ) -> Json:
        operation: Json = {}
        while operation.get("status") not in _ENDED:
            query = {"wait_ms": str(wait_milliseconds)} if operation else None
            operation = await self._call("GET", f"/operations/{accepted['operation_id']}", params=query)
            if on_progress is not None:
                on_progress(operation)
        if operation["status"] != "Succeeded":
            raise ApiError(f"the run for {db} is {operation['status']}: {_problem(operation)}")
        return operation

    async def _call(self, method: str, address: str, **options: Any) -> Json:
        try:
            reply = await self._http.request(method, address, **options)
        except httpx.TransportError as error:
            raise ApiError(f"{method} {address}: no answer ({type(error).__name__} {error})") from error
        try:
            body: Json = reply.json()
        except ValueError:
            body = {"error": {"code": "NotJson", "message": reply.text[:300]}}
        if reply.is_error:
            raise ApiError(f"{method} {address}: HTTP {reply.status_code}, {_problem(body)}")
        return body


def _problem(body: Json) -> str:
    error: Json = body.get("error") or {"code": "NoReason", "message": str(body)[:300]}
    details = "".join(f"; {item.get('code')}: {item.get('message')}" for item in error.get("details") or ())
    return f"{error.get('code')}: {error.get('message')}{details}"
