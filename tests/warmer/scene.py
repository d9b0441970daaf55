"""A node and what it is told: a container with real BLAST+ databases, an assignment, the agent as a real process."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from azure.storage.blob import ContainerSasPermissions, generate_container_sas

from local.processes import Child
from shared.blastdb.alias import LOCAL_FOLDER, render_alias
from shared.blastdb.blobs import alias_blob, layout_prefix, manifest_blob, parse_layout_blob
from shared.blastdb.generations import digest_of, digest_of_texts
from shared.blastdb.layout import split
from shared.blastdb.manifest import render_manifest
from shared.blastdb.statistics import add_up, parse_index_head
from shared.blastdb.volumes import INDEX_EXTENSION, ListedFile, take_inventory
from tests.driving import Blobs
from tests.patience import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
NODE = "aks-blastpool-0"
QUICK = {
    "SHARDWARM_START_SPREAD_SECONDS": "0",
    "SHARDWARM_TOUCH_SECONDS": "0.4",
    "SHARDWARM_POLL_SECONDS": "0.05",
    "SHARDWARM_AGAIN_SECONDS": "0.2",
    "SHARDWARM_PART_BYTES": "65536",
    "SHARDWARM_DOWNLOAD_CONCURRENCY": "4",
    "SHARDWARM_RETRY_FIRST_SECONDS": "0.02",
    "SHARDWARM_RETRY_LONGEST_SECONDS": "0.1",
    "SHARDWARM_DISK_RESERVE_PERCENT": "0",
    "SHARDWARM_DISK_RESERVE_BYTES": "0",
}


class Store(Blobs):
    """One container of Azurite, filled as prepare-db and a shard run leave it."""

    def __init__(self, account, name) -> None:
        super().__init__(account.connection_string, name)
        self.account = account
        self.name = name

    def url(self, port=None) -> str:
        return f"{self.account.at(port or self.account.port).blob_endpoint}/{self.name}"

    @property
    def sas(self) -> str:
        return generate_container_sas(
            self.account.name,
            self.name,
            account_key=self.account.key,
            permission=ContainerSasPermissions(read=True, list=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )

    async def publish(self, database, shard_count) -> Published:
        """Upload a database that makeblastdb made, and one shard set of it."""
        db = database.name
        await self.upload({f"{db}/{file.name}": file.read_bytes() for file in database.files})
        return await self.shard(database, shard_count)

    async def shard(self, database, shard_count) -> Published:
        """Write one shard set of a database that is there."""
        db = database.name
        inventory = await self.inventory(db)
        volumes = inventory.volumes
        extension = INDEX_EXTENSION[volumes.molecule]
        heads = [(database.folder / f"{name}.{extension}").read_bytes() for name in volumes.names(0, volumes.count)]
        statistics = add_up(parse_index_head(head, volumes.molecule) for head in heads)
        layout = split(inventory.volume_bytes, shard_count)
        texts = {}
        for index in range(shard_count):
            texts[manifest_blob(db, shard_count, index)] = render_manifest(volumes, layout, index)
            texts[alias_blob(db, shard_count, index, volumes.molecule)] = render_alias(volumes, layout, index, statistics)
        await self.upload(texts)
        return Published(db, volumes, layout, digest_of(inventory.files), await self.texts(db, shard_count))

    async def texts(self, db, shard_count) -> str:
        """The digest of a shard set's texts as they are in storage now."""
        return digest_of_texts(
            {
                blob.name: bytes(blob.content_settings.content_md5).hex()
                async for blob in self.container.list_blobs(name_starts_with=layout_prefix(db, shard_count))
                if parse_layout_blob(db, blob.name)
            }
        )

    async def modified(self, name) -> datetime:
        """A blob's Last-Modified; the beginning of time where there is none."""
        blob = self.container.get_blob_client(name)
        return (await blob.get_blob_properties()).last_modified if await blob.exists() else datetime.fromtimestamp(0, UTC)

    async def inventory(self, db):
        listed = [
            ListedFile(
                blob.name.removeprefix(f"{db}/"),
                blob.size,
                bytes(blob.content_settings.content_md5).hex() if blob.content_settings.content_md5 else f'"{blob.etag}"',
            )
            async for blob in self.container.list_blobs(name_starts_with=f"{db}/{db}.")
        ]
        return take_inventory(db, listed)


