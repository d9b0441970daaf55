"""The physical limit: nothing but the writes that a run cannot do without, all at once, by the bare SDK."""

from __future__ import annotations

import asyncio
from time import perf_counter

from azure.storage.blob.aio import BlobServiceClient


def put_at_once(connection: str, container: str, blobs: dict[str, bytes]) -> float:
    """Seconds for writing these blobs concurrently over connections that are open already."""
    return asyncio.run(_put_at_once(connection, container, blobs))


async def _put_at_once(connection: str, container: str, blobs: dict[str, bytes]) -> float:
    async with BlobServiceClient.from_connection_string(connection) as service:
        client = service.get_container_client(container)

        async def put_all() -> None:
            await asyncio.gather(*(client.upload_blob(name, data, overwrite=True) for name, data in blobs.items()))

        await put_all()
        began = perf_counter()
        await put_all()
        return perf_counter() - began
