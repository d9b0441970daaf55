"""The proxy: accept connections, relay their requests one after the other, and apply delay and rules."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from local.ports import take_port
from local.proxy.exchange import Exchange, Upstream
from local.proxy.pipe import Pipe
from local.proxy.rules import CarriedOut, Fault, Held, Rule, Shortened
from local.proxy.wire import HEAD_LIMIT_BYTES, read_request

if TYPE_CHECKING:
    from local.proxy.records import Record
    from local.proxy.rules import Act, Match


class Proxy:
    """One listening port of 127.0.0.1 in front of one port there; `async with` starts and stops it.

    It runs in the event loop that started it; code that blocks the loop blocks requests too.
    """

    def __init__(self, upstream_port: int, *, port: int = 0, round_trip_seconds: float = 0.0) -> None:
        """Describe a proxy; nothing listens before `start`.

        Args:
            upstream_port: port of the server; may be changed between requests (`proxy.upstream_port = …`) after a restart.
            port: to listen on; 0 takes a free one at `start`.
            round_trip_seconds: delay of every request, half in each direction; the first request of a connection is delayed
                twice. May be changed at any time.
        """
        self.upstream_port = upstream_port
        self.round_trip_seconds = round_trip_seconds
        self.port = port
        self.records: list[Record] = []
        """Every request that has ended, in order of ending."""
        self._rules: list[Rule] = []
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; `port` says where from then on.

        Raises:
            PortTaken: another process has the port.
        """
        self._server = await asyncio.start_server(self._accepted, sock=take_port(self.port), limit=HEAD_LIMIT_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close every connection at once, held ones included. Safe to repeat."""
        if self._server is not None:
            self._server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            self._server.abort_clients()
            await self._server.wait_closed()
            self._server = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def clear(self) -> None:
        """Forget the records; rules stay."""
        self.records.clear()

    def fail(
        self,
        match: Match,
        *,
        status: int = 503,
        times: int | None = None,
        code: str = "ServerBusy",
        delay_seconds: float = 0.0,
    ) -> Rule:
        """Answer matching requests with an Azure-style error; the upstream does not see them.

        Args:
            match: whether a request matches.
            status: of the answer.
            times: how many requests fail; None until the rule is removed.
            code: Azure's error code.
            delay_seconds: before the answer, on top of the round trip.
        """
        return Rule(self._rules, match, times=times, fault=Fault(status, code, delay_seconds))

    def cut(self, match: Match, *, times: int | None = 1) -> Rule:
        """Let matching requests take effect, and close the connection instead of answering."""
        return Rule(self._rules, match, times=times, fault=None)

    def shorten(self, match: Match, *, times: int | None = 1) -> Rule:
        """Let matching requests take effect, and break off in the middle of the answer's body."""
        return Shortened(self._rules, match, times=times, fault=None)

    def carry_out(self, match: Match, act: Act) -> Rule:
        """Let `act` carry out matching requests without a body; the answer is 201 when it returns None, else its fault."""
        return CarriedOut(self._rules, match, act)

    def hold(self, match: Match) -> Held:
        """Hold matching requests before the upstream sees them, until `release` of the returned rule."""
        return Held(self._rules, match)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        if connection is None:
            raise RuntimeError("a connection is served in a task")
        self._connections.add(connection)
        client = Pipe(reader, writer, self._half)
        upstream = Upstream(self._half, lambda: self.upstream_port)
        try:
            # A peer that goes away at any moment ends this connection and nothing else.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
                await self._serve(client, upstream)
                await client.flush()
        except asyncio.CancelledError:
            client.abort()
        finally:
            client.close()
            upstream.close()
            self._connections.discard(connection)

    async def _serve(self, client: Pipe, upstream: Upstream) -> None:
        loop = asyncio.get_running_loop()
        # The proxy is near, so the client has not waited for the handshake: delay its first request by that time.
        established = loop.time() + self.round_trip_seconds
        keeps_alive = True
        while keeps_alive and (request := await read_request(client.reader)) is not None:
            exchange = Exchange(request, client, upstream, loop.time())
            rule = await self._rule_for(exchange)
            if established > loop.time():
                await asyncio.sleep(established - loop.time())
            if rule is None:
                keeps_alive = await exchange.relay(self.records)
            elif isinstance(rule, Shortened):
                await exchange.shorten(self.records)
                await client.flush()
                return
            elif isinstance(rule, CarriedOut):
                await exchange.carry_out(rule.act, self.records)
            elif rule.fault is not None:
                await exchange.fail(rule.fault, self.records)
            else:
                await exchange.cut(self.records)
                client.abort()
                return

    async def _rule_for(self, exchange: Exchange) -> Rule | None:
        for rule in tuple(self._rules):
            if rule.meets(exchange.request):
                if not isinstance(rule, Held):
                    return rule
                await rule.wait()
        return None

    def _half(self) -> float:
        return self.round_trip_seconds / 2
