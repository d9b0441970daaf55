"""What a listing of blobs says, read from the service's XML.

The SDK's own models of a listed blob have fifty fields and cost a millisecond for every five blobs; a run needs five of
them for thousands of blobs. So the pages are asked for by the SDK's listing of names, which sends the same request, and
the rest is read here.
"""

from base64 import b64decode
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from azure.core.pipeline.policies import ContentDecodePolicy
from azure.storage.blob import BlobProperties

from shared.blastdb.listings import ListedBlob


def read_page(response: Any) -> list[ListedBlob]:
    """The blobs in the answer to one List Blobs call; `response` is the SDK's pipeline response."""
    # The SDK has parsed the XML for itself and left the tree there.
    page: Element = response.context[ContentDecodePolicy.CONTEXT_NAME]
    return [_read_blob(blob) for blob in page.iterfind("Blobs/Blob")]


def listed(blob: BlobProperties) -> ListedBlob:
    """The same, of a blob that the SDK has read."""
    return ListedBlob(
        name=str(blob.name),
        size_bytes=int(blob.size or 0),
        md5=md5_as_hex(blob.content_settings.content_md5),
        etag=_quoted(str(blob.etag)),
        modified=blob.last_modified,
        metadata={key.lower(): value for key, value in (blob.metadata or {}).items()},
    )


def md5_as_hex(content_md5: bytes | bytearray | None) -> str | None:
    """An MD5 as the SDK gives it, in the form that names and digests use."""
    return bytes(content_md5).hex() if content_md5 else None


def _read_blob(blob: Element) -> ListedBlob:
    name = blob.find("Name")
    text = (name.text or "") if name is not None else ""
    # Names that XML cannot hold come percent-encoded, and say so.
    is_encoded = name is not None and name.get("Encoded") == "true"
    md5 = blob.findtext("Properties/Content-MD5")
    return ListedBlob(
        name=unquote(text) if is_encoded else text,
        size_bytes=int(blob.findtext("Properties/Content-Length") or 0),
        md5=md5_as_hex(b64decode(md5)) if md5 else None,
        etag=_quoted(blob.findtext("Properties/Etag") or ""),
        modified=parsedate_to_datetime(blob.findtext("Properties/Last-Modified") or ""),
        metadata={child.tag.lower(): child.text or "" for child in blob.iterfind("Metadata/*")},
        copying=blob.findtext("Properties/CopyStatus") == "pending",
    )


def _quoted(etag: str) -> str:
    # Listings give ETags bare, every other reply gives them in quotes.
    return etag if etag.startswith('"') else f'"{etag}"'
