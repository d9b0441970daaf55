"""Post callbacks to receivers: signed, with a time limit, without redirects, never to private addresses.

It checks the address to which the socket connects, so that a second DNS answer cannot evade the check.
"""

import socket
import ssl
from functools import cached_property
from time import time
from typing import Any

import aiohttp

from shared.errors import Code, Problem
from shared.runs.callbacks import Posted, former_signature, is_public, signature
from shared.sanitise import sanitised_line
from shared.settings import Settings
from shared.version import VERSION


class Receivers:
    """Posts callbacks for one process. Each post opens a new connection and checks its address."""

    def __init__(self, settings: Settings) -> None:
        """Follow these settings; nothing connects before the first post."""
        self._settings = settings

    async def post(self, url: str, run: str, body: bytes) -> int | Posted:
        """Post a document. Returns the status of the reply, or why the receiver was not reached.

        Only the status of the reply is read.
        """
        private: list[str] = []
        connector = aiohttp.TCPConnector(
            ssl=self._trust, use_dns_cache=False, force_close=True, socket_factory=self._socket_factory(private)
        )
        timeout = aiohttp.ClientTimeout(total=self._settings.callback_timeout_seconds)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.post(url, data=body, headers=self._headers(run, body), allow_redirects=False) as reply,
            ):
                return reply.status
        except aiohttp.InvalidURL:
            return _not_reached("refused", "Its URL is not valid.")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            if private:
                return _not_reached("refused", "Its host has a private address.")
            reason = "It did not answer in time." if isinstance(error, TimeoutError) else sanitised_line(str(error), 160)
            return _not_reached("failed", reason)

    def _headers(self, run: str, body: bytes) -> dict[str, str]:
        timestamp, secret = str(int(time())), self._settings.callback_secret or ""
        return {
            "Content-Type": "application/json",
            "User-Agent": f"shardwarm/{VERSION}",
            "webhook-id": run,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature(secret, run, timestamp, body),
            # The former headers, for receivers that do not read the standard ones yet. The release after this one drops them.
            "x-shardwarm-operation-id": run,
            "x-shardwarm-timestamp": timestamp,
            "x-shardwarm-signature": former_signature(secret, timestamp, body),
        }

    def _socket_factory(self, private: list[str]) -> Any:
        def make(where: tuple[Any, ...]) -> socket.socket:
            family, kind, protocol, _, address = where
            if not self._settings.callback_local and not is_public(str(address[0])):
                private.append(str(address[0]))
                raise OSError("a private address")
            return socket.socket(family, kind, protocol)

        return make

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        trust = ssl.create_default_context()
        if self._settings.callback_certificate:
            trust.load_verify_locations(self._settings.callback_certificate)
        return trust


def _not_reached(outcome: Any, reason: str) -> Posted:
    message = f"The app did not reach the receiver. {reason}"
    return Posted(outcome=outcome, problem=Problem(code=Code.CALLBACK_FAILED, message=message, target="callback_url"))
