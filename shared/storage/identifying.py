"""Storing the MD5 of a blob that was uploaded without one, so that only new content changes the blob's identity."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from hashlib import md5
from typing import Literal

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob.aio import BlobClient

from shared.blastdb.listings import ListedBlob
from shared.errors import Code, Conflict
from shared.storage.container import Container, Matching
from shared.storage.errors import ConditionFailedError, translated
from shared.storage.ranges import read_ahead

type Outcome = Literal["stored", "changed", "stopped"]
"""`changed`: the blob is not the listed one any more. `stopped`: time was over before the blob was read."""


async def store_md5(container: Container, blob: ListedBlob, is_over: Callable[[], bool]) -> Outcome:
    """Read a listed blob in full, and store the MD5 of what was read among its headers.

    Every call is on condition of the listed ETag, so the MD5 is that of the content. Metadata and all other headers stay as they
    are. A few ranges of the blob are in memory at a time. Safe to repeat: the ETag changes with the header.

    Args:
        container: where.
        blob: as it was listed, without an MD5.
        is_over: asked between ranges and before the write; nothing is read or written once it is true.

    Raises:
        Conflict, Misconfigured: storage refuses to change the header: a lease, an immutability policy, or a missing right.
        TransientFailure: storage was busy; a retry helps.
    """
    client = container.blob(blob.name)
    condition = Matching(blob.etag).options
    try:
        async with translated(container.account, blob.name):
            properties = await client.get_blob_properties(**condition)
            if properties.lease.status == "locked":
                raise _leased(blob)
            digest = await _digest_of(client, blob, is_over)
            if digest is None or is_over():
                return "stopped"
            settings = properties.content_settings
            settings.content_md5 = bytearray(digest)
            await client.set_http_headers(settings, **condition)
    except (ConditionFailedError, ResourceNotFoundError):
        return "changed"
    return "stored"


async def _digest_of(client: BlobClient, blob: ListedBlob, is_over: Callable[[], bool]) -> bytes | None:
    digest = md5(usedforsecurity=False)
    async with aclosing(read_ahead(client, blob.etag, 0, blob.size_bytes)) as pieces:
        async for data in pieces:
            if is_over():
                return None
            await asyncio.to_thread(digest.update, data)
    return digest.digest()


def _leased(blob: ListedBlob) -> Conflict:
    message = f"Another client holds a lease on '{blob.name}'. End that lease (az storage blob lease break), then start again."
    return Conflict(Code.BLOB_LEASED, message, target=blob.name)
