"""Verification of staged files against the source's ETag: each is read back once and digested, as a whole and part by part.

A file that is too large for one step is digested in slices. Only the digests of its parts are kept between slices, because the
state of an MD5 over the whole cannot be stored. S3 accepts no such file in one upload, so its ETag is always over parts.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import NamedTuple

from shared.errors import Code, Conflict, ShardwarmError, TransientFailure
from shared.ncbi.bucket import Bucket
from shared.ncbi.etags import Digests, PartDigests, Parts, part_count, parts_of
from shared.runs.prepare.payloads import SourceFile, VerifiedParts
from shared.storage.readback import ReadBack, Staged
from shared.storage.staging import Staging
from shared.telemetry import logger

_MOST_REFUSALS = 3
_log = logger(__name__)


class Verified(NamedTuple):
    """Whether a file is verified now, and how many of its bytes were digested in this call."""

    is_done: bool = False
    bytes_read: int = 0


class Verifier:
    """Verifies one lane's files, one at a time: that bounds its memory and how long a call outlasts its slice."""

    def __init__(self, version: str, bucket: Bucket, staging: Staging, whole_bytes: int, is_over: Callable[[], bool]) -> None:
        self._version = version
        self._bucket = bucket
        self._staging = staging
        self._whole_bytes = whole_bytes
        self._is_over = is_over
        self._turn = asyncio.Lock()

    async def verify_bytes(self, file: SourceFile, data: bytes) -> None:
        """Verify bytes that are already in memory.

        Raises:
            TransientFailure: they are not the file's content.
        """
        digests = Digests(await self._parts(file))
        digests.update(data)
        if not _agrees(file, digests):
            raise _differs(file)

    async def verify(self, file: SourceFile) -> Verified:
        """Verify the staged file and record it as verified; a file with other content is discarded.

        Raises:
            TransientFailure: it had other content and was discarded; copy it again.
            Conflict: the file at the source has changed, or the staged file had other content several times.
        """
        async with self._turn:
            if self._is_over():
                return Verified()
            stored = self._staging.read_back(file)
            staged = await stored.look()
            if staged.size_bytes != file.size_bytes:
                raise await self._discard_and_explain(file, stored, staged)
            if staged.is_verified:
                return Verified(is_done=True)
            parts = await self._parts(file)
            if file.size_bytes <= self._whole_bytes or (parts.is_sure and part_count(file.etag) in {None, 1}):
                return await self._verify_whole(file, stored, staged, parts)
            if not parts.is_sure:
                _warn(file)
                await stored.record_verified(staged, "size")
                return Verified(is_done=True)
            return await self._verify_slice(file, stored, staged, parts.sizes[0])

    async def _verify_whole(self, file: SourceFile, stored: ReadBack, staged: Staged, parts: Parts) -> Verified:
        digests = Digests(parts)
        async with aclosing(stored.read(staged)) as pieces:
            async for data in pieces:
                await asyncio.to_thread(digests.update, data)
        if not _agrees(file, digests):
            raise await self._discard_and_explain(file, stored, staged)
        await stored.record_md5(staged, digests.md5)
        return Verified(is_done=True, bytes_read=file.size_bytes)

    async def _verify_slice(self, file: SourceFile, stored: ReadBack, staged: Staged, part_bytes: int) -> Verified:
        """Verify as many parts as the time slice allows, from the part at which the last call stopped."""
        kept = await stored.kept()
        known = kept.parts
        if (known.blob_etag, known.part_bytes) != (staged.etag, part_bytes):
            known = VerifiedParts(blob_etag=staged.etag, part_bytes=part_bytes, refused=known.refused)
        before = len(known.digests)
        digests = PartDigests(part_bytes, [bytes.fromhex(digest) for digest in known.digests])
        async with aclosing(stored.read(staged, before * part_bytes)) as pieces:
            async for data in pieces:
                await asyncio.to_thread(digests.update, data)
                if len(digests.whole) > before and self._is_over():
                    done = known.model_copy(update={"digests": tuple(digest.hex() for digest in digests.whole)})
                    await stored.keep(done, kept)
                    return Verified(bytes_read=(len(digests.whole) - before) * part_bytes)
        if digests.etag() != file.etag:
            raise await self._discard_and_explain(file, stored, staged)
        await stored.record_verified(staged, "parts")
        return Verified(is_done=True, bytes_read=file.size_bytes - before * part_bytes)

    async def _parts(self, file: SourceFile) -> Parts:
        is_plain = part_count(file.etag) is None
        first_part_bytes = None if is_plain else await self._bucket.first_part_bytes(self._version, file)
        parts = parts_of(file.etag, file.size_bytes, first_part_bytes)
        if not parts.is_sure:
            # The source's answer may be about a changed file; make sure that it is still the planned one.
            await self._bucket.require(self._version, file)
        return parts

    async def _discard_and_explain(self, file: SourceFile, stored: ReadBack, staged: Staged) -> ShardwarmError:
        """Discard a staged file with other content. Returns the error for the caller to raise."""
        kept = await stored.kept()
        refused = kept.parts.refused + 1
        await stored.keep(VerifiedParts(refused=refused), kept)
        await stored.discard(staged)
        # Storage may have fetched a newer file than the planned one; then this raises.
        await self._bucket.require(self._version, file)
        if refused < _MOST_REFUSALS:
            return _differs(file)
        message = f"'{file.leaf}' arrived {refused} times with digests that differ from the source's."
        return Conflict(Code.VERIFICATION_FAILED, message, target=file.leaf)


def _agrees(file: SourceFile, digests: Digests) -> bool:
    """Whether the digests can be the file's; logs a warning when that cannot be determined."""
    agrees = digests.agree(file.etag)
    if agrees is None:
        _warn(file)
    return agrees is not False


def _warn(file: SourceFile) -> None:
    _log.warning(f"The run verified only the size of '{file.leaf}': it does not know the part sizes behind the ETag.")


def _differs(file: SourceFile) -> TransientFailure:
    message = f"'{file.leaf}' arrived with digests that differ from the source's; the run copies it again."
    return TransientFailure(Code.VERIFICATION_FAILED, message, target=file.leaf)
