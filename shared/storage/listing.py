"""Pages of List Blobs, as the SDK receives them, read from the service's XML.

The SDK's own models of a listed blob have fifty fields and cost a millisecond for every five blobs. A run needs five of the
fields, for thousands of blobs. So the SDK's listing of names asks for the pages, since it sends the same request, and
`shared.blastdb.blob_xml` reads the XML.
"""

from typing import Any
from xml.etree.ElementTree import Element

from azure.core.pipeline.policies import ContentDecodePolicy
from azure.storage.blob import BlobProperties

from shared.blastdb.blob_xml import obstacle_of, quoted, read_blobs
from shared.blastdb.listings import ListedBlob


def read_page(response: Any) -> list[ListedBlob]:
    """The blobs in the answer to one List Blobs call; `response` is the SDK's pipeline response."""
    # The SDK has parsed the XML for itself and left the tree there.
    page: Element = response.context[ContentDecodePolicy.CONTEXT_NAME]
    return read_blobs(page)


def listed(blob: BlobProperties) -> ListedBlob:
    """The same, of a blob that the SDK has read."""
    return ListedBlob(
        name=str(blob.name),
        size_bytes=int(blob.size or 0),
        md5=md5_as_hex(blob.content_settings.content_md5),
        etag=quoted(str(blob.etag)),
        modified=blob.last_modified,
        metadata={key.lower(): value for key, value in (blob.metadata or {}).items()},
        obstacle=obstacle_of(
            blob_type=_word(blob.blob_type),
            tier=_word(blob.blob_tier),
            archive_status=_word(blob.archive_status),
            key_sha256=_word(blob.encryption_key_sha256),
        ),
    )


def _word(value: Any) -> str:
    """A property's own word: the SDK gives members of enumerations, strings, or None."""
    return str(getattr(value, "value", value) or "")


def md5_as_hex(content_md5: bytes | bytearray | None) -> str | None:
    """An MD5 as the SDK gives it, in the form that names and digests use."""
    return bytes(content_md5).hex() if content_md5 else None
