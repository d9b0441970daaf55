"""The storage accounts that the settings allow, each with one connection pool for the process's lifetime."""

import asyncio
from typing import Any
from urllib.request import getproxies

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import BlobServiceClient, LinearRetry

from shared.allowed import allows
from shared.azure.credentials import credential
from shared.errors import Code, Forbidden
from shared.settings import Settings
from shared.storage.container import Container

_RETRIES = 2
"""Retries of one request within one activity; the run retries the activity, too."""


class Accounts:
    """Containers by account name, made on first use, each for one event loop. Nothing connects before the first request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: dict[str, tuple[asyncio.AbstractEventLoop, Container, BlobServiceClient]] = {}
        self._connections = settings.connections

    def container(self, account: str) -> Container:
        """The database container of an account.

        Raises:
            Forbidden: the account is not among those in the settings.
        """
        self.require(account)
        loop = asyncio.get_running_loop()
        found = self._open.get(account)
        if found is None or found[0] is not loop:
            service = self._service(account)
            client = service.get_container_client(self._settings.container)
            found = (loop, Container(account, client, list_page=self._settings.list_page), service)
            self._open[account] = found
        return found[1]

    def require(self, account: str) -> None:
        """Refuse an account that the settings do not allow.

        Raises:
            Forbidden: it is not among those in the settings.
        """
        if not allows(self._settings.accounts, account):
            message = f"This app may not use the storage account '{account}'. An operator can add it to SHARDWARM_ACCOUNTS."
            raise Forbidden(Code.ACCOUNT_NOT_ALLOWED, message, target="account_name")

    async def close(self) -> None:
        """Close every pool. Tests and tools need this; a worker lives as long as its pools."""
        for _, _, service in self._open.values():
            await service.close()
        self._open.clear()

    def _service(self, account: str) -> BlobServiceClient:
        timeout, pause = self._settings.storage_timeout_seconds, self._settings.retry_first_seconds
        # The SDK's default pauses are 18 s and more: a route would answer too late, and a step would outlast its minute.
        retries: dict[str, Any] = {"retry_total": _RETRIES, "backoff": pause, "random_jitter_range": pause}
        connector = aiohttp.TCPConnector(limit=self._settings.storage_concurrency, keepalive_timeout=60)
        # With trust_env every request looks for ~/.netrc in a thread; only a proxy is worth that cost.
        session = aiohttp.ClientSession(connector=connector, auto_decompress=False, trust_env=bool(getproxies()))
        options: dict[str, Any] = {
            "transport": AioHttpTransport(session=session, session_owner=True),
            "retry_policy": LinearRetry(**retries),
            "connection_timeout": timeout,
            "read_timeout": timeout,
        }
        if account in self._connections:
            return BlobServiceClient.from_connection_string(self._connections[account], **options)
        url = f"https://{account}.blob.{self._settings.blob_suffix}"
        return BlobServiceClient(url, credential=credential(self._settings), **options)
