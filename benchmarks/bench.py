"""The measurements: which side runs when, on which database, at which delay."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack
from multiprocessing import get_context
from statistics import median
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, NamedTuple, Self

import httpx

from benchmarks import ceiling, replaced
from benchmarks.database import Shelf, files, metadata
from benchmarks.trace import Trace, committed_at, trace
from local.azurite import CONTAINER

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from benchmarks.replaced import Replaced
    from local.stack import Stack

_THEIRS = "replaced"
_DATABASE = "core_nt"
_TIMEOUT_SECONDS = 120.0
_COMMIT_SECONDS = 60.0
_LOOK_SECONDS = 0.01
_PROBES = 15
_PRECISION_SECONDS = 0.0005


class Round(NamedTuple):
    """One repeat: both sides and the physical limit, one after the other, so that a busy moment meets all of them."""

    ours: Trace
    theirs: Replaced
    their_calls: int
    ceiling_seconds: float


class Bench:
    """A stack to measure on. The replaced system and the bare SDK run in a process of their own, as the app does."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._names = (f"core_nt_{number}" for number in itertools.count())
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        direct = self._stack.account.connection_string
        self._ours = await self._exit.enter_async_context(Shelf(direct, CONTAINER))
        self._theirs = await self._exit.enter_async_context(Shelf(direct, _THEIRS))
        await self._theirs.put(files(_DATABASE))
        url = self._stack.addresses.functions_url
        self._http = await self._exit.enter_async_context(httpx.AsyncClient(base_url=url, timeout=_TIMEOUT_SECONDS))
        self._process = self._exit.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._exit.aclose()

    async def calibrate(self, round_trip_seconds: float) -> tuple[float, float]:
        """What to ask of the proxy so that a GET takes this long, and how long it then takes."""
        asked = measured = 0.0
        for _ in range(5):
            self._stack.proxy.round_trip_seconds = asked
            measured = await asyncio.to_thread(_get_seconds, self._stack.proxy.port)
            if abs(measured - round_trip_seconds) < _PRECISION_SECONDS:
                break
            asked = max(0.0, asked + round_trip_seconds - measured)
        return asked, measured

    async def round(self, asked_seconds: float) -> Round:
        """One repeat at this delay."""
        theirs, their_calls = await self._shard_their_way(asked_seconds)
        db, ours = await self.shard_fresh(asked_seconds)
        limit = await self._in_process(ceiling.put_at_once, _THEIRS, await self._ours.layout(db))
        await self.clear()
        return Round(ours, theirs, their_calls, limit)

    async def shard_fresh(self, asked_seconds: float) -> tuple[str, Trace]:
        """Ours, on a database that has never been sharded; it stays until `clear`."""
        db = next(self._names)
        await self._ours.put(files(db))
        return db, await self.shard(db, asked_seconds)

    async def shard(self, db: str, asked_seconds: float, *, commits: bool = True) -> Trace:
        """Ours, on what is there. The client asks after the run once it has committed: asking costs the app time."""
        proxy, where = self._stack.proxy, self._stack.addresses
        scope = {name: getattr(where, name) for name in ("subscription_id", "resource_group", "account_name")}
        proxy.round_trip_seconds = asked_seconds
        proxy.clear()
        posted = monotonic()
        response = await self._http.post(f"/api/blast/databases/{db}/shard", json=scope)
        accepted = monotonic()
        if commits:
            await self._committed(db)
        succeeded = await self._succeeded(response.raise_for_status().json()["operation_id"])
        return trace(tuple(proxy.records), db, posted=posted, accepted=accepted, succeeded=succeeded)

    async def clear(self) -> None:
        """Remove our databases, and from theirs its layouts."""
        await asyncio.gather(self._ours.clear(), self._theirs.clear(but=frozenset(files(_DATABASE))))

    async def _committed(self, db: str) -> None:
        """Watch the proxy until the commit is answered; what becomes of a run that never commits, its operation tells."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_COMMIT_SECONDS):
                while True:
                    if committed_at(self._stack.proxy.records, db) is not None:
                        return
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _succeeded(self, operation: str) -> float:
        """Wait for the end as a client does; returns when it was read."""
        while True:
            reply = await self._http.get(f"/api/operations/{operation}", params={"wait_ms": 20_000})
            state = reply.raise_for_status().json()
            if state["status"] == "Succeeded":
                return monotonic()
            if state["status"] not in {"NotStarted", "Running"}:
                raise RuntimeError(f"the run ended as {state['status']}: {state['error']}")

    async def _shard_their_way(self, asked_seconds: float) -> tuple[Replaced, int]:
        await self._theirs.put(metadata(_DATABASE))
        self._stack.proxy.round_trip_seconds = asked_seconds
        self._stack.proxy.clear()
        theirs = await self._in_process(replaced.shard, _THEIRS, _DATABASE)
        return theirs, len(self._stack.proxy.records)

    async def _in_process[T, Result](self, work: Callable[[str, str, T], Result], container: str, argument: T) -> Result:
        connection = self._stack.account.at(self._stack.proxy.port).connection_string
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._process, work, connection, container, argument)


def _get_seconds(port: int) -> float:
    """How long a GET takes on an open connection; the emulator refuses it at once."""
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def get() -> float:
        began = perf_counter()
        connection.request("GET", "/nobody/nothing")
        connection.getresponse().read()
        return perf_counter() - began

    get()
    seconds = median(get() for _ in range(_PROBES))
    connection.close()
    return seconds