class Published:
    """A database as it is in storage."""

    def __init__(self, db, volumes, layout, digest, texts) -> None:
        self.texts = texts
        self.db = db
        self.volumes = volumes
        self.layout = layout
        self.digest = digest

    def assignment(self, shards, url, **fields) -> dict:
        return {
            "version": 1,
            "account": "devstoreaccount1",
            "container_url": url,
            "db": self.db,
            "molecule": self.volumes.molecule,
            "source_version": "2026-05-09-01-05-02",
            "digest": self.digest,
            "texts": self.texts,
            "shard_count": self.layout.shard_count,
            "mode": "hot",
            "nodes": {NODE: list(shards), "aks-blastpool-9": [0]},
            **fields,
        }

    def volume_names(self, *shards) -> set[str]:
        return {name for shard in shards for name in self.volumes.names(*self.layout.shard(shard))}


class Node:
    """A node's folder, which agents of several databases may share."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "blastdb"
        self.folder.mkdir(parents=True)
        self.place = place

    def leaves(self, *patterns) -> set[str]:
        return {file.name for pattern in patterns or ["*"] for file in self.folder.glob(pattern) if file.is_file()}

    def volumes(self, db) -> set[str]:
        return {file.rpartition(".")[0] for file in self.leaves(f"{db}.*.[np]sq")}

    def searchable(self, shard) -> Path:
        """A folder in which a search finds the shard: its alias speaks of /blast/blastdb, which is elsewhere here."""
        alias = next(self.folder.glob(f"{shard}.[np]al"))
        place = self.place / "search"
        place.mkdir(exist_ok=True)
        (place / alias.name).write_text(alias.read_text().replace(LOCAL_FOLDER, "../blastdb"))
        return place


class Warmer:
    """One agent: a process of the real program."""

    def __init__(self, node: Node, store: Store, name="warm", *, node_name=NODE, **env) -> None:
        self.node = node
        self.run_dir = node.place / name / "run"
        self.assignment_dir = node.place / name / "assignment"
        self.assignment_dir.mkdir(parents=True, exist_ok=True)
        self.log = node.place / name / "log"
        self.child = None
        self.sas = store.sas
        self.env = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - what a child inherits
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "NODE_NAME": node_name,
            "POD_NAME": f"{name}-x",
            "POD_NAMESPACE": "shardwarm",
            "SHARDWARM_BLASTDB_DIR": str(node.folder),
            "SHARDWARM_ASSIGNMENT_DIR": str(self.assignment_dir),
            "SHARDWARM_RUN_DIR": str(self.run_dir),
            "SHARDWARM_SAS": self.sas,
            **QUICK,
            **env,
        }

    def assign(self, assignment) -> None:
        """As kubelet swaps a ConfigMap's files: whole."""
        new = self.assignment_dir / "..new"
        new.write_text(assignment if isinstance(assignment, str) else json.dumps(assignment))
        new.rename(self.assignment_dir / "assignment.json")

    async def start(self, *before) -> None:
        command = [*before, sys.executable, "-m", "warmer"]
        self.child = await Child.start("warmer", command, log=self.log, env=self.env, cwd=self.node.place)

    async def stop(self) -> None:
        if self.child is not None:
            await self.child.stop()

    @property
    def report(self) -> dict | None:
        try:
            return json.loads((self.run_dir / "report.json").read_bytes())
        except FileNotFoundError:
            return None

    async def until(self, condition, seconds=PATIENCE_SECONDS) -> dict:
        """Wait for a report that fulfils a condition."""
        end = time.monotonic() + seconds
        while not ((report := self.report) and condition(report)):
            assert self.child is None or self.child.returncode is None, self.log.read_text()
            assert time.monotonic() < end, f"{report}\n{self.log.read_text()}"
            await asyncio.sleep(0.02)
        return report

    async def warm(self) -> dict:
        return await self.until(lambda report: report["warm"])

    async def failed(self, reason) -> dict:
        return await self.until(lambda report: report["phase"] == "failed" and report["reason"] == reason)

    async def ready(self) -> tuple[int, str]:
        """What the readiness probe says: exit status and reason."""
        probe = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "warmer.ready", env=self.env, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await probe.communicate()
        return probe.returncode, output.decode()

    async def measured_again(self) -> dict:
        """Wait for a look at the files that began after this call."""
        first = self.report["updated_at"]
        second = (await self.until(lambda report: report["updated_at"] != first))["updated_at"]
        return await self.until(lambda report: report["updated_at"] != second)


class Scene(AsyncExitStack):
    """Makes nodes and agents, and ends what it started."""

    def __init__(self, place: Path, store: Store) -> None:
        super().__init__()
        self.place = place
        self.store = store

    def node(self, name="node", folder=None) -> Node:
        return Node((folder or self.place) / name)

    async def warmer(self, assignment, node=None, *, name="warm", before=(), **env) -> Warmer:
        """A running agent that has an assignment."""
        warmer = Warmer(node or self.node(), self.store, name, **env)
        warmer.assign(assignment)
        await warmer.start(*before)
        self.push_async_callback(warmer.stop)
        return warmer
