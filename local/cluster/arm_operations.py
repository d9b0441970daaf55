"""Long-running operations and errors of ARM's stand-in."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from local.cluster.arm_documents import ManagedCluster, Power

POLLS = 2
"""How many polls find an operation in progress."""
_WAIT = {"Retry-After": "1"}


@dataclass(slots=True)
class _Operation:
    cluster: ManagedCluster
    to: Power
    polls_left: int = POLLS


class Operations:
    """Starts and stops of clusters; each takes effect when a poll finds it ended."""

    def __init__(self) -> None:
        self._begun: dict[str, _Operation] = {}

    def begin(self, cluster: ManagedCluster, to: Power, state: str, url: str, version: str) -> web.Response:
        """Start an operation; the reply says where to poll."""
        cluster.provisioning_state = state
        name = str(uuid.uuid4())
        self._begun[name] = _Operation(cluster, to)
        place = f"{url}/subscriptions/{cluster.subscription_id}/providers/Microsoft.ContainerService"
        place += f"/locations/{cluster.location}"
        headers = {
            "Azure-AsyncOperation": f"{place}/operations/{name}?api-version={version}",
            "Location": f"{place}/operationresults/{name}?api-version={version}",
        }
        return web.Response(status=HTTPStatus.ACCEPTED, headers={**headers, **_WAIT})

    async def poll(self, request: web.Request) -> web.Response:
        """Reply with the operation's status."""
        operation = self._find(request)
        name = request.match_info["operation"]
        if operation.polls_left > 0:
            operation.polls_left -= 1
            return web.json_response({"name": name, "status": "InProgress"}, headers=_WAIT)
        operation.cluster.power_state, operation.cluster.provisioning_state = operation.to, "Succeeded"
        return web.json_response({"name": name, "status": "Succeeded"})

    async def result(self, request: web.Request) -> web.Response:
        """Reply with the operation's result, which is empty."""
        self._find(request)
        return web.Response(status=HTTPStatus.NO_CONTENT)

    def _find(self, request: web.Request) -> _Operation:
        name = request.match_info["operation"]
        if name not in self._begun:
            raise Missing("NotFound", f"The operation '{name}' was not found.")
        return self._begun[name]


class Missing(Exception):  # noqa: N818 - named for what is, as the house style asks
    """A resource or operation does not exist; the answer is 404 with this code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def error_reply(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """An error in ARM's form."""
    body: dict[str, Any] = {"error": {"code": code, "message": message}}
    return web.json_response(body, status=status, headers={"x-ms-failure-cause": "gateway", **(headers or {})})
