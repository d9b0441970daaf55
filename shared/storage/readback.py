"""One staged file as whoever verifies it needs it: read in order, then vouched for or removed.

Everything is on the condition of the content that was looked at.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal, NamedTuple

from azure.core import MatchConditions
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
"""By what a file whose MD5 is not known was verified: by the digests of its parts, or, when nothing tells more, its size."""


@asynccontextmanager
async def raced(name: str) -> AsyncGenerator[None]:
    """A step that was delivered twice meets itself: whoever loses looks again."""
    try:
        yield
    except (ConditionFailedError, ResourceNotFoundError) as error:
        raise _changed(name) from error


class Staged(NamedTuple):
    """What is stored: `etag` is storage's own, `is_verified` what another said of it."""

    etag: str
    size_bytes: int
    is_verified: bool


class Kept(NamedTuple):
    """How far a verification in slices was, and on which condition that may be replaced."""

    parts: VerifiedParts
    condition: Absent | Matching


class ReadBack:
    """One staged file."""

    def __init__(self, container: Container, name: str, source_etag: str) -> None:
        self._container = container
        self._name = name
        self._source_etag = source_etag
        self._beside = f"{name}.parts.json"

    async def look(self) -> Staged:
        """What is there."""
        async with raced(self._name), translated(self._container.account, self._name):
            properties = await self._container.blob(self._name).get_blob_properties()
        is_verified = bool(properties.content_settings.content_md5) or VERIFIED_KEY in (properties.metadata or {})
        return Staged(str(properties.etag), int(properties.size or 0), is_verified)

    async def read(self, staged: Staged, offset: int = 0) -> AsyncGenerator[bytes]:
        """Its bytes from an offset to the end; close it when you leave before that."""
        blob = self._container.blob(self._name)
        async with (
            raced(self._name),
            translated(self._container.account, self._name),
            aclosing(read_ahead(blob, staged.etag, offset, staged.size_bytes)) as pieces,
        ):
            async for data in pieces:
                yield data

    async def seal(self, staged: Staged, digest_hex: str) -> None:
        """Keep the MD5 of what was read: from now on the file counts as verified."""
        settings = ContentSettings(content_md5=bytearray(bytes.fromhex(digest_hex)))
        condition: dict[str, Any] = {"etag": staged.etag, "match_condition": MatchConditions.IfNotModified}
        async with raced(self._name), translated(self._container.account, self._name):
            await self._container.blob(self._name).set_http_headers(settings, **condition)

    async def mark(self, staged: Staged, how: How) -> None:
        """The same of a file whose MD5 is not known."""
        metadata = {ETAG_KEY: self._source_etag, VERIFIED_KEY: how}
        if not await self._container.describe(self._name, metadata, Matching(staged.etag)):
            raise _changed(self._name)

    async def discard(self, staged: Staged) -> None:
        """Remove it: it is not what its name says."""
        await self._container.delete(self._name, Matching(staged.etag))

    async def kept(self) -> Kept:
        """How far its verification in slices is; what cannot be read counts as nothing."""
        content = await self._container.read(self._beside, limit_bytes=_LONGEST_PARTS_BYTES)
        if content is None:
            return Kept(VerifiedParts(), Absent())
        try:
            return Kept(VerifiedParts.model_validate_json(content.data), Matching(content.etag))
        except ValidationError:
            return Kept(VerifiedParts(), Matching(content.etag))

    async def keep(self, parts: VerifiedParts, over: Kept) -> None:
        """Keep how far it is, in a blob beside the file that goes when the staged files go."""
        async with raced(self._beside):
            await self._container.write(self._beside, parts.model_dump_json(exclude_defaults=True).encode(), over.condition)


def _changed(name: str) -> TransientFailure:
    return TransientFailure(Code.WRITTEN_BY_ANOTHER, f"'{name}' was changed by another at the same time.", target=name)
