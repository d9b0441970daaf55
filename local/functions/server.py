"""The host's HTTP server: uvicorn on one port of 127.0.0.1, in the caller's event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, override

import uvicorn

from local.ports import take_port

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.types import ASGIApp

_DRAIN_SECONDS = 2
_KEEP_ALIVE_SECONDS = 240
"""Azure's front end keeps idle connections as long. A server that closes sooner may close during a request."""


class HttpServer:
    """Takes a port at once and serves it later; requests that come before `start` wait."""

    def __init__(self, port: int) -> None:
        """Take the port; 0 takes a free one.

        Raises:
            PortTaken: another process has the port.
        """
        self._socket = take_port(port)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def start(self, application: ASGIApp) -> None:
        """Serve; returns when requests are answered."""
        config = uvicorn.Config(
            application,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        )
        self._server = _Server(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        await self._server.is_up.wait()

    async def stop(self) -> None:
        """Give unfinished requests a moment, then close the port."""
        if self._server and self._serving:
            self._server.should_exit = True
            await self._serving
        self._socket.close()


class _Server(uvicorn.Server):
    """uvicorn with a start event, and without its signal handlers, which would replace those of the embedding process."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield
