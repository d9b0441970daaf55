"""The storage emulator and the app in a Functions host, started and stopped together.

The app does not know where it runs: everything local reaches it as settings, all of them in `_settings`.
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
"""After which a database that is uploaded here is looked at: nobody wants to wait a minute for that."""
NEVER = "0 0 0 29 2 *"
"""Nearly: a stack is left alone unless it is told otherwise; a timer can always be fired by hand."""


class Addresses(NamedTuple):
    """Where the stack is reached, and values that its API accepts; also the content of stack.json."""

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

    Up when the app answers. To start it raises ProcessFailed when a part could not be started, with the end of its log.
    Nothing outlives it: blobs and runs are kept in memory. Stacks under different folders do not see each other.
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
        events: bool = False,
    ) -> None:
        """Describe a stack; nothing runs before `start`.

        Args:
            root: folder for logs, the emulator's files and stack.json; one stack at a time.
            app: folder with function_app.py.
            port: of the app; 0 takes a free one.
            accounts: storage accounts; the first is the one that `addresses` speaks of.
            settings: environment variables of the app besides those of every local stack; they win over those.
            observer: sees every durable work item of the app, and may hold it up; see `FunctionsHost`.
            deliver_twice: run every activity twice; see `FunctionsHost`.
            events: keep the access log that `subscription` reads.
        """
        super().__init__()
        self.root = root
        self.logs = root / "logs"
        self.azurite = Azurite(root / "azurite", accounts=accounts, access_log=events)
        self.proxy = Proxy(0)
        """Between the app and storage, without delay or faults unless somebody adds them; counts the app's calls."""
        self._app = app
        self._accounts = tuple(accounts)
        self._port = port
        self._more = dict(settings or {})
        self._observer = observer
        self._deliver_twice = deliver_twice
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
        """The first storage account, reached directly and not through the proxy."""
        return self.azurite.account(self.azurite.account_name)

    def subscription(self, *, cloud_events: bool = False) -> Subscription:
        """Deliveries of what happens in storage from its beginning on; the stack must have been made with `events`."""
        return Subscription(self.azurite.log, self.addresses.event_grid_url, cloud_events=cloud_events)

    @property
    def addresses(self) -> Addresses:
        """Where everything is, once started."""
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
            # Nothing of a local stack asks the world; whoever has a source of its own names it.
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
