"""A stand-in for Azure Resource Manager (ARM) over TLS: it finds, starts and stops managed clusters.

Point the SDK at it with `ContainerServiceClient(credential, subscription, base_url=arm.url, connection_verify=arm.certificate)`;
it needs no other override. It accepts any bearer token. It does not imitate creating, changing and deleting resources, nor
resources other than managed clusters and their pools. Stopping a cluster changes only what it reports: the API server
keeps running.
"""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

from aiohttp import web

from local.cluster.arm_documents import ManagedCluster, Power, agent_pool, managed_cluster, same
from local.cluster.arm_operations import Missing, Operations, error_reply
from local.cluster.certificates import server_certificate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from local.cluster.arm_documents import Pool

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PROVIDER = "/subscriptions/{subscription}/providers/Microsoft.ContainerService"
_CLUSTERS = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters"
_CLUSTER = f"{_CLUSTERS}/{{cluster}}"


@dataclass(slots=True)
class _Fault:
    status: int
    code: str
    times: int


@dataclass(slots=True)
class Arm:
    """The stand-in; `async with` starts and stops it. You may change its clusters at any time."""

    folder: Path
    """For the certificate."""
    clusters: list[ManagedCluster]
    requests: list[str] = field(default_factory=list[str])
    """Method and path of every request, in order."""
    url: str = ""
    """Its URL, once started; without a slash at the end."""
    _operations: Operations = field(default_factory=Operations)
    _faults: list[_Fault] = field(default_factory=list[_Fault])
    _runner: web.AppRunner | None = None

    @property
    def certificate(self) -> Path:
        """PEM file of the authority that clients must trust."""
        return self.folder / "arm-ca.pem"

    def fail(self, status: int, code: str, *, times: int = 1) -> None:
        """Answer the next requests with an error in ARM's form."""
        self._faults.append(_Fault(status, code, times))

    async def __aenter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        made = server_certificate(self.folder, "arm")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(made.certificate, made.key)

        @web.middleware
        async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._guarded(request, handler)

        app = web.Application(middlewares=[guarded])
        app.add_routes(self._routes())
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _routes(self) -> list[web.RouteDef]:
        operations = f"{_PROVIDER}/locations/{{location}}"
        return [
            web.get(f"{_PROVIDER}/managedClusters", self._list),
            web.get(_CLUSTERS, self._list),
            web.get(_CLUSTER, self._get),
            web.get(f"{_CLUSTER}/agentPools", self._list_pools),
            web.get(f"{_CLUSTER}/agentPools/{{pool}}", self._get_pool),
            web.post(f"{_CLUSTER}/listClusterUserCredential", self._credentials),
            web.post(f"{_CLUSTER}/start", self._start),
            web.post(f"{_CLUSTER}/stop", self._stop),
            web.get(f"{operations}/operations/{{operation}}", self._operations.poll),
            web.get(f"{operations}/operationresults/{{operation}}", self._operations.result),
        ]

    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            challenge = {"WWW-Authenticate": 'Bearer authorization_uri="https://login.invalid/"'}
            missing = "Authentication failed. The 'Authorization' header is missing."
            return error_reply(HTTPStatus.UNAUTHORIZED, "AuthenticationFailed", missing, challenge)
        if "api-version" not in request.query:
            wanted = "The api-version query parameter (?api-version=) is required for all requests."
            return error_reply(HTTPStatus.BAD_REQUEST, "MissingApiVersionParameter", wanted)
        if (fault := next((fault for fault in self._faults if fault.times), None)) is not None:
            fault.times -= 1
            return error_reply(fault.status, fault.code, "The stand-in was told to fail.")
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return error_reply(HTTPStatus.NOT_FOUND, "InvalidResourceType", f"The stand-in has nothing at {request.path}.")
        except Missing as missing:
            return error_reply(HTTPStatus.NOT_FOUND, missing.code, str(missing))

    async def _list(self, request: web.Request) -> web.Response:
        where = request.match_info
        mine = [cluster for cluster in self.clusters if same(cluster.subscription_id, where["subscription"])]
        if not mine:
            raise Missing("SubscriptionNotFound", f"The subscription '{where['subscription']}' could not be found.")
        if "group" in where:
            mine = [cluster for cluster in mine if same(cluster.resource_group, where["group"])]
            if not mine:
                raise Missing("ResourceGroupNotFound", f"Resource group '{where['group']}' could not be found.")
        return web.json_response({"value": [managed_cluster(cluster) for cluster in mine]})

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response(managed_cluster(self._cluster(request)))

    async def _list_pools(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        return web.json_response({"value": [agent_pool(cluster, pool) for pool in cluster.pools()]})

    async def _get_pool(self, request: web.Request) -> web.Response:
        cluster, name = self._cluster(request), request.match_info["pool"]
        return web.json_response(agent_pool(cluster, self._pool(cluster, name)))

    async def _credentials(self, request: web.Request) -> web.Response:
        cluster = self._cluster(request)
        kubeconfig = base64.b64encode(json.dumps(cluster.kubeconfig()).encode()).decode()
        return web.json_response({"kubeconfigs": [{"name": "clusterUser", "value": kubeconfig}]})

    async def _start(self, request: web.Request) -> web.Response:
        return self._begun(request, "Running", "Starting")

    async def _stop(self, request: web.Request) -> web.Response:
        return self._begun(request, "Stopped", "Stopping")

    def _begun(self, request: web.Request, to: Power, state: str) -> web.Response:
        return self._operations.begin(self._cluster(request), to, state, self.url, request.query["api-version"])

    def _cluster(self, request: web.Request) -> ManagedCluster:
        where = request.match_info
        for cluster in self.clusters:
            if cluster.is_at(where["subscription"], where["group"], where["cluster"]):
                return cluster
        raise Missing(
            "ResourceNotFound",
            f"The Resource 'Microsoft.ContainerService/managedClusters/{where['cluster']}' under resource group "
            f"'{where['group']}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        )

    def _pool(self, cluster: ManagedCluster, name: str) -> Pool:
        for pool in cluster.pools():
            if same(pool.name, name):
                return pool
        raise Missing("NotFound", f"Could not find the agent pool '{name}' in the managed cluster {cluster.name}.")
