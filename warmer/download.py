"""Many files at once, each in ranges, none of them given its name before its MD5 is right."""

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Protocol

from shared.agent.report import Reason
from shared.blastdb.listings import ListedBlob
from warmer.failures import Stopped, WarmFailure, of_disk
from warmer.partial import Partial
from warmer.storage import Storage
from warmer.stretch import Stretch
from warmer.throttle import Throttle

_BUFFER_BYTES = 512 * 1024

type Install = Callable[[Partial, str], None]


class Progress(Protocol):
    """Is told how a copy gets on; by many threads, and often."""

    def there(self, blob: ListedBlob, count: int) -> None:
        """So many bytes of a blob are on disk: at its beginning, and when what came of it turned out worthless."""
        ...

    def came(self, blob: ListedBlob, count: int) -> None:
        """So many more bytes of a blob have come."""
        ...


class Downloads:
    """One copy: threads take parts in order, file by file, so that few files are open and the first ones are done early."""

    def __init__(
        self,
        storage: Storage,
        folder: Path,
        stop: Event,
        throttle: Throttle,
        *,
        install: Install,
        progress: Progress,
        part_bytes: int,
        corrupt_attempts: int,
    ) -> None:
        """Describe a copy.

        Args:
            storage: where from.
            folder: of the unfinished files.
            stop: ends the copy early; it is set by the copy itself when it fails.
            throttle: of all its threads.
            install: gives a verified file, with its MD5, its name; called by one thread a file.
            progress: told of every byte.
            part_bytes: what one request asks for.
            corrupt_attempts: how often a file is fetched whose MD5 comes out wrong.
        """
        self._storage = storage
        self._folder = folder
        self._stop = stop
        self._throttle = throttle
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
        """Copy all of them; returns when each has its name.

        Raises:
            WarmFailure: the first one that any thread met.
            Stopped: the copy is no longer wanted. Parts that came are kept.
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
                    self._storage.stream(Stretch(partial, part, buffer, self._received))
                digest = partial.finish(part, buffer)
                if digest is not None:
                    self._settle(partial, digest)
        except Stopped:
            self._end(None)
        except OSError as error:
            self._end(of_disk(error))
        except BaseException as error:  # noqa: BLE001 - a thread has nobody to raise to; run() raises it
            self._end(error)

    def _next(self) -> tuple[Partial, int | None] | None:
        with self._turn:
            while not self._stop.is_set() and self._unsettled:
                if self._parts:
                    return self._parts.popleft()
                if not self._files:
                    # Others have the last parts; one of these may turn out corrupt, and then there is work again.
                    self._turn.wait()
                    continue
                partial = Partial(self._files.popleft(), self._folder, self._part_bytes)
                self._under_way[partial.blob.name] = partial
                missing = partial.open()
                self._progress.there(partial.blob, partial.bytes_there)
                # A file without missing parts is still to be hashed.
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
        self._progress.there(blob, 0)
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
        self._progress.came(blob, count)
        self._throttle.take(count)
        if self._stop.is_set():
            raise Stopped
