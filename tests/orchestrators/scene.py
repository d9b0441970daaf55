"""The app on a stack of its own, what drives it, and what must be true of a database after its runs."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.client import AsyncTaskHubGrpcClient

from local.functions.rpc import Channel
from local.stack import Stack
from shared.runs.ids import lease_key, operation_id
from tests.builders import LETTERS_PER_VOLUME, SEQUENCES_PER_VOLUME, alias, database, layout, manifest
from tests.driving import Api, Blobs
from tests.orchestrators.crossroads import Crossroads, Step, Stop
from tests.patience import eventually, patience

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from local.proxy import Held, Request

ACCOUNT = "devstoreaccount1"
QUICK = {
    "SHARDWARM_RETRY_ATTEMPTS": "2",
    "SHARDWARM_RETRY_FIRST_SECONDS": "0.02",
    "SHARDWARM_RETRY_LONGEST_SECONDS": "0.05",
}
"""Passing failures are over soon."""
_BROKEN = ("NonDeterminism", "ended in a defect", "InternalError")
"""Words in the app's log that no test may cause."""


class Scene:
    """One stack under test. Tests keep apart by databases of their own names."""

    def __init__(self, root: Path, *, deliver_twice: bool = False, start_window_seconds: float = 0.0, **settings: str) -> None:
        self.crossroads = Crossroads()
        self.stack = Stack(
            root,
            settings={**QUICK, **settings},
            observer=self.crossroads,
            deliver_twice=deliver_twice,
            start_window_seconds=start_window_seconds,
        )
        self._exit = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._exit.enter_async_context(self.stack)
        self.api = await self._exit.enter_async_context(Api(self.stack.addresses.functions_url, ACCOUNT))
        self.blobs = Blobs(self.stack.account.connection_string)
        self._exit.push_async_callback(self.blobs.close)
        self.proxy = self.stack.proxy
        return self

    async def __aexit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Stop the stack. Fails if a run disagreed with its own history or broke, unless an error is on its way already."""
        lines = (self.stack.logs / "worker.log").read_text(errors="replace").splitlines()
        await self._exit.aclose()
        found = [number for number, line in enumerate(lines) if any(word in line for word in _BROKEN)]
        assert error is not None or not found, "\n".join(lines[found[0] : found[0] + 60])

    async def new(self, db: str, volumes: int = 3, **fields) -> str:
        """Upload a fresh database; returns its name."""
        await self.blobs.upload(database(db, volumes, **fields))
        return db

    async def grow(self, db: str, volumes: int) -> None:
        """Bring a database to so many volumes, as an upload would: files first, the statistics last."""
        files = database(db, volumes)
        last = {name: files.pop(name) for name in list(files) if name.endswith(".njs")}
        await self.blobs.upload(files)
        await self.blobs.upload(last)

    def run_of(self, db: str, number: int = 1) -> str:
        """The operation id that a database's run of that number will have."""
        return operation_id("shard", ACCOUNT, db, number)

    def stop(self, db: str, step: Step, moment: str = "answered", *, number: int = 1, redeliver: bool = False) -> Stop:
        """Hold up one step of a database's run of that number."""
        instance = f"@lease@{lease_key(ACCOUNT, db)}" if step.kind == "entity" else self.run_of(db, number)
        return self.crossroads.stop(instance, step, moment, redeliver=redeliver)

    async def started(self, db: str, **fields) -> str:
        """Start a run that must be accepted; returns its operation id."""
        reply = await self.api.start_shard(db, **fields)
        assert reply.status_code == 202, reply.text
        return reply.json()["operation_id"]

    async def ended(self, run: str) -> dict:
        """The operation once it has ended, which must not take for ever."""
        async with patience():
            return await self.api.end(run)

    def client(self) -> AsyncTaskHubGrpcClient:
        """The task hub as an administrator reaches it."""
        return AsyncTaskHubGrpcClient(host_address=self.stack.host.rpc_address, secure_channel=False)

    async def terminate(self, run: str) -> None:
        """End a run from outside, as an administrator would, and see that it has ended."""
        address = f"/runtime/webhooks/durabletask/instances/{run}/terminate"
        reply = await self.api.post(address, params={"reason": "gone"})
        assert reply.status_code == 202, reply.text
        assert (await self.ended(run))["status"] == "Canceled"

    async def history(self, run: str) -> list[pb.HistoryEvent]:
        """Everything that the engine keeps of a run."""
        channel = Channel(self.stack.host.rpc_address)
        try:
            request = pb.StreamInstanceHistoryRequest(instanceId=run)
            return [event async for chunk in channel.backend.StreamInstanceHistory(request) for event in chunk.events]
        finally:
            await channel.close()

    async def lease(self, db: str) -> dict:
        return (await self.api.show(db))["lease"]

    async def stored_layout(self, db: str) -> set[str]:
        """The names of all layout blobs of a database."""

        async def names(folder: str) -> list[str]:
            prefix = f"{folder}{db}_shard_"
            return [name async for name in self.blobs.container.list_blob_names(name_starts_with=prefix)]

        folders = [item.name async for item in self.blobs.container.walk_blobs() if item.name.endswith("shards/")]
        found = await asyncio.gather(*map(names, folders))
        return {name for names in found for name in names}

    async def is_whole(self, db: str, volumes: int, sets: Iterable[int], *, epoch: int | None = None, others: int = 0) -> None:
        """Fail unless metadata, every layout blob and the lease are as they must be after a run that succeeded."""
        sets = sorted(sets)
        document = await self.blobs.metadata(db)
        assert document is not None
        known = {"sharded": True, "shard_sets": sets, "sharding_in_progress": False, "shard_volume_count": volumes}
        assert {name: document.get(name) for name in known} == known
        assert "sharding_error" not in document
        assert "shard_errors" not in document
        if epoch is not None:
            assert document["shard_epoch"] == epoch
        stored = await self.stored_layout(db)
        assert stored >= layout(db, sets)
        assert len(stored - layout(db, sets)) == others
        for count in sets:
            await self._covers(db, volumes, count)
        assert (await self.lease(db))["operation_id"] is None

    async def _covers(self, db: str, volumes: int, count: int) -> None:
        texts = await self.blobs.texts(layout(db, [count]))
        covered = []
        for index in range(count):
            names = texts[manifest(db, count, index)].splitlines()
            sequences, letters = 10 * SEQUENCES_PER_VOLUME * volumes, 10 * LETTERS_PER_VOLUME * volumes
            paths = " ".join(f"/blast/blastdb/{name}" for name in names)
            assert names
            assert texts[alias(db, count, index)] == (
                f"TITLE {db}_shard_{index:02d}\nDBLIST {paths}\n"
                f"NSEQ {sequences}\nLENGTH {letters}\nSTATS_NSEQ {sequences}\nSTATS_TOTLEN {letters}\n"
            )
            covered += names
        assert covered == [f"{db}.{number:02d}" for number in range(volumes)]


