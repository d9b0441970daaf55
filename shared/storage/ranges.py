"""Reading a large blob in order, with a few ranges on their way at any time."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from itertools import islice
from typing import Any

from azure.core import MatchConditions
from azure.storage.blob.aio import BlobClient

RANGE_BYTES = 4 * 1024 * 1024
"""One request's; with those ahead and the one in hand this is all that a reader holds in memory."""
_AHEAD = 4


async def read_ahead(blob: BlobClient, etag: str, offset: int, stop: int) -> AsyncGenerator[bytes]:
    """The bytes from `offset` to `stop` (excluded) of exactly the content that the ETag names.

    Close it when you leave before its end; the SDK's errors come through.
    """

    async def fetch(first: int) -> bytes:
        length = min(RANGE_BYTES, stop - first)
        condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        read: Any = blob.download_blob
        return await (await read(offset=first, length=length, **condition)).readall()

    starts = iter(range(offset, stop, RANGE_BYTES))
    ahead = deque(asyncio.create_task(fetch(first)) for first in islice(starts, _AHEAD))
    try:
        while ahead:
            data = await ahead.popleft()
            ahead.extend(asyncio.create_task(fetch(first)) for first in islice(starts, 1))
            yield data
    finally:
        # Broken off, they would leave connections that the pool cannot use again.
        await asyncio.gather(*ahead, return_exceptions=True)
