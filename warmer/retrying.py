"""Retries of storage requests: how long to go on, and how long to pause between two attempts."""

import random
import time
from collections.abc import Callable
from threading import Event, Lock

from shared.agent.report import Reason
from warmer.failures import Stopped, WarmFailure

FORBIDDEN = (401, 403)
PASSING = (408, 429, 500, 502, 503, 504)


class RequestFailed(Exception):  # noqa: N818 - an answer, not an error of ours
    """A request got no usable answer; `status` is 0 when it got no answer at all. `code` is the service's own, if it gave one."""

    def __init__(self, status: int, said: str, *, code: str = "", retry_after_seconds: float = 0.0) -> None:
        super().__init__(said)
        self.status = status
        self.said = said
        self.code = code
        self.retry_after_seconds = retry_after_seconds

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status == 0 or self.status in PASSING or self.status in FORBIDDEN


class RetryBudget:
    """One retry budget for all requests of a staging; any success resets it.

    The agent therefore waits through an outage that lets some requests pass, and all threads together report a missing role
    once. The next attempt has a new budget, but takes over the time for which a role has been missing.
    """

    def __init__(
        self,
        stop: Event,
        *,
        unavailable_seconds: float,
        forbidden_seconds: float,
        first_seconds: float,
        longest_seconds: float,
        forbidden_since: float | None = None,
    ) -> None:
        self._stop = stop
        self._limits = {True: forbidden_seconds, False: unavailable_seconds}
        self._first_seconds = first_seconds
        self._longest_seconds = longest_seconds
        self._since: dict[bool, float] = {} if forbidden_since is None else {True: forbidden_since}
        self._lock = Lock()

    @property
    def forbidden_since(self) -> float | None:
        """When storage began to answer 401 or 403 to every request, by the monotonic clock; None if it does not."""
        return self._since.get(True)

    def attempt[T](self, call: Callable[[], T], what: str) -> T:
        """Repeat a call until it succeeds or the budget is spent.

        Raises:
            WarmFailure: StorageForbidden or StorageUnavailable, once the budget is spent.
            RequestFailed: a failure that no retry cures, such as a 404.
            Stopped: the work is no longer wanted.
        """
        tries = 0
        while True:
            if self._stop.is_set():
                raise Stopped
            try:
                answer = call()
            except RequestFailed as failed:
                if not failed.may_pass:
                    raise
                self._spend(failed, what)
                tries += 1
                self._pause(tries, failed.retry_after_seconds)
            else:
                with self._lock:
                    self._since.clear()
                return answer

    def _spend(self, failed: RequestFailed, what: str) -> None:
        is_forbidden = failed.status in FORBIDDEN
        with self._lock:
            waited = time.monotonic() - self._since.setdefault(is_forbidden, time.monotonic())
        if waited < self._limits[is_forbidden]:
            return
        if is_forbidden:
            message = f"Storage has refused '{what}' for {waited:.0f} s: {failed.said}. Grant Storage Blob Data Reader."
            raise WarmFailure(Reason.STORAGE_FORBIDDEN, message) from failed
        raise WarmFailure(
            Reason.STORAGE_UNAVAILABLE, f"Storage has not delivered '{what}' for {waited:.0f} s: {failed.said}."
        ) from failed

    def _pause(self, tries: int, least_seconds: float) -> None:
        longest = min(self._longest_seconds, self._first_seconds * 2 ** min(tries - 1, 16))
        # Full jitter: a hundred nodes that failed at the same moment must not retry at the same moment.
        seconds = max(random.uniform(0, longest), min(least_seconds, self._longest_seconds))  # noqa: S311 - not a secret
        if self._stop.wait(seconds):
            raise Stopped
