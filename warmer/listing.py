"""What a page of List Blobs says, as values."""

from base64 import b64decode
from collections.abc import Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError, fromstring

from shared.blastdb.volumes import ListedFile
from warmer.patience import Refusal

_EPOCH = datetime.fromtimestamp(0, UTC)


class Blob(NamedTuple):
    """One blob of a listing; `md5` is hex, None where the service keeps none. `etag` is in quotes, as every header has it."""

    name: str
    size_bytes: int
    md5: str | None
    etag: str
    modified: datetime

    @property
    def leaf(self) -> str:
        """The name without its folder, which is the file's name on the node."""
        return self.name.rpartition("/")[2]

    @property
    def fingerprint(self) -> str:
        """What tells this content from another one of the same name."""
        return self.md5 or self.etag


def listed_files(db: str, blobs: Iterable[Blob]) -> list[ListedFile]:
    """The files of a database's own folder; what lies in folders below it is staging."""
    named = ((blob.name.removeprefix(f"{db}/"), blob) for blob in blobs)
    return [ListedFile(leaf, blob.size_bytes, blob.fingerprint) for leaf, blob in named if "/" not in leaf]


def read_page(text: bytes) -> tuple[list[Blob], str]:
    """The blobs of one page, and the marker of the next; empty when it was the last.

    Raises:
        Refusal: it is not such a page; half of one, say.
    """
    try:
        page = fromstring(text)  # noqa: S314 - from our own storage account; expat refuses entity bombs by itself
    except ParseError as error:
        raise Refusal(0, f"an unreadable listing: {error}") from error
    return [_read(blob) for blob in page.iterfind("Blobs/Blob")], page.findtext("NextMarker") or ""


def _read(blob: Element) -> Blob:
    name = blob.find("Name")
    text = (name.text or "") if name is not None else ""
    # Names that XML cannot hold come percent-encoded, and say so.
    is_encoded = name is not None and name.get("Encoded") == "true"
    md5 = blob.findtext("Properties/Content-MD5")
    modified = blob.findtext("Properties/Last-Modified")
    etag = blob.findtext("Properties/Etag") or ""
    return Blob(
        name=unquote(text) if is_encoded else text,
        size_bytes=int(blob.findtext("Properties/Content-Length") or 0),
        md5=b64decode(md5).hex() if md5 else None,
        etag=etag if etag.startswith('"') else f'"{etag}"',
        modified=parsedate_to_datetime(modified) if modified else _EPOCH,
    )
