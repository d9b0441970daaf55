"""Read-back of one staged file for verification: read it in order, then record it as verified or discard it.

Every call is conditional on the content that `look` found.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Literal, NamedTuple

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContentSettings
from pydantic import ValidationError

from shared.errors import Code, TransientFailure
from shared.runs.prepare.payloads import VerifiedParts
from shared.storage.container import Absent, Container, Matching
from shared.storage.errors import ConditionFailedError, translated
from shared.storage.ranges import read_ahead

ETAG_KEY = "source_etag"
VERIFIED_KEY = "source_verified"
_LONGEST_PARTS_BYTES = 1024 * 1024

type How = Literal["parts", "size"]
"""How a file without a known MD5 was verified: by the digests of its parts or, when those are unknown, by its size alone."""


@asynccontextmanager
async def raced(name: str) -> AsyncGenerator[None]:
    """Turn a lost race into a retry: two deliveries of one step may collide, and the loser starts again."""
    try:
        yield
    except (ConditionFailedError, ResourceNotFoundError) as error:
        raise _changed(name) from error


class Staged(NamedTuple):
    """What is stored: `etag` is storage's own; `is_verified` says that an earlier call recorded the file as verified."""

    etag: str
    size_bytes: int
    is_verified: bool


class Kept(NamedTuple):
    """The stored progress of a verification in slices, and the condition for replacing it."""

    parts: VerifiedParts
    condition: Absent | Matching


class ReadBack:
    """Client of one staged file."""

    def __init__(self, container: Container, name: str, source_etag: str) -> None:
        self._container = container
        self._name = name
        self._source_etag = source_etag
        self._beside = f"{name}.parts.json"

    async def look(self) -> Staged:
        """Read the stored file's ETag, its size, and whether it is verified."""
        async with raced(self._name), translated(self._container.account, self._name):
            properties = await self._container.blob(self._name).get_blob_properties()
        is_verified = bool(properties.content_settings.content_md5) or VERIFIED_KEY in (properties.metadata or {})
        return Staged(str(properties.etag), int(properties.size or 0), is_verified)

    async def read(self, staged: Staged, offset: int = 0) -> AsyncGenerator[bytes]:
        """Yield its bytes from an offset to the end; close the generator when you leave it early."""
        blob = self._container.blob(self._name)
        async with (
            raced(self._name),
            translated(self._container.account, self._name),
            aclosing(read_ahead(blob, staged.etag, offset, staged.size_bytes)) as pieces,
        ):
            async for data in pieces:
                yield data

    async def record_md5(self, staged: Staged, digest_hex: str) -> None:
        """Record the file as verified by storing the MD5 of what was read."""
        settings = ContentSettings(content_md5=bytearray(bytes.fromhex(digest_hex)))
        async with raced(self._name), translated(self._container.account, self._name):
            await self._container.blob(self._name).set_http_headers(settings, **Matching(staged.etag).options)

    async def record_verified(self, staged: Staged, how: How) -> None:
        """Record a file without a known MD5 as verified, in its metadata."""
        metadata = {ETAG_KEY: self._source_etag, VERIFIED_KEY: how}
        if not await self._container.describe(self._name, metadata, Matching(staged.etag)):
            raise _changed(self._name)

    async def discard(self, staged: Staged) -> None:
        """Delete the file: its content is not what its name says."""
        await self._container.delete(self._name, Matching(staged.etag))

    async def kept(self) -> Kept:
        """Read the progress of its verification in slices; unreadable progress counts as none."""
        content = await self._container.read(self._beside, limit_bytes=_LONGEST_PARTS_BYTES)
        if content is None:
            return Kept(VerifiedParts(), Absent())
        try:
            return Kept(VerifiedParts.model_validate_json(content.data), Matching(content.etag))
        except ValidationError:
            return Kept(VerifiedParts(), Matching(content.etag))

    async def keep(self, parts: VerifiedParts, over: Kept) -> None:
        """Store the progress in a blob beside the file, which is removed with the staged files."""
        async with raced(self._beside):
            await self._container.write(self._beside, parts.model_dump_json(exclude_defaults=True).encode(), over.condition)


def _changed(name: str) -> TransientFailure:
    return TransientFailure(Code.WRITTEN_BY_ANOTHER, f"Another writer changed '{name}' at the same time.", target=name)
