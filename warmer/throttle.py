"""A bound on bytes per second, shared by all threads of a copy."""

import time
from threading import Event, Lock


class Throttle:
    """Lets bytes through at a rate; 0 lets everything through at once."""

    def __init__(self, bytes_per_second: int, stop: Event) -> None:
        self._rate = bytes_per_second
        self._stop = stop
        self._free_at = 0.0
        self._lock = Lock()

    def take(self, count: int) -> None:
        """Wait until so many bytes, which have come, are paid for; returns early when the work is stopped."""
        if not self._rate:
            return
        now = time.monotonic()
        with self._lock:
            self._free_at = max(now, self._free_at) + count / self._rate
            wait = self._free_at - now
        self._stop.wait(wait)
