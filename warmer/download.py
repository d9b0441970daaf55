"""Download of many files at once, each in ranges; a file gets its name only when its MD5 is right."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Condition, Event, Lock, Thread
from typing import Protocol

from shared.agent.report import Reason
from shared.blastdb.listings import ListedBlob
from warmer.failures import Stopped, WarmFailure, disk_failure
from warmer.partial import Partial, Segment
from warmer.storage import Storage

_BUFFER_BYTES = 512 * 1024

type Admit = Callable[[ListedBlob], None]
type Install = Callable[[Partial, str], None]


class CopyProgress(Protocol):
    """Counts the bytes of a copy. Many threads call it, and often."""

    def set_bytes(self, blob: ListedBlob, count: int) -> None:
        """Set a blob's byte count: at the start, and again after a failed verification."""
        ...

    def add_bytes(self, blob: ListedBlob, count: int) -> None:
        """Add the bytes of a blob that were just received."""
        ...


class Throttle:
    """A rate limit in bytes per second, shared by all threads of a copy; 0 means no limit."""

    def __init__(self, bytes_per_second: int, stop: Event) -> None:
        self._rate = bytes_per_second
        self._stop = stop
        self._free_at = 0.0
        self._lock = Lock()

    def take(self, count: int) -> None:
        """Block until the rate limit allows the `count` bytes just received; returns early when the work is stopped."""
        if not self._rate:
            return
        now = time.monotonic()
        with self._lock:
            self._free_at = max(now, self._free_at) + count / self._rate
            wait = self._free_at - now
        self._stop.wait(wait)


class Downloads:
    """One copy. Threads take parts in order, file by file, so that few files are open and the first ones complete early."""

    def __init__(
        self,
        storage: Storage,
        folder: Path,
        stop: Event,
        throttle: Throttle,
        *,
        admit: Admit,
        install: Install,
        progress: CopyProgress,
        part_bytes: int,
        corrupt_attempts: int,
    ) -> None:
        """Describe a copy.

        Args:
            storage: the source.
            folder: the folder for unfinished files.
            stop: ends the copy early. The copy itself also sets it when it fails.
            throttle: limits the rate of all threads of the copy together.
            admit: called before the copy of each file begins; what it raises ends the copy.
            install: gives a verified file its name. It gets the file and its MD5, and is called once for each file.
            progress: counts every byte.
            part_bytes: the size of one request.
            corrupt_attempts: how often to download a file with a wrong MD5 before the copy fails.
        """
        self._storage = storage
        self._folder = folder
        self._stop = stop
        self._throttle = throttle
        self._admit = admit
        self._install = install
        self._progress = progress
        self._part_bytes = part_bytes
        self._corrupt_attempts = corrupt_attempts
        self._files: deque[ListedBlob] = deque()
        self._parts: deque[tuple[Partial, int | None]] = deque()
        self._under_way: dict[str, Partial] = {}
        self._corrupt: dict[str, int] = {}
        self._unsettled = 0
        self._failure: BaseException | None = None
        self._turn = Condition()

    def run(self, blobs: Sequence[ListedBlob], threads: int) -> None:
        """Copy all blobs; returns when each file has its name.

        Raises:
            WarmFailure: the first failure of any thread.
            Stopped: the copy is no longer wanted. Complete parts stay on the disk.
        """
        self._files.extend(blobs)
        self._unsettled = len(blobs)
        crew = [Thread(target=self._work, daemon=True, name=f"copy-{number}") for number in range(threads)]
        for thread in crew:
            thread.start()
        for thread in crew:
            thread.join()
        for partial in self._under_way.values():
            partial.close()
        if self._failure is not None:
            raise self._failure
        if self._unsettled:
            raise Stopped

    def _work(self) -> None:
        buffer = memoryview(bytearray(_BUFFER_BYTES))
        try:
            while (job := self._next()) is not None:
                partial, part = job
                if part is not None:
                    self._storage.stream(Segment(partial, part, buffer, self._received))
                digest = partial.finish(part, buffer)
                if digest is not None:
                    self._settle(partial, digest)
        except Stopped:
            self._end(None)
        except OSError as error:
            self._end(disk_failure(error))
        except BaseException as error:  # noqa: BLE001 - a thread cannot raise to its caller; run() raises it
            self._end(error)

    def _next(self) -> tuple[Partial, int | None] | None:
        with self._turn:
            while not self._stop.is_set() and self._unsettled:
                if self._parts:
                    return self._parts.popleft()
                if not self._files:
                    # Other threads have the last parts. If one of them turns out corrupt, there is work again.
                    self._turn.wait()
                    continue
                self._admit(self._files[0])
                partial = Partial(self._files.popleft(), self._folder, self._part_bytes)
                self._under_way[partial.blob.name] = partial
                missing = partial.open()
                self._progress.set_bytes(partial.blob, partial.bytes_there)
                # A file without missing parts must still be hashed.
                self._parts.extend((partial, part) for part in missing or [None])
            return None

    def _settle(self, partial: Partial, digest: str) -> None:
        blob = partial.blob
        if blob.md5 is None or digest == blob.md5:
            self._install(partial, digest)
            with self._turn:
                del self._under_way[blob.name]
                self._unsettled -= 1
                if not self._unsettled:
                    self._turn.notify_all()
            return
        partial.drop()
        self._progress.set_bytes(blob, 0)
        with self._turn:
            del self._under_way[blob.name]
            tries = self._corrupt[blob.name] = self._corrupt.get(blob.name, 0) + 1
            if tries < self._corrupt_attempts:
                self._files.appendleft(blob)
                self._turn.notify_all()
                return
        message = f"'{blob.name}' came {tries} times with an MD5 other than the listed {blob.md5}, last {digest}."
        raise WarmFailure(Reason.CORRUPT_FILE, message)

    def _end(self, error: BaseException | None) -> None:
        with self._turn:
            self._failure = self._failure or error
            self._stop.set()
            self._turn.notify_all()

    def _received(self, blob: ListedBlob, count: int) -> None:
        self._progress.add_bytes(blob, count)
        self._throttle.take(count)
        if self._stop.is_set():
            raise Stopped
