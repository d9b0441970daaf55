"""The database that both sides shard: 83 volumes with the files of a v5 nucleotide database, each of a few bytes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from azure.storage.blob.aio import BlobServiceClient

from tests.builders import database

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from azure.storage.blob.aio import ContainerClient

VOLUMES = 83
PRESETS = (1, 2, 3, 4, 5, 6, 8, 10)
_MORE_VOLUME_FILES = ("nnd", "nni", "nog")
_MORE_DATABASE_FILES = ("nos", "not", "ntf", "nto")
_PARALLEL = 16


def files(db: str) -> dict[str, bytes]:
    """The database's blobs, and the metadata as a finished copy leaves it. Volumes differ a little in size."""
    volumes = database(db, VOLUMES, sizes=range(40, 47))
    others = {f"{db}/{db}.{number:02d}.{extension}": b"x" for number in range(VOLUMES) for extension in _MORE_VOLUME_FILES}
    shared = {f"{db}/{db}.{extension}": b"x" for extension in _MORE_DATABASE_FILES}
    return {**volumes, **others, **shared, **metadata(db)}


def metadata(db: str) -> dict[str, bytes]:
    """The metadata blob alone."""
    document = {
        "db_name": db,
        "source_version": "2026-05-09-01-05-02",
        "update_in_progress": False,
        "copy_status": {"phase": "completed"},
    }
    return {f"{db}-metadata.json": json.dumps(document, sort_keys=True).encode()}


class Shelf:
    """One container, filled and emptied outside the measured time and without the delaying proxy."""

    def __init__(self, connection: str, container: str) -> None:
        self._service = BlobServiceClient.from_connection_string(connection)
        self._client: ContainerClient = self._service.get_container_client(container)
        self._turns = asyncio.Semaphore(_PARALLEL)

    async def __aenter__(self) -> Self:
        if not await self._client.exists():
            await self._client.create_container()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._service.close()

    async def put(self, blobs: dict[str, bytes]) -> None:
        """Write blobs, over what may be there."""

        async def put(name: str, content: bytes) -> None:
            async with self._turns:
                await self._client.upload_blob(name, content, overwrite=True)

        await asyncio.gather(*(put(name, content) for name, content in blobs.items()))

    async def layout(self, db: str) -> dict[str, bytes]:
        """The layout blobs of a sharded database."""
        names = [name for name in await self._names() if f"shards/{db}_shard_" in name]

        async def read(name: str) -> bytes:
            async with self._turns:
                return await (await self._client.download_blob(name)).readall()

        return dict(zip(names, await asyncio.gather(*map(read, names)), strict=True))

    async def clear(self, *, but: frozenset[str] = frozenset()) -> None:
        """Remove everything but these: the emulator's listings take longer the more blobs it holds."""

        async def remove(name: str) -> None:
            async with self._turns:
                await self._client.delete_blob(name)

        await asyncio.gather(*(remove(name) for name in await self._names() if name not in but))

    async def _names(self) -> list[str]:
        return [name async for name in self._client.list_blob_names()]
