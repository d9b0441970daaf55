"""The XML of a List Blobs page as values; the app and the node agents read it by the same code."""

from base64 import b64decode
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from shared.blastdb.listings import ListedBlob, Obstacle

_EPOCH = datetime.fromtimestamp(0, UTC)


def read_blobs(page: Element) -> list[ListedBlob]:
    """The blobs of one page, which is the answer to one List Blobs call."""
    return [_read_blob(blob) for blob in page.iterfind("Blobs/Blob")]


def quoted(etag: str) -> str:
    """An ETag in quotes: listings give it bare, every other reply gives it in quotes."""
    return etag if etag.startswith('"') else f'"{etag}"'


def obstacle_of(*, blob_type: str, tier: str, archive_status: str, key_sha256: str) -> Obstacle | None:
    """What keeps a blob with these properties from being read or written; empty texts stand for what the service left out."""
    if blob_type not in {"", "BlockBlob"}:
        return "not block"
    if tier == "Archive":
        return "rehydrating" if archive_status else "archived"
    return "encrypted" if key_sha256 else None


def _read_blob(blob: Element) -> ListedBlob:
    name = blob.find("Name")
    text = (name.text or "") if name is not None else ""
    # Names that XML cannot hold come percent-encoded, and say so.
    is_encoded = name is not None and name.get("Encoded") == "true"
    md5 = blob.findtext("Properties/Content-MD5")
    modified = blob.findtext("Properties/Last-Modified")
    return ListedBlob(
        name=unquote(text) if is_encoded else text,
        size_bytes=int(blob.findtext("Properties/Content-Length") or 0),
        md5=b64decode(md5).hex() if md5 else None,
        etag=quoted(blob.findtext("Properties/Etag") or ""),
        modified=parsedate_to_datetime(modified) if modified else _EPOCH,
        metadata={child.tag.lower(): child.text or "" for child in blob.iterfind("Metadata/*")},
        copying=blob.findtext("Properties/CopyStatus") == "pending",
        obstacle=obstacle_of(
            blob_type=blob.findtext("Properties/BlobType") or "",
            tier=blob.findtext("Properties/AccessTier") or "",
            archive_status=blob.findtext("Properties/ArchiveStatus") or "",
            key_sha256=blob.findtext("Properties/CustomerProvidedKeySha256") or "",
        ),
    )
