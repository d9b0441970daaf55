"""The replaced system's pattern of storage calls, one after another (contract 1.3, 1.8, 3.4), with the SDK's defaults.

Re-enacted are its calls, in its order, from the moment its thread begins: no request handling, no queue, no planning time.
Its client lives on between databases, so its connection is warm and reused.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from azure.core import MatchConditions
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from benchmarks.database import PRESETS

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient


class Replaced(NamedTuple):
    """How long one run took, with its metadata and without; the counts are the proxy's."""

    seconds: float
    seconds_without_metadata: float


def shard(connection: str, container: str, db: str) -> Replaced:
    """Shard one database as the replaced system does."""
    client = _client(connection, container)
    began = perf_counter()
    _update_metadata(client, db, {"sharding_in_progress": True, "sharding_started_at": _now()})
    sharding = perf_counter()
    volumes = _list_volumes(client, db)
    _read(client, f"{db}/{db}.njs")
    for count in PRESETS:
        _upload_set(client, db, volumes, count)
    sharded = perf_counter()
    done = {"sharding_in_progress": False, "sharded": True, "shard_sets": PRESETS, "sharded_at": _now()}
    _update_metadata(client, db, done)
    return Replaced(perf_counter() - began, sharded - sharding)


@cache
def _client(connection: str, container: str) -> ContainerClient:
    return BlobServiceClient.from_connection_string(connection).get_container_client(container)


def _list_volumes(client: ContainerClient, db: str) -> list[str]:
    names = [str(blob.name) for blob in client.list_blobs(name_starts_with=f"{db}/")]
    return [name.removeprefix(f"{db}/").removesuffix(".nsq") for name in names if name.endswith(".nsq")]


def _upload_set(client: ContainerClient, db: str, volumes: list[str], count: int) -> None:
    """Probe the set with one listing, then read and write blob by blob."""
    present = {blob.name for blob in client.list_blobs(name_starts_with=f"{count}shards/")}
    block = -(-len(volumes) // count)
    for index in range(count):
        shard_name = f"{db}_shard_{index:02d}"
        stem = f"{count}shards/{shard_name}/{shard_name}"
        if f"{stem}.nal" in present:
            raise RuntimeError("the database was sharded before")
        own = volumes[index * block : (index + 1) * block]
        paths = " ".join(f"/blast/blastdb/{volume}" for volume in own)
        _upload(client, f"{stem}.manifest", "".join(f"{volume}\n" for volume in own).encode())
        _upload(client, f"{stem}.nal", f"TITLE {shard_name}\nDBLIST {paths}\n".encode())


def _upload(client: ContainerClient, name: str, data: bytes) -> None:
    if _read(client, name)[0] != data:
        client.upload_blob(name, data, overwrite=True)


def _update_metadata(client: ContainerClient, db: str, fields: dict[str, Any]) -> None:
    data, etag = _read(client, f"{db}-metadata.json")
    body = json.dumps({**json.loads(data or b"{}"), **fields}, sort_keys=True)
    condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}
    client.upload_blob(f"{db}-metadata.json", body.encode(), overwrite=True, **condition)


def _read(client: ContainerClient, name: str) -> tuple[bytes | None, str | None]:
    try:
        stream: Any = client.download_blob(name)
    except ResourceNotFoundError:
        return None, None
    return stream.readall(), str(stream.properties.etag)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
