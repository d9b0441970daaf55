"""HTTP routes of the host: the app's HTTP functions, and the addresses that the Functions host itself answers.

Like Core Tools, it asks for no function or admin keys.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as HostRoute
from starlette.routing import Router

from local.functions.wire import HttpCall, HttpReply, Value
from local.functions.worker_connection import WorkerLost

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import Receive, Scope, Send

    from local.functions.calls import Caller
    from local.functions.catalogue import Catalogue
    from local.functions.routes import RouteTable
    from local.functions.timers import Timers

_LOG = logging.getLogger(__name__)
_OWN_HEADERS = frozenset({"content-length", "transfer-encoding", "connection"})


class Front:
    """The host's HTTP application."""

    def __init__(
        self, caller: Caller, catalogue: Catalogue, table: RouteTable, timers: Timers, more: Sequence[HostRoute]
    ) -> None:
        self._caller = caller
        self._catalogue = catalogue
        self._table = table
        self._timers = timers
        self._running: set[asyncio.Task[None]] = set()
        own = [
            HostRoute("/admin/host/status", self._status),
            HostRoute("/admin/functions/{name}", self._trigger, methods=["POST"]),
        ]
        self.application = Router([*own, *more], redirect_slashes=False, default=self._function)

    async def stop(self) -> None:
        """Cancel the functions that `POST /admin/functions` started."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _status(self, _request: Request) -> Response:
        return JSONResponse({"id": "local", "state": "Running", "version": "4.local", "processUptime": 0})

    async def _trigger(self, request: Request) -> Response:
        """Run a timer function by hand, as the real host does. Other functions would need a trigger's data."""
        function = self._catalogue.find("timerTrigger", request.path_params["name"])
        if function is None:
            return Response(status_code=404)
        task = asyncio.create_task(self._timers.fire(function))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return Response(status_code=202)

    async def _function(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        match = self._table.match(request.method, request.scope["raw_path"].decode("ascii"))
        if match is None:
            return Response(status_code=404)
        function, params = match
        call = HttpCall(
            method=request.method,
            url=str(request.url),
            headers=_joined(request.headers.items()),
            params=params,
            query=_joined(request.query_params.multi_items()),
            body=await request.body(),
        )
        try:
            answer = await self._caller.call(function, call)
        except WorkerLost:
            return Response(status_code=503, headers={"Retry-After": "1"})
        if answer.failure:
            _LOG.error("%s failed: %s: %s", function.name, answer.failure.type, answer.failure.message)
            return Response(status_code=500)
        return _response(answer.result)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _response(result: Value | HttpReply | None) -> Response:
    if result is None:
        return Response(status_code=204)
    if isinstance(result, Value):
        return Response(result.text, media_type="text/plain" if result.kind == "string" else "application/json")
    response = Response(result.body, status_code=result.status)
    for name, value in result.headers:
        if name.lower() not in _OWN_HEADERS:
            response.headers.append(name, value)
    for cookie in result.cookies:
        response.headers.append("set-cookie", cookie)
    return response
