"""One part of a file while its bytes come in."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import md5
from http.client import HTTPResponse

from shared.blastdb.listings import ListedBlob
from warmer.partial import Partial
from warmer.patience import Refusal


class Stretch:
    """What is still to come of one part; the `Range` that storage is asked for."""

    def __init__(self, partial: Partial, part: int, buffer: memoryview, received: Callable[[ListedBlob, int], None]) -> None:
        self.blob = partial.blob
        self.wants_md5 = partial.blob.md5 is None
        self._partial = partial
        self._received = received
        self._buffer = buffer
        self._start, self._stop = partial.bounds(part)
        self._at = self._start

    def first_and_last(self) -> tuple[int, int]:
        """What is missing; all of it where only the MD5 of the whole range can vouch for it."""
        if self.wants_md5:
            self._at = self._start
        return self._at, self._stop - 1

    def receive(self, answer: HTTPResponse) -> None:
        """Put what comes where it belongs.

        Raises:
            Refusal: the answer broke off, or the range's MD5 does not fit.
        """
        check = md5(usedforsecurity=False) if self.wants_md5 else None
        while self._at < self._stop:
            piece = self._buffer[: self._stop - self._at]
            count = answer.readinto(piece)
            if not count:
                raise Refusal(0, f"the answer broke off, {self._stop - self._at} bytes of the range were missing")
            self._partial.write(piece[:count], self._at)
            if check is not None:
                check.update(piece[:count])
            self._at += count
            self._received(self.blob, count)
        told = answer.headers.get("Content-MD5")
        if check is not None and told and told != b64encode(check.digest()).decode():
            raise Refusal(0, "the range's MD5 does not fit")
