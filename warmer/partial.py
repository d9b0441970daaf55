"""A partial download: a file that is preallocated, filled in any order, hashed in order, and renamed once it is verified.

MD5 cannot be computed out of order. So the thread that completes a part hashes all complete parts that follow the last hashed
one, and reads them back from the page cache. The whole file is verified some milliseconds after its last byte came, without a
second pass over the disk, and the process keeps none of it in memory.

A journal beside the file has one byte for each part, written after the part. After a crash of the process, the parts in the
journal are kept and hashed again. If a crash of the machine lost some of them, the MD5 of the whole file is wrong, and the
file is dropped.
"""

import os
from base64 import b64encode
from collections.abc import Callable, Iterable
from hashlib import md5, sha256
from http.client import HTTPResponse
from pathlib import Path
from threading import Lock

from shared.blastdb.listings import ListedBlob
from warmer.atomic_files import start_writing_back
from warmer.node_folder import FileRecord, record_of
from warmer.retrying import RequestFailed
from warmer.storage import RANGE_MD5_LIMIT_BYTES

_DONE = b"\x01"
_BLOCK_BYTES = 512  # the unit of st_blocks on every file system


class Partial:
    """One blob's partial file. Many threads call `write` and `finish`."""

    def __init__(self, blob: ListedBlob, folder: Path, part_bytes: int) -> None:
        self.blob = blob
        # A blob without an MD5 of its own can only be checked by the MD5s of ranges, and the service limits their length.
        self.part_bytes = part_bytes if blob.md5 else min(part_bytes, RANGE_MD5_LIMIT_BYTES)
        self.path, self._journal_path = paths(blob, folder, part_bytes)
        self._count = -(-blob.size_bytes // self.part_bytes)
        self._descriptor = -1
        self._journal = -1
        self._done: set[int] = set()
        self._hash = md5(usedforsecurity=False)
        self._hashed = 0
        self._is_hashing = False
        self._lock = Lock()

    def open(self) -> list[int]:
        """Create or reopen the file; returns the missing parts, in order.

        Raises:
            OSError: the disk has no room for the file.
        """
        if not self.blob.md5:
            self._journal_path.unlink(missing_ok=True)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        if self.blob.size_bytes:
            os.posix_fallocate(self._descriptor, 0, self.blob.size_bytes)
        self._journal = os.open(self._journal_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        known = os.pread(self._journal, self._count, 0)
        self._done = {part for part in range(len(known)) if known[part : part + 1] == _DONE}
        return [part for part in range(self._count) if part not in self._done]

    @property
    def bytes_there(self) -> int:
        """Bytes of the complete parts."""
        return sum(self.bounds(part)[1] - self.bounds(part)[0] for part in self._done)

    def bounds(self, part: int) -> tuple[int, int]:
        """The start of a part (included) and its end (excluded)."""
        start = part * self.part_bytes
        return start, min(start + self.part_bytes, self.blob.size_bytes)

    def write(self, data: memoryview, offset: int) -> None:
        """Write bytes at their offset.

        Raises:
            OSError: the disk is full.
        """
        while data:
            written = os.pwrite(self._descriptor, data, offset)
            data, offset = data[written:], offset + written

    def finish(self, part: int | None, buffer: memoryview) -> str | None:
        """Note that a part is complete (None: no new part), and hash the parts that can be hashed in order.

        Returns:
            The MD5 of the whole file in hex, to exactly one of the callers; None to the others.
        """
        if part is not None:
            os.pwrite(self._journal, _DONE, part)
        with self._lock:
            if part is not None:
                self._done.add(part)
            if self._is_hashing:
                return None
            self._is_hashing = True
        while True:
            with self._lock:
                if self._hashed == self._count:
                    # `_is_hashing` stays set, so no other thread reaches this point.
                    return self._hash.hexdigest()
                if self._hashed not in self._done:
                    self._is_hashing = False
                    return None
            self._hash_part(self._hashed, buffer)
            start, stop = self.bounds(self._hashed)
            start_writing_back(self._descriptor, start, stop - start)
            with self._lock:
                self._hashed += 1

    def install(self, target: Path, md5: str) -> FileRecord:
        """Sync the content and give the file its name. The name itself is durable once the folder is synced."""
        os.fsync(self._descriptor)
        self.path.rename(target)
        status = os.fstat(self._descriptor)
        self._journal_path.unlink(missing_ok=True)
        self.close()
        return record_of(status, md5, self.blob.fingerprint)

    def drop(self) -> None:
        """Remove the file and its journal."""
        self.close()
        self.path.unlink(missing_ok=True)
        self._journal_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files and keep them on the disk for a later attempt. Safe to repeat."""
        for descriptor in (self._descriptor, self._journal):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._journal = -1

    def _hash_part(self, part: int, buffer: memoryview) -> None:
        start, stop = self.bounds(part)
        while start < stop:
            count = os.preadv(self._descriptor, [buffer[: stop - start]], start)
            if not count:
                raise OSError(f"{self.path} became shorter")
            self._hash.update(buffer[:count])
            start += count


class Segment:
    """The missing bytes of one part, as the `Range` to download."""

    def __init__(self, partial: Partial, part: int, buffer: memoryview, received: Callable[[ListedBlob, int], None]) -> None:
        self.blob = partial.blob
        self.wants_md5 = partial.blob.md5 is None
        self._partial = partial
        self._received = received
        self._buffer = buffer
        self._start, self._stop = partial.bounds(part)
        self._at = self._start

    def first_and_last(self) -> tuple[int, int]:
        """The missing bytes; the whole part if only the range's MD5 can verify it."""
        if self.wants_md5:
            self._at = self._start
        return self._at, self._stop - 1

    def receive(self, answer: HTTPResponse) -> None:
        """Write the bytes of the answer at their place in the file.

        Raises:
            RequestFailed: the answer broke off, or the range's MD5 does not match.
        """
        check = md5(usedforsecurity=False) if self.wants_md5 else None
        while self._at < self._stop:
            piece = self._buffer[: self._stop - self._at]
            count = answer.readinto(piece)
            if not count:
                raise RequestFailed(0, f"the answer broke off, {self._stop - self._at} bytes of the range were missing")
            self._partial.write(piece[:count], self._at)
            if check is not None:
                check.update(piece[:count])
            self._at += count
            self._received(self.blob, count)
        told = answer.headers.get("Content-MD5")
        if check is not None and told and told != b64encode(check.digest()).decode():
            raise RequestFailed(0, "the range's MD5 does not match")


def paths(blob: ListedBlob, folder: Path, part_bytes: int) -> tuple[Path, Path]:
    """The paths of the file and its journal. They depend on content and part size, so that two downloads never mix."""
    key = sha256(f"{blob.fingerprint} {blob.size_bytes} {part_bytes}".encode()).hexdigest()[:12]
    return folder / f"{blob.leaf}.{key}.part", folder / f"{blob.leaf}.{key}.parts"


def room_needed(blobs: Iterable[ListedBlob], folder: Path, part_bytes: int) -> int:
    """Bytes of disk that a copy still needs, beyond those that its unfinished files already take."""
    needed = 0
    for blob in blobs:
        file, _ = paths(blob, folder, part_bytes)
        taken = file.stat().st_blocks * _BLOCK_BYTES if file.exists() else 0
        needed += max(0, blob.size_bytes - taken)
    return needed
