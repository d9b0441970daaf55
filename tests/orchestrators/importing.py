"""A stack whose NCBI is a real S3 API behind a proxy: what is published there, what was read from there, what must be so."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

from local.ncbi import BUCKET, NcbiBucket
from local.proxy import Proxy
from local.stack.stack import RESOURCE_GROUP, SUBSCRIPTION_ID
from shared.runs.ids import operation_id
from shared.runs.payload import RetryOptions
from shared.runs.prepare.payloads import CopySteering, PrepareRun
from shared.runs.shard.payloads import ShardRun
from tests.builders import database
from tests.orchestrators.scene import ACCOUNT, Scene

if TYPE_CHECKING:
    from pathlib import Path

    from local.proxy import Request

FIRST, SECOND = "2026-05-09-01-05-02", "2026-06-06-01-05-02"
TAXONOMY = {"taxdb.btd": b"btd" * 100, "taxdb.bti": b"bti", "taxonomy4blast.sqlite3": b"sqlite" * 300}
BLOCK = 1024
BODY = {"subscription_id": SUBSCRIPTION_ID, "storage_resource_group": RESOURCE_GROUP, "account_name": ACCOUNT}


def files_of(db, volumes=3, **fields) -> dict[str, bytes]:
    """What a snapshot holds of a database, by leaf."""
    return {name.partition("/")[2]: data for name, data in database(db, volumes, **fields).items()}


def reading(*leaves: str):
    """Matches reads of these files at the source."""
    return lambda request: request.method == "GET" and unquote(request.path).endswith(leaves)


def listing_of(db: str):
    """Matches listings of a database at the source."""
    return lambda request: "list-type" in request.query and f"{db}." in unquote(request.query)


class Importer:
    """The app, and a source of its own. Tests keep apart by databases of their own names."""

    def __init__(self, root: Path, *, deliver_twice: bool = False, start_window_seconds: float = 0.0, **settings: str) -> None:
        self._root = root
        self._deliver_twice = deliver_twice
        self._start_window_seconds = start_window_seconds
        self._settings = settings
        self._exit = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.ncbi = await self._exit.enter_async_context(NcbiBucket(self._root / "ncbi"))
        self.proxy = await self._exit.enter_async_context(Proxy(self.ncbi.port))
        await self.ncbi.publish(FIRST, TAXONOMY)
        settings = {"SHARDWARM_NCBI_URL": self.ncbi.url(self.proxy.port), "SHARDWARM_COPY_BLOCK_BYTES": str(BLOCK)}
        settings |= {"SHARDWARM_COPY_LANES": "2", "SHARDWARM_PRESETS": "1,2", **self._settings}
        self.scene = await self._exit.enter_async_context(
            Scene(
                self._root / "scene",
                deliver_twice=self._deliver_twice,
                start_window_seconds=self._start_window_seconds,
                **settings,
            )
        )
        self.api, self.blobs = self.scene.api, self.scene.blobs
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._exit.__aexit__(*error)

    async def publish(self, db, volumes=3, snapshot=FIRST, **fields) -> dict[str, bytes]:
        """Have a snapshot with this database; returns its files by leaf."""
        files = files_of(db, volumes, **fields)
        await self.ncbi.publish(snapshot, files)
        await self.ncbi.name_latest(FIRST)
        return files

    async def start(self, db, **fields) -> str:
        """Start a run that must be accepted; returns its operation id."""
        reply = await self.post(db, **fields)
        assert reply.status_code == 202, reply.text
        return reply.json()["operation_id"]

    async def post(self, db, **fields):
        return await self.api.post("/api/storage/prepare-db", json={**BODY, "db_name": db, **fields})

    async def cancel(self, db):
        return await self.api.post(f"/api/storage/prepare-db/{db}/cancel", json=BODY)

    async def prepared(self, db, **fields) -> dict:
        """Run to a good end; returns the result."""
        operation = await self.scene.ended(await self.start(db, **fields))
        assert operation["status"] == "Succeeded", operation
        return operation["result"]

    async def refused(self, db, **fields) -> dict:
        """Run to a bad end; returns the error."""
        operation = await self.scene.ended(await self.start(db, **fields))
        assert operation["status"] == "Failed", operation
        return operation["error"]

    async def steered(self, db, steering: CopySteering, attempts=2) -> dict:
        """Start a database's first run by hand, steered like this; the operation once it has ended."""
        run = operation_id("prepare", ACCOUNT, db, 1)
        shard = ShardRun(run=run, number=1, account=ACCOUNT, db=db, presets=(1, 2))
        retry = RetryOptions(attempts=attempts, first_seconds=0.02, longest_seconds=0.05)
        request = PrepareRun(run=run, number=1, account=ACCOUNT, db=db, shard=shard, copying=steering, retry=retry)
        async with self.scene.client() as client:
            await client.schedule_new_orchestration("prepare", input=request.model_dump(mode="json"), instance_id=run)
        return await self.scene.ended(run)

    def bytes_read(self, db) -> int:
        """How many bytes of a database's own files the source sent."""
        reads = [one for one in self.proxy.records if one.method == "GET" and f"/{db}." in unquote(one.path)]
        return sum(one.response_bytes for one in reads)

    def reads(self, db) -> list[Request]:
        return [one for one in self.proxy.records if one.path.startswith(f"/{BUCKET}/") and f"/{db}." in unquote(one.path)]

    async def in_place(self, db) -> dict[str, bytes]:
        """The files in a database's own folder, by leaf."""
        names = [name async for name in self.blobs.container.list_blob_names(name_starts_with=f"{db}/")]
        return {name.partition("/")[2]: await self.blobs.get(name) for name in names if "/.staging/" not in name}

    async def staged(self, db) -> list[str]:
        return [name async for name in self.blobs.container.list_blob_names(name_starts_with=f"{db}/.staging/")]

    async def is_in_place(self, db, files, *, version=FIRST, volumes=3, sets=(1, 2)) -> None:
        """Fail unless this generation, and nothing of another, is in place, published and sharded."""
        assert await self.in_place(db) == {**files, **TAXONOMY}
        assert await self.staged(db) == []
        document = await self.blobs.metadata(db)
        assert document["source_version"] == document["shard_source_version"] == version
        assert document["update_in_progress"] is False
        assert document["copy_status"]["phase"] == "completed"
        assert "promoting_source_version" not in document
        assert "update_error" not in document
        await self.scene.is_whole(db, volumes, sets)
