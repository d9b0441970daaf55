"""Read-ahead of a large blob: range requests in order, several of them in flight."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from itertools import islice
from typing import Any

from azure.storage.blob.aio import BlobClient

from shared.storage.container import Matching

RANGE_BYTES = 4 * 1024 * 1024
"""The size of one range. A reader holds the ranges in flight and the current one in memory, and no more."""
_AHEAD = 4


async def read_ahead(blob: BlobClient, etag: str, offset: int, stop: int) -> AsyncGenerator[bytes]:
    """Yield the bytes from `offset` to `stop` (excluded) of exactly the content that the ETag names.

    Close the generator when you leave it early. It raises the SDK's own errors.
    """

    async def fetch(first: int) -> bytes:
        length = min(RANGE_BYTES, stop - first)
        read: Any = blob.download_blob
        return await (await read(offset=first, length=length, **Matching(etag).options)).readall()

    starts = iter(range(offset, stop, RANGE_BYTES))
    ahead = deque(asyncio.create_task(fetch(first)) for first in islice(starts, _AHEAD))
    try:
        while ahead:
            data = await ahead.popleft()
            ahead.extend(asyncio.create_task(fetch(first)) for first in islice(starts, 1))
            yield data
    finally:
        # Cancelled requests would leave connections that the pool cannot reuse, so let them end.
        await asyncio.gather(*ahead, return_exceptions=True)
