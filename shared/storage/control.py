"""Reads and writes of the control blob: read completely or refused, written only by compare-and-swap."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from shared.blastdb.blobs import metadata_blob
from shared.errors import Code, TransientFailure, Unusable
from shared.runs.database import headers, metadata
from shared.runs.database.metadata import Document
from shared.storage.container import Absent, Container, Matching
from shared.storage.errors import ConditionFailedError

LIMIT_BYTES = 4 * 1024 * 1024
_ATTEMPTS = 30
_REMEMBERED = 256


class Control(NamedTuple):
    """A control blob as it was read; an empty document without an ETag when there is none."""

    document: Document
    etag: str | None


class ControlBlobs:
    """Client of the control blobs, with a cache for one process.

    The cache holds recently read or written documents by ETag, so that a run's next step needs no read. An ETag names exactly one
    content: a cached document may be out of date but is never wrong, and a write based on an outdated one fails.
    """

    def __init__(self) -> None:
        self._by_etag: OrderedDict[tuple[str, str, str], Document] = OrderedDict()

    async def read(self, container: Container, db: str) -> Control:
        """Read the control blob.

        Raises:
            Unusable: it is larger than 4 MiB or not a JSON object. It is never treated as absent.
        """
        content = await container.read(metadata_blob(db), limit_bytes=LIMIT_BYTES + 1)
        if content is None:
            return Control({}, None)
        if len(content.data) > LIMIT_BYTES:
            message = f"'{metadata_blob(db)}' is larger than 4 MiB, and the app left it as it is. Repair it and start again."
            raise Unusable(Code.UNREADABLE_METADATA, message, target=metadata_blob(db))
        return self._remember(container, db, metadata.parse(db, content.data), content.etag)

    async def update(
        self,
        container: Container,
        db: str,
        change: Callable[[Document], Document],
        *,
        expected: str | None = None,
        expect_absent: bool = False,
    ) -> str:
        """Update by compare-and-swap, retrying while others write at the same time; returns the ETag of the result.

        Writes nothing when the change leaves the document as it is.

        Args:
            container: the container of the account.
            db: the database that the blob describes.
            change: from document to document, without effects, because it is applied again after each lost race.
            expected: an ETag that is probably current; saves the read if it is in the cache.
            expect_absent: the blob probably does not exist; saves the read.

        Raises:
            Unusable: the blob cannot be read; it is left as it is.
            TransientFailure: another writer was faster on every attempt; a retry helps.
            ShardwarmError: raised by `change`; nothing was written.
        """
        expectation = Control({}, None) if expect_absent else self._remembered(container, db, expected)
        control = expectation or await self.read(container, db)
        for attempt in range(_ATTEMPTS):
            new = change(control.document)
            if control is not expectation and control.etag is not None and new == control.document:
                # A repeated step has already written this. Only a document that was just read, not an expected one, proves it.
                return control.etag
            condition = Absent() if control.etag is None else Matching(control.etag)
            try:
                etag = await container.write(metadata_blob(db), metadata.render(new), condition, metadata=headers.summary(new))
            except ConditionFailedError:
                await asyncio.sleep(0.01 * attempt)
                control = await self.read(container, db)
                continue
            self._remember(container, db, new, etag)
            return etag
        message = f"Other writers keep changing '{metadata_blob(db)}'."
        raise TransientFailure(Code.WRITTEN_BY_ANOTHER, message, target=metadata_blob(db))

    def _remember(self, container: Container, db: str, document: Document, etag: str) -> Control:
        self._by_etag[container.account, db, etag] = document
        while len(self._by_etag) > _REMEMBERED:
            self._by_etag.popitem(last=False)
        return Control(document, etag)

    def _remembered(self, container: Container, db: str, etag: str | None) -> Control | None:
        document = self._by_etag.get((container.account, db, etag)) if etag else None
        return Control(document, etag) if document is not None else None
