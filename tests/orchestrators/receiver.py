"""Somebody out there who takes callbacks, over TLS with a certificate of their own, and behaves as told."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, Self

from aiohttp import web

from local.cluster.certificates import server_certificate
from tests.patience import patience

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SECRET = "a-secret-of-sixteen-or-more"
HANG = 0
"""Instead of a status: take the request and never answer."""


class Delivery(NamedTuple):
    """One request as it came in."""

    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """Answers each path by its own script, the last entry for ever; 204 where there is none."""

    def __init__(self, folder: Path) -> None:
        self._certificate = server_certificate(folder, "receiver")
        self._deliveries: dict[str, list[Delivery]] = defaultdict(list)
        self._scripts: dict[str, list[int]] = {}
        self._came = asyncio.Condition()
        self._closing = asyncio.Event()

    @property
    def certificate(self) -> Path:
        """What vouches for it."""
        return self._certificate.authority

    @property
    def settings(self) -> dict[str, str]:
        """The settings by which an app may post here."""
        return {
            "SHARDWARM_CALLBACK_HOSTS": "localhost",
            "SHARDWARM_CALLBACK_SECRET": SECRET,
            "SHARDWARM_CALLBACK_LOCAL": "true",
            "SHARDWARM_CALLBACK_CERTIFICATE": str(self.certificate),
        }

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(self._certificate.certificate, self._certificate.key)
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=tls).start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._runner.cleanup()

    def url(self, path: str, host: str = "localhost") -> str:
        """Where this path is reached."""
        return f"https://{host}:{self.port}/{path}"

    def script(self, path: str, *statuses: int) -> str:
        """Say how the requests to a path are answered, one after the other; its URL."""
        self._scripts[path] = list(statuses)
        return self.url(path)

    def deliveries(self, path: str) -> list[Delivery]:
        """What has come so far."""
        return list(self._deliveries[path])

    async def got(self, path: str, number: int = 1) -> list[Delivery]:
        """Wait until so many requests have come."""
        async with patience(), self._came:
            await self._came.wait_for(lambda: len(self._deliveries[path]) >= number)
        return self.deliveries(path)

    async def _take(self, request: web.Request) -> web.Response:
        path = request.match_info["path"]
        body = await request.read()
        async with self._came:
            self._deliveries[path].append(Delivery({name.lower(): value for name, value in request.headers.items()}, body))
            self._came.notify_all()
        script = self._scripts.get(path) or [204]
        status = script.pop(0) if len(script) > 1 else script[0]
        if status == HANG:
            await self._closing.wait()
        return web.Response(status=status or 204, headers={"Location": self.url("elsewhere")} if 300 <= status < 400 else {})
