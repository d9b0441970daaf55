"""How many events a second the app takes, and how long one answer takes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import httpx

from local.events import FUNCTION, Written, event
from local.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_EVENTS = 2000
_DATABASES = 20
_AT_ONCE = 32
_ALONE = 100
_FLOOD = {"SHARDWARM_UPLOAD_QUIET_SECONDS": "600"}
"""Nothing settles while it is measured."""


class Taken(NamedTuple):
    """What was measured; names are those of bench.json."""

    events_per_second: float
    """Events of one request each, 32 at once, over 20 databases: until the last one is answered."""
    events_per_second_dropped: float
    """The same of events that the filter drops, which cost no signal: what host and worker take by themselves."""
    event_milliseconds: float
    """The answer to one event when there is no other; median."""


async def measure(root: Path, *, repeats: int) -> Taken:
    """Measure on a stack of its own; medians."""
    async with Stack(root, settings=_FLOOD) as stack, httpx.AsyncClient(timeout=60) as client:
        webhook = f"{stack.addresses.event_grid_url}?functionName={FUNCTION}"
        sender = _Sender(client, webhook, stack.addresses.account_name)
        await sender.flood(_files(_ALONE))
        taken: list[float] = []
        dropped: list[float] = []
        for _ in range(repeats):
            taken.append(await sender.flood(_files(_EVENTS)))
            dropped.append(await sender.flood(["1shards/nt_shard_00/nt_shard_00.nal"] * _EVENTS))
        alone = await sender.one_by_one(_files(_ALONE))
    return Taken(round(median(taken), 1), round(median(dropped), 1), round(alone * 1000, 2))


class _Sender:
    def __init__(self, client: httpx.AsyncClient, webhook: str, account: str) -> None:
        self._client = client
        self._webhook = webhook
        self._account = account
        self._number = 0

    async def flood(self, blobs: Sequence[str]) -> float:
        """Events a second."""
        turns = asyncio.Semaphore(_AT_ONCE)

        async def send(blob: str) -> None:
            async with turns:
                await self._send(blob)

        began = perf_counter()
        await asyncio.gather(*map(send, blobs))
        return len(blobs) / (perf_counter() - began)

    async def one_by_one(self, blobs: Sequence[str]) -> float:
        """The median of the seconds that one answer takes."""
        seconds: list[float] = []
        for blob in blobs:
            began = perf_counter()
            await self._send(blob)
            seconds.append(perf_counter() - began)
        return median(seconds)

    async def _send(self, blob: str) -> None:
        self._number += 1
        written = Written(self._account, "blast-db", blob, "PutBlob")
        body = [event(written, self._number, datetime.now(UTC), cloud=False)]
        reply = await self._client.post(self._webhook, json=body, headers={"aeg-event-type": "Notification"})
        reply.raise_for_status()


def _files(count: int) -> list[str]:
    """Files of several databases, each announced for the first time or again."""
    databases = [f"nt{number % _DATABASES:02d}" for number in range(count)]
    return [f"{db}/{db}.{number // _DATABASES % 100:02d}.nsq" for number, db in enumerate(databases)]
