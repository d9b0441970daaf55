"""Activities with clients of the test's own: a container of its own, and a proxy in front of it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from activities.shard import inspect_database, upload_shard_set
from shared.blastdb.statistics import Statistics
from shared.clients import Clients
from shared.runs.shard.payloads import CommitMetadata, Inspect, Inspection, MarkStarted, RecordFailure, RemoveOrphans, UploadSet
from shared.settings import Settings
from tests.driving import Blobs

ACCOUNT = "devstoreaccount1"
_NUMBERS = itertools.count(1)


class Bench:
    """Everything to run one activity on: its clients, its container, the proxy between them, and requests for it."""

    def __init__(self, proxy, account, container: str) -> None:
        self.proxy = proxy
        self.blobs = Blobs(account.connection_string, container)
        self._connection = account.at(proxy.port).connection_string
        self._container = container
        self._made: list[Clients] = []
        self.clients = self.with_settings()

    def with_settings(self, *, accounts=(ACCOUNT,), **settings) -> Clients:
        """Clients of another process, as it were: nothing is remembered in them."""
        clients = Clients.of(
            Settings(
                accounts=accounts,
                blob_connection=(self._connection,),
                container=self._container,
                retry_first_seconds=0.02,
                **settings,
            )
        )
        self._made.append(clients)
        return clients

    async def close(self) -> None:
        for clients in self._made:
            await clients.accounts.close()
        await self.blobs.close()

    async def look(self, db, presets=(1, 2), clients=None, **more) -> Inspection:
        """Inspect a database that is in order."""
        inspected = await inspect_database(self.inspect(db, presets, **more), clients or self.clients)
        assert inspected.inspection is not None, inspected.problem
        return inspected.inspection

    async def sharded(self, db, presets=(1, 2)) -> Inspection:
        """Write every set; returns what was there before."""
        inspection = await self.look(db, presets)
        await self.written(db, inspection)
        return inspection

    async def written(self, db, inspection) -> None:
        """Write every set of an inspection."""
        for request in self.uploads(db, inspection):
            assert (await upload_shard_set(request, self.clients)).problem is None

    def inspect(self, db, presets=(1, 2), **more) -> Inspect:
        return Inspect(account=ACCOUNT, db=db, presets=presets, **more)

    def uploads(self, db, inspection, *, seconds=60.0, statistics: Statistics | str | None = "inspected") -> list[UploadSet]:
        return [
            UploadSet(
                account=ACCOUNT,
                db=db,
                plan=plan,
                volumes=inspection.volumes,
                statistics=inspection.statistics if statistics == "inspected" else statistics,
                last_change=inspection.last_change,
                alias_version=inspection.alias_version,
                write_before=datetime.now(UTC) + timedelta(seconds=seconds),
            )
            for plan in inspection.sets
        ]

    def mark(self, db, *, epoch=1, run="run-1", if_match=None) -> MarkStarted:
        started = datetime(2026, 1, 1, tzinfo=UTC)
        return MarkStarted(account=ACCOUNT, db=db, run=run, epoch=epoch, started=started, if_match=if_match)

    def commit(self, db, inspection, *, epoch=1, run="run-1", **more) -> CommitMetadata:
        fields = {
            "account": ACCOUNT,
            "db": db,
            "run": run,
            "epoch": epoch,
            "finished": datetime(2026, 1, 1, tzinfo=UTC),
            "generation": inspection.generation,
            "volumes": inspection.volumes,
            "statistics": inspection.statistics,
            "total_bytes": inspection.total_bytes,
            "file_count": inspection.file_count,
            "good_sets": tuple(plan.shard_count for plan in inspection.sets),
            "alias_version": inspection.alias_version,
        }
        return CommitMetadata(**{**fields, **more})

    def failure(self, db, *, epoch=1, run="run-1", **more) -> RecordFailure:
        return RecordFailure(account=ACCOUNT, db=db, run=run, epoch=epoch, **more)

    def removal(self, db, inspection, *, kept, seconds=60.0) -> RemoveOrphans:
        return RemoveOrphans(
            account=ACCOUNT,
            db=db,
            volumes=inspection.volumes,
            shard_counts=inspection.orphans,
            kept=kept,
            write_before=datetime.now(UTC) + timedelta(seconds=seconds),
        )


@pytest.fixture
async def bench(azurite, storage_proxy):
    """A bench over a container that only this test uses."""
    bench = Bench(storage_proxy, azurite.account(ACCOUNT), f"bench-{next(_NUMBERS)}")
    await bench.blobs.container.create_container()
    yield bench
    await bench.close()


@pytest.fixture
async def serving():
    """`serving(handler)` gives the port of a server whose every answer the test decides."""
    runners = []

    async def serve(handler) -> int:
        app = web.Application()
        app.router.add_route("*", "/{name:.*}", handler)
        runners.append(web.AppRunner(app))
        await runners[-1].setup()
        site = web.TCPSite(runners[-1], "127.0.0.1", 0)
        await site.start()
        return site._server.sockets[0].getsockname()[1]

    yield serve
    for runner in runners:
        await runner.cleanup()
