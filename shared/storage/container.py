"""Client of one account's database container: list, read, conditional write, delete. Every call is bounded in time.

There is no unconditional write: every writer states which content it expects to replace.
"""

from collections import deque
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from hashlib import md5
from typing import Any, NamedTuple

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobProperties, ContentSettings
from azure.storage.blob.aio import BlobClient, ContainerClient

from shared.blastdb.listings import ListedBlob, md5_hex
from shared.errors import Code, TransientFailure
from shared.storage.errors import ConditionFailedError, translated
from shared.storage.listing import listed, md5_as_hex, read_page

_NO_SUCH_RANGE = 416
"""The status with which the service answers a range read of an empty blob."""


class Content(NamedTuple):
    """A blob's bytes and the ETag that names exactly them."""

    data: bytes
    etag: str


class Absent(NamedTuple):
    """Write only if there is no such blob."""


class Matching(NamedTuple):
    """Write only over the content that this ETag names."""

    etag: str

    @property
    def options(self) -> dict[str, Any]:
        """The condition as keyword arguments of the SDK's calls."""
        return {"etag": self.etag, "match_condition": MatchConditions.IfNotModified}


class UnchangedSince(NamedTuple):
    """Write only if the blob was last changed in the second of this moment, or before it."""

    moment: datetime


type Condition = Absent | Matching | UnchangedSince


class Container:
    """The container of one account. Safe to share between tasks of one event loop."""

    def __init__(self, account: str, client: ContainerClient, *, list_page: int) -> None:
        self.account = account
        self.url = client.url
        self._client = client
        self._list_page = list_page

    async def list(self, prefix: str, *, in_full: bool = False) -> tuple[ListedBlob, ...]:
        """List all blobs below a prefix, in name order, over all pages; `in_full` as in `pages`."""
        pages = [page async for page in self.pages(prefix, in_full=in_full)]
        return tuple(blob for page in pages for blob in page)

    async def pages(self, prefix: str, *, in_full: bool = False) -> AsyncGenerator[tuple[ListedBlob, ...]]:
        """List page by page, one call each; `in_full` adds each blob's metadata and whether a copy onto it is under way."""
        answers: deque[Any] = deque(maxlen=1)
        include: dict[str, Any] = {"include": ["copy", "metadata"]} if in_full else {}
        async with translated(self.account, prefix):
            pages = self._client.list_blob_names(
                name_starts_with=prefix, results_per_page=self._list_page, raw_response_hook=answers.append, **include
            ).by_page()
            async for _ in pages:
                # The SDK may have retried; the last answer is the page.
                yield tuple(read_page(answers[-1]))

    async def list_some_names(self, prefix: str, *, at_most: int | None = None) -> tuple[str, ...]:
        """List the names on the first page below a prefix; one call, to check whether anything is there."""
        size = min(at_most or self._list_page, self._list_page)
        async with translated(self.account, prefix):
            pages = self._client.list_blob_names(name_starts_with=prefix, results_per_page=size).by_page()
            async for page in pages:
                return tuple([name async for name in page])
        return ()

    def blob(self, name: str) -> BlobClient:
        """The SDK's client of one blob, for operations that only copies need; run its calls inside `translated`."""
        return self._client.get_blob_client(name)

    async def walk_root(self, token: str | None) -> tuple[tuple[ListedBlob, ...], tuple[str, ...], str | None]:
        """List one page of the container's root: its blobs with metadata, its folders, and the next page's token."""
        async with translated(self.account, ""):
            pages: Any = self._client.walk_blobs(delimiter="/", include=["metadata"], results_per_page=self._list_page).by_page(
                token
            )
            blobs: list[ListedBlob] = []
            folders: list[str] = []
            async for page in pages:
                async for item in page:
                    if isinstance(item, BlobProperties):
                        blobs.append(listed(item))
                    else:
                        folders.append(str(item.name).rstrip("/"))
                break
            return tuple(blobs), tuple(folders), pages.continuation_token or None

    async def read(self, name: str, *, limit_bytes: int, offset: int = 0) -> Content | None:
        """Read a blob's bytes from `offset` on, at most `limit_bytes`; None when there is no such blob."""
        async with translated(self.account, name):
            try:
                stream: Any = await self._client.download_blob(name, offset=offset, length=limit_bytes)
                return Content(await stream.readall(), stream.properties.etag)
            except ResourceNotFoundError:
                return None
            except HttpResponseError as error:
                if error.status_code != _NO_SUCH_RANGE:
                    raise
                return await self._read_empty(name)

    async def _read_empty(self, name: str) -> Content:
        properties = await self._client.get_blob_client(name).get_blob_properties()
        if properties.size:
            raise TransientFailure(Code.STORAGE_UNAVAILABLE, f"'{name}' changed while the app read it.", target=name)
        return Content(b"", str(properties.etag))

    async def write(self, name: str, data: bytes, condition: Condition, *, metadata: dict[str, str] | None = None) -> str:
        """Write a small blob in one request and verify the stored MD5; returns the new ETag.

        Raises:
            ConditionFailedError: the condition does not hold; nothing was written.
            TransientFailure: the service stored other bytes than were sent; a retry helps.
        """
        digest = md5(data, usedforsecurity=False).digest()
        settings = ContentSettings(content_md5=bytearray(digest))
        async with translated(self.account, name):
            reply: dict[str, Any] = await self._client.get_blob_client(name).upload_blob(
                data, length=len(data), content_settings=settings, metadata=metadata, **_headers(condition)
            )
        if bytes(reply["content_md5"] or b"") != digest:
            message = f"Storage did not store '{name}' as it was sent."
            raise TransientFailure(Code.VERIFICATION_FAILED, message, target=name)
        return str(reply["etag"])

    async def describe(self, name: str, metadata: dict[str, str], condition: Matching) -> bool:
        """Set metadata headers on a blob without changing its content; False when its ETag is not the condition's."""
        try:
            async with translated(self.account, name):
                await self._client.get_blob_client(name).set_blob_metadata(metadata, **condition.options)
        except (ResourceNotFoundError, ConditionFailedError):
            return False
        return True

    async def holds(self, name: str, data: bytes) -> bool:
        """Whether the blob has exactly these bytes, by its MD5."""
        async with translated(self.account, name):
            try:
                properties = await self._client.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError:
                return False
        return md5_as_hex(properties.content_settings.content_md5) == md5_hex(data)

    async def delete(self, name: str, condition: Matching, *, with_snapshots: bool = True) -> bool:
        """Delete a blob; False when there is none, or when its ETag is not the condition's.

        Its snapshots go with it, since the service deletes no blob that has some. Without `with_snapshots` it is refused then.
        """
        more: dict[str, Any] = {"delete_snapshots": "include"} if with_snapshots else {}
        try:
            async with translated(self.account, name):
                await self._client.delete_blob(name, **condition.options, **more)
        except (ResourceNotFoundError, ConditionFailedError):
            return False
        return True


def _headers(condition: Condition) -> dict[str, Any]:
    match condition:
        case Absent():
            return {"overwrite": False}
        case Matching():
            return {"overwrite": True, **condition.options}
        case UnchangedSince(moment):
            # Listings show whole seconds, but the service may compare fractions of a second.
            return {"overwrite": True, "if_unmodified_since": moment + timedelta(seconds=1)}
