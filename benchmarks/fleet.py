"""What many databases cost that are well: the calls of one listing and of one reconcile pass over a thousand of them.

They are written as a shard run leaves them, texts, metadata and headers, but without a thousand runs; the pass itself is the
witness that nothing is amiss with them: it repairs nothing.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

import aiohttp
import httpx
from azure.storage.blob import generate_container_sas
from yarl import URL

from local.azurite import CONTAINER
from local.stack import Stack
from shared.blastdb.alias import WHOLE_ALIAS
from shared.blastdb.generations import Generation, digest_of
from shared.blastdb.layout import split
from shared.blastdb.listings import md5_hex
from shared.blastdb.statistics import parse_statistics_file
from shared.blastdb.volumes import ListedFile, take_inventory
from shared.runs.database import headers, metadata
from shared.runs.database.layouts import texts
from shared.runs.shard.payloads import CommitMetadata
from tests.builders import database

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.figures import Figures

DATABASES = 1000
_SETS = (1, 2)
_VOLUMES = 2
_PARALLEL = 32
_SETTINGS = {"SHARDWARM_RECONCILE_QUIET_SECONDS": "0"}
_LOOK_SECONDS = 0.1
_PATIENCE_SECONDS = 120.0


class Blob(NamedTuple):
    """A blob as it is written: content and metadata headers."""

    data: bytes
    headers: dict[str, str]


async def measure(root: Path, databases: int = DATABASES) -> Figures:
    """Calls and pages of a listing and of a pass. Fails when the pass finds anything to repair."""
    async with Stack(root, settings=_SETTINGS) as stack:
        await _fill(stack, databases)
        async with httpx.AsyncClient(base_url=stack.addresses.functions_url, timeout=_PATIENCE_SECONDS) as http:
            stack.proxy.clear()
            page = (await http.get("/api/blast/databases")).raise_for_status().json()
            listed = len(stack.proxy.records)
            if len(page["value"]) != databases:
                raise RuntimeError(f"{len(page['value'])} databases were listed instead of {databases}")
            stack.proxy.clear()
            began = datetime.now(UTC)
            result = await _pass(http)
            seconds = (datetime.now(UTC) - began).total_seconds()
            calls = len(stack.proxy.records)
    if result["databases"] != databases or result["healed"] or result["told"]:
        raise RuntimeError(f"not every database was found well: {result}")
    return {
        f"list_calls_{databases}": listed,
        f"reconcile_calls_{databases}_healthy": calls,
        f"reconcile_pages_{databases}_healthy": result["pages"],
        f"reconcile_seconds_{databases}_healthy": round(seconds, 2),
    }


def sound(db: str) -> dict[str, Blob]:
    """A small database as a shard run leaves it."""
    files = {name.rpartition("/")[2]: data for name, data in database(db, _VOLUMES, sizes=(40,)).items()}
    inventory = take_inventory(db, (ListedFile(leaf, len(data), md5_hex(data)) for leaf, data in files.items()))
    volumes, told = inventory.volumes, parse_statistics_file(db, files[f"{db}.njs"])
    layouts = [split(inventory.volume_bytes, count) for count in _SETS]
    layout = {name: text for one in layouts for name, text in texts(volumes, one, told.statistics()).items()}
    document = metadata.committed(
        {},
        CommitMetadata(
            account="devstoreaccount1",
            db=db,
            run=f"shard-{db}",
            epoch=1,
            finished=datetime(2026, 1, 1, tzinfo=UTC),
            generation=Generation(source_version=None, digest=digest_of(inventory.files)),
            volumes=volumes,
            statistics=told.statistics(),
            total_bytes=inventory.total_bytes,
            file_count=len(files),
            good_sets=_SETS,
            alias_version=WHOLE_ALIAS,
        ),
    )
    own = {f"{db}/{leaf}": Blob(data, {}) for leaf, data in files.items()}
    control = {f"{db}-metadata.json": Blob(metadata.render(document), headers.summary(document))}
    return {**own, **{name: Blob(text, {}) for name, text in layout.items()}, **control}


async def _fill(stack: Stack, databases: int) -> None:
    """Past the SDK, which needs three times the work for one small blob."""
    account, turns = stack.account, asyncio.Semaphore(_PARALLEL)
    expiry = datetime.now(UTC) + timedelta(hours=1)
    signature = generate_container_sas(account.name, CONTAINER, account_key=account.key, permission="cw", expiry=expiry)
    async with aiohttp.ClientSession(headers={"x-ms-blob-type": "BlockBlob"}) as http:

        async def put(name: str, blob: Blob) -> None:
            headers = {f"x-ms-meta-{key}": value for key, value in blob.headers.items()}
            address = URL(f"{account.blob_endpoint}/{CONTAINER}/{quote(name)}?{signature}", encoded=True)
            async with turns, http.put(address, data=blob.data, headers=headers) as reply:
                reply.raise_for_status()

        for number in range(databases):
            await asyncio.gather(*(put(name, blob) for name, blob in sound(f"db_{number:04d}").items()))


async def _pass(http: httpx.AsyncClient) -> dict[str, int]:
    (await http.post("/admin/functions/start_reconcile")).raise_for_status()
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            found = (await http.get("/api/operations", params={"kind": "reconcile"})).raise_for_status().json()["value"]
            if found and found[0]["status"] == "Succeeded":
                return found[0]["result"]
            if found and found[0]["status"] not in {"NotStarted", "Running"}:
                raise RuntimeError(f"the pass ended as {found[0]['status']}: {found[0]['error']}")
            await asyncio.sleep(_LOOK_SECONDS)
