"""What an S3 ETag says of a content: its MD5 when it was uploaded whole, else a digest over its parts. No IO here."""

import re
from hashlib import md5

_PLAIN = re.compile(r"[0-9a-f]{32}")


def plain_md5(etag: str) -> str | None:
    """The MD5 in hex of the whole object, where the ETag is one."""
    return etag if _PLAIN.fullmatch(etag) else None


def agrees(etag: str, digest_hex: str) -> bool | None:
    """Whether a content of this MD5 can be the object's; None when the ETag, over several parts, does not tell."""
    if plain_md5(etag) is not None:
        return etag == digest_hex
    if etag.endswith("-1"):
        return etag == md5(bytes.fromhex(digest_hex), usedforsecurity=False).hexdigest() + "-1"
    return None
