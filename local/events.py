"""Blob events of the storage emulator, delivered to the app as Event Grid delivers those of a storage account.

The emulator has no events, but its access log has every request of every client. Each successful write or deletion of a blob
in the log becomes one event. This module posts it to the app's webhook and retries, with growing pauses, until the app
accepts it.

What it does not imitate: Event Grid's lack of order (here events come in the log's order unless a delivery fails); repeated
deliveries, dead-lettering, the validation handshake; a write's real ETag, which the log does not have (each write gets an
invented one, like its sequencer); `CopyBlob`, which looks like `PutBlob` in the log. Events of Data Lake's API do not occur,
because the emulator has no hierarchical namespace.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

if TYPE_CHECKING:
    from pathlib import Path

FUNCTION = "on_blob_event"
BATCH = 50
"""Events in one request, at most; a subscription's default is 1, and its limit 5,000."""
ATTEMPTS = 30
"""Deliveries of one event before it is dropped; Event Grid tries as often."""
_HOPELESS = frozenset({400, 401, 403, 413})
"""Statuses after which Event Grid does not retry."""
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_LINE = re.compile(r'"(PUT|DELETE) (/\S+) HTTP/1\.1" (20[012]) ')
_LOG = logging.getLogger(__name__)


class Written(NamedTuple):
    """One successful write or deletion of a blob, from the access log."""

    account: str
    container: str
    blob: str
    api: str

    @property
    def is_deletion(self) -> bool:
        """Whether the blob was deleted."""
        return self.api == "DeleteBlob"


class Subscription:
    """Delivers the emulator's events from now on; `async with` starts and ends the deliveries."""

    def __init__(self, access_log: Path, webhook: str, *, cloud_events: bool = False) -> None:
        """Describe a subscription; nothing is read or sent before `async with`.

        Args:
            access_log: the emulator's.
            webhook: the host's address for events, without its query.
            cloud_events: deliver in the CloudEvents schema and not in Event Grid's own.
        """
        self.seen = 0
        """Events found in the log."""
        self.delivered = 0
        """Events that the app has accepted."""
        self._access_log = access_log
        self._webhook = f"{webhook}?functionName={FUNCTION}"
        self._is_cloud = cloud_events
        self._number = 0
        self._read_bytes = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._exit = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._read_bytes = self._logged_bytes()
        client = await self._exit.enter_async_context(httpx.AsyncClient(timeout=30))
        group = await self._exit.enter_async_context(asyncio.TaskGroup())
        self._exit.callback(self._cancel)
        self._tasks.append(group.create_task(self._follow(group, client)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    async def caught_up(self) -> None:
        """Wait until the app has accepted all events so far."""
        while self._read_bytes < self._logged_bytes() or self.delivered < self.seen:  # noqa: ASYNC110 - a file cannot be awaited
            await asyncio.sleep(_LOOK_SECONDS)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _logged_bytes(self) -> int:
        return self._access_log.stat().st_size if self._access_log.exists() else 0

    async def _follow(self, group: asyncio.TaskGroup, client: httpx.AsyncClient) -> None:
        rest = b""
        with self._access_log.open("rb") as log:
            log.seek(self._read_bytes)
            while True:
                more = log.read()
                *lines, rest = (rest + more).split(b"\n")
                events = [self._event(written) for line in lines if (written := written_by(line.decode(errors="replace")))]
                self.seen += len(events)
                for at in range(0, len(events), BATCH):
                    self._tasks.append(group.create_task(self._deliver(client, events[at : at + BATCH])))
                self._read_bytes += len(more)
                await asyncio.sleep(_LOOK_SECONDS)

    async def _deliver(self, client: httpx.AsyncClient, events: list[dict[str, object]]) -> None:
        wait = _FIRST_WAIT_SECONDS
        content_type = "application/cloudevents-batch+json" if self._is_cloud else "application/json"
        headers = {"aeg-event-type": "Notification", "content-type": f"{content_type}; charset=utf-8"}
        for _ in range(ATTEMPTS):
            try:
                reply = await client.post(self._webhook, content=json.dumps(events), headers=headers)
            except httpx.HTTPError as error:
                _LOG.info("An event could not be delivered: %s", error)
            else:
                if reply.is_success:
                    self.delivered += len(events)
                    return
                if reply.status_code in _HOPELESS:
                    break
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
        _LOG.error("%d events could not be delivered.", len(events))

    def _event(self, written: Written) -> dict[str, object]:
        self._number += 1
        return event(written, self._number, datetime.now(UTC), cloud=self._is_cloud)


def written_by(line: str) -> Written | None:
    """The write or deletion that a line of the access log describes; None for other requests."""
    match = _LINE.search(line)
    if match is None:
        return None
    address = urlsplit(match[2])
    _, account, *path = unquote(address.path).split("/", 3)
    operation = parse_qs(address.query).get("comp", [""])[0]
    apis = {"": "PutBlob", "blocklist": "PutBlockList"} if match[1] == "PUT" else {"": "DeleteBlob"}
    container, blob = (*path, "", "")[:2]
    return Written(account, container, blob, apis[operation]) if blob and operation in apis else None


def event(written: Written, number: int, moment: datetime, *, cloud: bool) -> dict[str, object]:
    """The event of a write, in the CloudEvents or the Event Grid schema; `number` is its place in the order of all events."""
    topic = f"/subscriptions/local/resourceGroups/local/providers/Microsoft.Storage/storageAccounts/{written.account}"
    subject = f"/blobServices/default/containers/{written.container}/blobs/{written.blob}"
    kind = f"Microsoft.Storage.Blob{'Deleted' if written.is_deletion else 'Created'}"
    data = {
        "api": written.api,
        "eTag": f"0x8DL{number:012X}",
        "blobType": "BlockBlob",
        "url": f"https://{written.account}.blob.core.windows.net/{written.container}/{written.blob}",
        "sequencer": f"{number:032X}",
    }
    known = {"id": f"local-{number}", "subject": subject, "data": data}
    if cloud:
        return {**known, "specversion": "1.0", "source": topic, "type": kind, "time": moment.isoformat()}
    return {
        **known,
        "topic": topic,
        "eventType": kind,
        "eventTime": moment.isoformat(),
        "dataVersion": "",
        "metadataVersion": "1",
    }
