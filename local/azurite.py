"""Azurite, the storage emulator, as one child process with its own accounts, folder and port.

It serves blobs only. The local host keeps its runs in memory, so nothing local needs queues or tables. Azurite writes its
index some seconds after the data and loses its last writes when it is killed: do not test durability with it.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob.aio import BlobServiceClient

from local import ROOT
from local.processes import Child, ProcessFailed, free_port, port_open

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_ACCOUNT = "devstoreaccount1"
CONTAINER = "blast-db"
"""Where Shardwarm keeps databases."""
START_SECONDS = 120.0
_PROGRAM = ROOT / "local/node_modules/azurite/dist/src/blob/main.js"
_PATCH = ROOT / "local/azurite.cjs"
_ACCOUNT_NAME = re.compile(r"[a-z0-9]{3,24}")
_STARTS = 3


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account and a port of 127.0.0.1 that leads to it: Azurite's own, or a proxy's."""

    name: str
    key: str
    port: int

    @property
    def blob_endpoint(self) -> str:
        """The account's URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}/{self.name}"

    @property
    def connection_string(self) -> str:
        """What the storage SDK takes in place of an address and an identity."""
        return f"DefaultEndpointsProtocol=http;AccountName={self.name};AccountKey={self.key};BlobEndpoint={self.blob_endpoint};"

    def at(self, port: int) -> Account:
        """The same account at another port; signatures stay valid."""
        return Account(self.name, self.key, port)


class Azurite:
    """A storage emulator; `async with` starts and stops it."""

    def __init__(
        self, folder: Path, *, accounts: Sequence[str] = (DEFAULT_ACCOUNT,), in_memory: bool = True, access_log: bool = False
    ) -> None:
        """Describe an emulator; nothing runs before `start`.

        Args:
            folder: for its log, and for its data unless `in_memory`; created when absent.
            accounts: their names; `account_name`, `blob_endpoint` and `connection_string` are the first one's. Their keys
                are new in each run.
            in_memory: keep nothing on disk.
            access_log: log one line for each request; `local.events` reads them.

        Raises:
            ValueError: Azure would refuse an account name.
        """
        for name in accounts:
            if not _ACCOUNT_NAME.fullmatch(name):
                raise ValueError(f"account name {name!r} does not match {_ACCOUNT_NAME.pattern}")
        self.folder = folder
        self.log = folder / "azurite.log"
        self.port = 0
        self._names = tuple(accounts)
        self._keys = {name: base64.b64encode(secrets.token_bytes(64)).decode() for name in accounts}
        self._in_memory = in_memory
        self._has_access_log = access_log
        self._child: Child | None = None

    async def start(self) -> None:
        """Start on a free port and wait until it accepts connections.

        Raises:
            ProcessFailed: Azurite ended or did not answer; the message carries the end of its log.
        """
        for attempt in range(1, _STARTS + 1):
            self.port = free_port()
            self._child = await Child.start("Azurite", self._command(), log=self.log, env=self._environment())
            try:
                await self._child.ready(lambda: port_open(self.port), START_SECONDS)
            except ProcessFailed:
                port_was_taken = self._child.returncode is not None
                await self.stop()
                # Another process may take the port after we have found it free: try a new one.
                if attempt == _STARTS or not port_was_taken:
                    raise
            else:
                return

    async def stop(self) -> None:
        """End Azurite; data on disk stays, data in memory is gone. Safe to repeat."""
        if self._child is not None:
            await self._child.stop()
            self._child = None

    async def create_containers(self, name: str = CONTAINER) -> None:
        """Create a container in every account, as the templates in infra/ do on Azure. Keeps a container that exists."""
        for account in self._names:
            async with BlobServiceClient.from_connection_string(self.account(account).connection_string) as service:
                with contextlib.suppress(ResourceExistsError):
                    await service.get_container_client(name).create_container()

    async def failed(self) -> None:
        """Wait until Azurite ends without `stop`, and raise ProcessFailed with the end of the log."""
        if self._child is None:
            raise RuntimeError("Azurite was not started")
        raise self._child.failure(f"ended with status {await self._child.wait()}")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def account(self, name: str) -> Account:
        """The account of that name; KeyError when the emulator was not given it."""
        return Account(name, self._keys[name], self.port)

    @property
    def account_name(self) -> str:
        """The first account's name."""
        return self._names[0]

    @property
    def blob_endpoint(self) -> str:
        """The first account's URL, without a slash at the end."""
        return self.account(self.account_name).blob_endpoint

    @property
    def connection_string(self) -> str:
        """The first account's connection string."""
        return self.account(self.account_name).connection_string

    def _command(self) -> list[str]:
        if not _PROGRAM.exists():
            raise ProcessFailed("Azurite is not installed: run 'make setup'")
        self.folder.mkdir(parents=True, exist_ok=True)
        place = ["--inMemoryPersistence"] if self._in_memory else ["--location", str(self.folder / "data")]
        # The SDK is newer than Azurite, hence no version check. Connections stay open for longer than the default 5 s,
        # so that a pooled one is not closed under a request; _PATCH makes Azurite listen to that option.
        options = [
            *([] if self._has_access_log else ["--silent"]),
            "--disableTelemetry",
            "--skipApiVersionCheck",
            "--blobKeepAliveTimeout",
            "3600",
        ]
        address = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port)]
        return ["node", "--require", str(_PATCH), str(_PROGRAM), *options, *address, *place]

    def _environment(self) -> dict[str, str]:
        accounts = ";".join(f"{name}:{key}" for name, key in self._keys.items())
        inherited = os.environ  # noqa: TID251  what a child inherits is not a setting
        return {**inherited, "AZURITE_ACCOUNTS": accounts}
