"""The storage emulator and the app in a Functions host, started and stopped together.

The app does not know that it runs locally: `_settings` has everything that differs.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, NamedTuple

from local import ROOT
from local.azurite import DEFAULT_ACCOUNT, Azurite
from local.events import Subscription
from local.host import FunctionsHost
from local.proxy import Proxy
from local.upkeep import Together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from local.azurite import Account
    from local.functions.items import Observer

DEFAULT_ROOT = ROOT / ".local"
SUBSCRIPTION_ID = "00000000-0000-0000-0000-000000000000"
RESOURCE_GROUP = "local"
QUIET_SECONDS = "2"
"""Quiet time after an upload. The product's default is a minute, which is long to watch."""
NEVER = "0 0 0 29 2 *"
"""A schedule that fires once in four years: timers of a stack run only by hand unless a caller sets another schedule."""


class Addresses(NamedTuple):
    """URLs of the stack and values that its API accepts; also the content of stack.json."""

    functions_url: str
    event_grid_url: str
    blob_endpoint: str
    blob_connection_string: str
    account_name: str
    subscription_id: str
    resource_group: str
    pid: int


class Stack(Together):
    """Azurite and the app; `async with` starts and stops both.

    Starting returns when the app answers. It raises ProcessFailed, with the end of a log, when a part could not be started.
    Blobs and runs are kept in memory, so nothing outlives a stack. Stacks under different folders do not see each other.
    """

    def __init__(
        self,
        root: Path = DEFAULT_ROOT,
        *,
        app: Path = ROOT,
        port: int = 0,
        accounts: Sequence[str] = (DEFAULT_ACCOUNT,),
        settings: Mapping[str, str] | None = None,
        observer: Observer | None = None,
        deliver_twice: bool = False,
        start_window_seconds: float = 0.0,
        events: bool = False,
    ) -> None:
        """Describe a stack; nothing runs before `start`.

        Args:
            root: folder for logs, the emulator's files and stack.json; holds one stack at a time.
            app: folder with function_app.py.
            port: of the app; 0 takes a free one.
            accounts: storage accounts; `addresses` describes the first.
            settings: more environment variables of the app; they override those that every local stack sets.
            observer: sees every durable work item of the app, and may hold it up; see `FunctionsHost`.
            deliver_twice: run every activity twice; see `FunctionsHost`.
            start_window_seconds: how long starts of one id race, as they do on Azure; see `FunctionsHost`.
            events: keep the access log that `subscription` reads.
        """
        super().__init__()
        self.root = root
        self.logs = root / "logs"
        self.azurite = Azurite(root / "azurite", accounts=accounts, access_log=events)
        self.proxy = Proxy(0)
        """Between the app and storage. It counts the app's calls, and adds delay or faults only when a caller asks for them."""
        self._app = app
        self._accounts = tuple(accounts)
        self._port = port
        self._more = dict(settings or {})
        self._observer = observer
        self._deliver_twice = deliver_twice
        self._start_window_seconds = start_window_seconds
        self._has_events = events
        self._host: FunctionsHost | None = None

    @property
    def host(self) -> FunctionsHost:
        """The app's host, once started."""
        if self._host is None:
            raise RuntimeError("the stack was not started")
        return self._host

    @property
    def account(self) -> Account:
        """The first storage account, at its own port and not at the proxy's."""
        return self.azurite.account(self.azurite.account_name)

    def subscription(self, *, cloud_events: bool = False) -> Subscription:
        """Deliver storage events from now on; only for a stack made with `events`."""
        return Subscription(self.azurite.log, self.addresses.event_grid_url, cloud_events=cloud_events)

    @property
    def addresses(self) -> Addresses:
        """Addresses of all parts, once started."""
        url = self.host.url
        return Addresses(
            functions_url=url,
            event_grid_url=f"{url}/runtime/webhooks/EventGrid",
            blob_endpoint=self.account.blob_endpoint,
            blob_connection_string=self.account.connection_string,
            account_name=self.account.name,
            subscription_id=SUBSCRIPTION_ID,
            resource_group=RESOURCE_GROUP,
            pid=os.getpid(),
        )

    async def _start(self) -> None:
        self._exit.push_async_callback(self.azurite.stop)
        await self.azurite.start()
        await self.azurite.create_containers()
        self.proxy.upstream_port = self.azurite.port
        await self._exit.enter_async_context(self.proxy)
        self._host = FunctionsHost(
            self._app,
            state=self.logs,
            port=self._port,
            env=self._settings(),
            observer=self._observer,
            deliver_twice=self._deliver_twice,
            start_window_seconds=self._start_window_seconds,
        )
        await self._exit.enter_async_context(self._host)

    def _settings(self) -> dict[str, str]:
        reached = [self.azurite.account(name).at(self.proxy.port) for name in self._accounts]
        return {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AzureWebJobsStorage": self.account.connection_string,
            "SHARDWARM_ACCOUNTS": ",".join(self._accounts),
            "SHARDWARM_BLOB_CONNECTION": ",".join(account.connection_string for account in reached),
            "SHARDWARM_CLUSTERS": "",
            **({"SHARDWARM_UPLOAD_QUIET_SECONDS": QUIET_SECONDS} if self._has_events else {}),
            "SHARDWARM_RECONCILE_SCHEDULE": NEVER,
            # A local stack sends no request to the internet. A caller with a bucket of its own sets its address.
            "SHARDWARM_NCBI_URL": "http://127.0.0.1:9/nowhere",
            **self._more,
        }

    async def failed(self) -> None:
        """Wait until a part that must not end has ended, and raise its error."""
        parts = [asyncio.create_task(self.azurite.failed()), asyncio.create_task(self.host.failed())]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            await done.pop()
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
