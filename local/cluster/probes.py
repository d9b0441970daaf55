"""Startup, readiness and liveness probes on their schedule."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp

from local.cluster.launch import kill_group
from local.processes import Child, ProcessFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

type Object = dict[str, Any]
type Run = Callable[[list[str]], Awaitable[Child]]
"""Starts a command inside the container."""

_OK = range(200, 400)


async def verdicts(probe: Object, container: Object, run: Run) -> AsyncGenerator[bool]:
    """Probe until closed; yields a verdict when enough answers in a row agree."""
    await asyncio.sleep(probe.get("initialDelaySeconds", 0))
    loop = asyncio.get_running_loop()
    last, in_a_row = None, 0
    while True:
        due = loop.time() + probe.get("periodSeconds", 10)
        answer = await holds(probe, container, run)
        in_a_row = in_a_row + 1 if answer is last else 1
        last = answer
        if in_a_row >= probe.get("successThreshold" if answer else "failureThreshold", 1 if answer else 3):
            yield answer
        await asyncio.sleep(max(0.0, due - loop.time()))


async def holds(probe: Object, container: Object, run: Run) -> bool:
    """Probe once; no answer within the probe's time limit counts as a failure."""
    seconds = probe.get("timeoutSeconds", 1)
    if (command := probe.get("exec")) is not None:
        return await _command_succeeds(command["command"], run, seconds)
    try:
        async with asyncio.timeout(seconds):
            if (request := probe.get("httpGet")) is not None:
                return await _answers(request, container)
            if (request := probe.get("tcpSocket")) is not None:
                return await _accepts(request, container)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False
    return True


async def _command_succeeds(command: list[str], run: Run, seconds: float) -> bool:
    try:
        child = await run(command)
    except ProcessFailed:
        return False
    try:
        async with asyncio.timeout(seconds):
            return await child.wait() == 0
    except TimeoutError:
        return False
    finally:
        kill_group(child)


async def _answers(request: Object, container: Object) -> bool:
    scheme, host = request.get("scheme", "HTTP").lower(), request.get("host") or "127.0.0.1"
    url = f"{scheme}://{host}:{_port(request, container)}/{request.get('path', '/').lstrip('/')}"
    headers = {header["name"]: header["value"] for header in request.get("httpHeaders", [])}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=False) as reply:
        return reply.status in _OK


async def _accepts(request: Object, container: Object) -> bool:
    _, writer = await asyncio.open_connection(request.get("host") or "127.0.0.1", _port(request, container))
    writer.close()
    return True


def _port(request: Mapping[str, Any], container: Object) -> int:
    port = request["port"]
    named = {entry.get("name"): entry["containerPort"] for entry in container.get("ports", [])}
    return port if isinstance(port, int) else int(named[port])