async def held(*rules: Held) -> None:
    """Wait until each of these has met a request."""
    async with patience():
        await asyncio.gather(*(rule.reached() for rule in rules))


async def until(condition: Callable[[], Awaitable[bool] | bool]) -> None:
    """Wait until something is so that gives no sign of its own."""

    async def is_so() -> bool:
        answer = condition()
        return answer if isinstance(answer, bool) else await answer

    await eventually(is_so)


def putting(*names: str) -> Callable[[Request], bool]:
    """Matches the writing of these blobs."""
    return lambda request: request.method == "PUT" and request.path.endswith(names)


def writing_layout(db: str) -> Callable[[Request], bool]:
    """Matches the writing of any layout blob of a database."""
    return lambda request: request.method == "PUT" and f"shards/{db}_shard_" in request.path


def deleting(db: str) -> Callable[[Request], bool]:
    """Matches the removal of any layout blob of a database."""
    return lambda request: request.method == "DELETE" and f"shards/{db}_shard_" in request.path


def listing(db: str) -> Callable[[Request], bool]:
    """Matches the listing of a database's own folder."""
    return lambda request: request.method == "GET" and f"prefix={db}/" in unquote(request.query)


def touching(db: str) -> Callable[[Request], bool]:
    """Matches every request that has to do with a database."""
    return lambda request: db in request.path or db in request.query


def nth(number: int, match: Callable[[Request], bool]) -> Callable[[Request], bool]:
    """Matches only the request of that number among those that match; the first is 1."""
    seen = 0

    def is_it(request: Request) -> bool:
        nonlocal seen
        if not match(request):
            return False
        seen += 1
        return seen == number

    return is_it


def texts_in(event: pb.HistoryEvent) -> list[str]:
    """Every payload that an event of a history carries, whatever its kind."""
    body = getattr(event, event.WhichOneof("eventType"))
    return [value.value if hasattr(value, "value") else str(value) for _, value in body.ListFields()]
