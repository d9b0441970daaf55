"""The demo's own access to storage: upload a database as an uploader does, and fetch shards as a node does."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from azure.storage.blob.aio import BlobServiceClient

from local.azurite import CONTAINER

if TYPE_CHECKING:
    from pathlib import Path

    from azure.storage.blob.aio import ContainerClient

    from local.azurite import Account
    from local.demo.databases import Database

SOURCE_VERSION = "2026-05-09-01-05-02"
NODE_FOLDER = "/blast/blastdb/"
"""Where a node mounts its shard; the aliases in storage name their volumes there."""
_PARALLEL = 16
_COMPANIONS = {"nucl": ("ndb", "ntf", "nto", "nos", "not"), "prot": ("pdb", "ptf", "pto", "pos", "pot")}
_ALIAS = {"nucl": "nal", "prot": "pal"}


class Shard(NamedTuple):
    """One shard as it lies on a node."""

    name: str
    """What BLAST is asked to open."""
    folder: Path
    volumes: tuple[str, ...]


class BlobStore:
    """The container of databases, reached directly, so that only the app's own calls are counted at the proxy."""

    def __init__(self, account: Account) -> None:
        self._service = BlobServiceClient.from_connection_string(account.connection_string)
        self._turns = asyncio.Semaphore(_PARALLEL)

    async def close(self) -> None:
        """Close the connections."""
        await self._service.close()

    async def upload(self, database: Database) -> None:
        """Put a database's files into the container, and then the metadata that says they are complete."""
        await self.upload_files(database)
        # As prepare-db leaves it: contract of the replaced system, which writes these fields after the last file.
        files = len(database.files)
        metadata = {
            "db_name": database.name,
            "source_version": SOURCE_VERSION,
            "downloaded_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "file_count": files,
            "total_bytes": database.total_bytes,
            "update_in_progress": False,
            "copy_status": {"phase": "completed", "mode": "server-side", "total_files": files, "success": files},
        }
        await self.put(f"{database.name}-metadata.json", json.dumps(metadata, sort_keys=True).encode())

    async def upload_files(self, database: Database) -> None:
        """Put a database's files into the container, without any metadata."""
        async with asyncio.TaskGroup() as uploads:
            for file in database.files:
                uploads.create_task(self.put(f"{database.name}/{file.name}", file.read_bytes()))

    async def put(self, blob: str, content: bytes) -> None:
        """Write one blob, and overwrite an existing one."""
        async with self._turns:
            await self._container.upload_blob(blob, content, overwrite=True)

    async def metadata(self, db: str) -> dict[str, object]:
        """The database's metadata blob."""
        return json.loads(await self._get(f"{db}-metadata.json"))

    async def download_shard(self, database: Database, shard_count: int, index: int, folder: Path) -> Shard:
        """Fetch one shard as a node does: manifest, alias, the manifest's volumes, the database-level files.

        It changes the alias in one way. A node sees its folder as /blast/blastdb, but here the folder is elsewhere. So it
        removes that prefix from the paths, which makes them relative to the alias.
        """
        db, molecule = database.name, database.specimen.recipe.molecule
        name = f"{db}_shard_{index:02d}"
        prefix = f"{shard_count}shards/{name}/{name}"
        manifest, alias = await asyncio.gather(self._get(f"{prefix}.manifest"), self._get(f"{prefix}.{_ALIAS[molecule]}"))
        _write(folder / f"{name}.{_ALIAS[molecule]}", alias.replace(NODE_FOLDER.encode(), b""))
        volumes = tuple(manifest.decode().splitlines())
        wanted = {f"{db}/{db}.{extension}" for extension in _COMPANIONS[molecule]}
        async with asyncio.TaskGroup() as downloads:
            async for blob in self._container.list_blobs(name_starts_with=f"{db}/"):
                if blob.name in wanted or blob.name.removeprefix(f"{db}/").rpartition(".")[0] in volumes:
                    downloads.create_task(self._fetch(blob.name, folder))
        return Shard(name, folder, volumes)

    @property
    def _container(self) -> ContainerClient:
        return self._service.get_container_client(CONTAINER)

    async def _get(self, blob: str) -> bytes:
        async with self._turns:
            return await (await self._container.download_blob(blob)).readall()

    async def _fetch(self, blob: str, folder: Path) -> None:
        _write(folder / blob.rpartition("/")[2], await self._get(blob))


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
