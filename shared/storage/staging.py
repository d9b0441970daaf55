"""Staging of files from the source: each is staged, verified, then copied into place.

A staged file's name contains its ETag at the source, so different contents never mix. A staged file with an MD5, or with
`source_verified` in its metadata, has been verified. The service keeps uncommitted blocks for a week; their ids contain their
number.
"""

from collections.abc import Mapping
from hashlib import md5
from typing import Any, NamedTuple

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobBlock, ContentSettings

from shared.blastdb.blobs import folder, staging_folder
from shared.blastdb.listings import ListedBlob
from shared.errors import Code, TransientFailure
from shared.runs.prepare.payloads import SourceFile
from shared.storage.container import Container, Matching
from shared.storage.errors import ConditionFailedError, error_code, translated
from shared.storage.readback import ETAG_KEY, VERIFIED_KEY, ReadBack, raced

_NO_FOREIGN_SOURCE = 501
_THIS_TIME = frozenset({400, 401, 403, 404, 409, 412, 416})


class ForeignSourceError(Exception):
    """Storage did not fetch from a foreign URL. The emulator never does; the service does not from every source and not always.

    `is_general`: storage will fetch from no foreign URL at all. Otherwise it passes on the source's answer to this request.
    """

    def __init__(self, *, is_general: bool) -> None:
        super().__init__()
        self.is_general = is_general


class StagedFile(NamedTuple):
    """A blob that may hold a file of the plan, staged or in place."""

    blob: ListedBlob

    def is_copy_of(self, file: SourceFile) -> bool:
        """Whether it holds this file, complete and verified."""
        listed = self.blob
        if listed.copying or listed.size_bytes != file.size_bytes:
            return False
        if listed.md5 == file.etag:
            return True
        return listed.metadata.get(ETAG_KEY) == file.etag and (listed.md5 is not None or VERIFIED_KEY in listed.metadata)


class Staging:
    """The staged files of one snapshot of one database."""

    def __init__(self, container: Container, db: str, source_version: str) -> None:
        self._container = container
        self._folder = f"{staging_folder(db)}{source_version}/"
        self._place = folder(db)

    def name(self, file: SourceFile) -> str:
        """The name of the blob in which a file is staged."""
        return f"{self._folder}{file.etag}/{file.leaf}"

    async def held(self) -> Mapping[str, StagedFile]:
        """List everything that is staged for the snapshot, by name."""
        return {blob.name: StagedFile(blob) for blob in await self._container.list(self._folder, in_full=True)}

    async def in_place(self) -> Mapping[str, StagedFile]:
        """List the files in the database's own folder, by leaf; files in folders below it do not belong to the database."""
        listing = await self._container.list(self._place, in_full=True)
        found = {blob.name.removeprefix(self._place): StagedFile(blob) for blob in listing}
        return {leaf: held for leaf, held in found.items() if "/" not in leaf}

    async def put(self, file: SourceFile, data: bytes) -> None:
        """Stage a small file in one request, with its MD5. Safe to repeat: a file that is already there stays."""
        name, digest = self.name(file), md5(data, usedforsecurity=False).digest()
        settings = ContentSettings(content_md5=bytearray(digest))
        try:
            async with translated(self._container.account, name):
                await self._container.blob(name).upload_blob(
                    data,
                    length=len(data),
                    content_settings=settings,
                    metadata={ETAG_KEY: file.etag},
                    validate_content=True,
                    overwrite=False,
                )
        except ConditionFailedError:
            return

    async def blocks(self, file: SourceFile) -> dict[str, int]:
        """The sizes of the file's blocks by id, uncommitted and committed."""
        name = self.name(file)
        async with translated(self._container.account, name):
            try:
                both = await self._container.blob(name).get_block_list("all")
            except ResourceNotFoundError:
                return {}
        return {str(block.id): int(block.size) for blocks in both for block in blocks}

    async def stage(self, file: SourceFile, block: str, data: bytes) -> None:
        """Stage one block; the service verifies its MD5."""
        name = self.name(file)
        async with translated(self._container.account, name):
            await self._container.blob(name).stage_block(block, data, length=len(data), validate_content=True)

    async def stage_from(self, file: SourceFile, block: str, url: str, offset: int, length: int) -> None:
        """Stage one block that the service itself fetches from a URL.

        Raises:
            ForeignSourceError: the service did not fetch it.
        """
        name = self.name(file)
        async with translated(self._container.account, name):
            try:
                await self._container.blob(name).stage_block_from_url(
                    block_id=block, source_url=url, source_offset=offset, source_length=length
                )
            except HttpResponseError as error:
                if error.status_code == _NO_FOREIGN_SOURCE:
                    raise ForeignSourceError(is_general=True) from error
                if error.status_code in _THIS_TIME and error_code(error) != "ContainerNotFound":
                    raise ForeignSourceError(is_general=False) from error
                raise

    async def commit(self, file: SourceFile, blocks: list[str]) -> None:
        """Commit the blocks as a file, still without an MD5. An existing file stays: another lane may have verified it."""
        name, metadata = self.name(file), {ETAG_KEY: file.etag}
        try:
            async with translated(self._container.account, name):
                await self._container.blob(name).commit_block_list(
                    [BlobBlock(block) for block in blocks], metadata=metadata, match_condition=MatchConditions.IfMissing
                )
        except ConditionFailedError:
            return

    def read_back(self, file: SourceFile) -> ReadBack:
        """The client that reads a staged file back and records its verification."""
        return ReadBack(self._container, self.name(file), file.etag)

    async def promote(self, file: SourceFile, over: StagedFile | None) -> bool:
        """Copy a staged file into place, over the blob that was listed there; False while the service is still copying.

        Raises:
            TransientFailure: the blob there has changed since it was listed; list again.
        """
        name = f"{self._place}{file.leaf}"
        target = self._container.blob(name)
        condition: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if over is not None:
            condition = Matching(over.blob.etag).options
        async with raced(name), translated(self._container.account, name):
            reply: dict[str, Any] = await target.start_copy_from_url(self._container.blob(self.name(file)).url, **condition)
        status = reply.get("copy_status")
        if status not in {"success", "pending"}:
            raise TransientFailure(Code.STORAGE_UNAVAILABLE, f"Storage did not put '{name}' in place.", target=name)
        return status == "success"
