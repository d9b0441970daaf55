"""S3 ETags: the MD5 of an object that was uploaded whole, else a digest over the MD5s of its parts. No IO here."""

import re
from collections.abc import Sequence
from hashlib import md5
from typing import NamedTuple

_PLAIN = re.compile(r"[0-9a-f]{32}")
_OF_PARTS = re.compile(r"[0-9a-f]{32}-([1-9][0-9]{0,4})")
_MIB = 1024 * 1024
_USUAL_MIB = (8, 5, 16, 64, 15, 25, 32, 50, 100, 128, 256, 512, 1024)
_MOST_GUESSES = 4
"""Each costs an MD5 of the whole content."""


class Parts(NamedTuple):
    """The possible part sizes of a multipart upload. All parts but the last have the same size.

    `is_sure` says that no other size is possible. No sizes with `is_sure` set mean that the ETag is a plain MD5.
    """

    sizes: tuple[int, ...] = ()
    is_sure: bool = False


def plain_md5(etag: str) -> str | None:
    """The whole object's MD5 in hex; None when the ETag is not a plain MD5."""
    return etag if _PLAIN.fullmatch(etag) else None


def part_count(etag: str) -> int | None:
    """The number of parts of a multipart ETag; None for any other ETag."""
    found = _OF_PARTS.fullmatch(etag)
    return int(found[1]) if found else None


def parts_of(etag: str, size_bytes: int, first_part_bytes: int | None) -> Parts:
    """The part sizes to try: the first part's size if the source tells it and it fits, else the sizes that tools commonly use."""
    count = part_count(etag)
    if count is None:
        return Parts(is_sure=plain_md5(etag) is not None)
    if count == 1:
        return Parts((max(1, size_bytes),), is_sure=True)

    def fits(size: int) -> bool:
        return -(-size_bytes // size) == count

    if first_part_bytes and fits(first_part_bytes):
        return Parts((first_part_bytes,), is_sure=True)
    smallest_mib = max(1, -(-size_bytes // (count * _MIB)))
    whole = (size * _MIB for size in (*_USUAL_MIB, *range(smallest_mib, smallest_mib + _MOST_GUESSES)))
    return Parts(tuple(dict.fromkeys(size for size in whole if fits(size)))[:_MOST_GUESSES])


def composite(digests: Sequence[bytes]) -> str:
    """The multipart ETag of parts with these MD5s."""
    return f"{md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"


class PartDigests:
    """MD5s of the parts of a file that arrives piece by piece. `known` holds those of the parts before it."""

    def __init__(self, part_bytes: int, known: Sequence[bytes] = ()) -> None:
        self._part_bytes = part_bytes
        self._whole = list(known)
        self._begin()

    @property
    def whole(self) -> list[bytes]:
        """The MD5s of the complete parts."""
        return self._whole

    def update(self, data: bytes) -> None:
        """Take the next piece."""
        rest = memoryview(data)
        while rest:
            head, rest = rest[: self._left], rest[self._left :]
            self._open.update(head)
            self._left -= len(head)
            if not self._left:
                self._whole.append(self._open.digest())
                self._begin()

    def etag(self) -> str:
        """The multipart ETag of everything so far; the last part may be shorter."""
        is_open = self._left < self._part_bytes or not self._whole
        return composite([*self._whole, self._open.digest()] if is_open else self._whole)

    def _begin(self) -> None:
        self._open, self._left = md5(usedforsecurity=False), self._part_bytes


class Digests:
    """All digests that an ETag may name, computed from a file that arrives piece by piece."""

    def __init__(self, parts: Parts) -> None:
        self._is_sure = parts.is_sure
        self._of_whole = md5(usedforsecurity=False)
        self._of_parts = [PartDigests(size) for size in parts.sizes]

    def update(self, data: bytes) -> None:
        """Take the next piece."""
        self._of_whole.update(data)
        for digests in self._of_parts:
            digests.update(data)

    @property
    def md5(self) -> str:
        """The MD5 in hex of everything so far."""
        return self._of_whole.hexdigest()

    def agree(self, etag: str) -> bool | None:
        """Whether the ETag names this content; None when the part size is unknown, which leaves it open."""
        known = [digests.etag() for digests in self._of_parts] or [self.md5]
        return True if etag in known else False if self._is_sure else None
