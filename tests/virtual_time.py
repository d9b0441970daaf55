"""An event loop whose clock moves only by its own timers: what it measures is exact, however busy the machine is."""

from __future__ import annotations

import asyncio
import selectors
from typing import override

_SETTLING_SECONDS = 0.02
"""For how long nothing must come in before the clock moves: what a loopback connection has under way arrives sooner."""


class _Jumping(selectors.DefaultSelector):
    """Reports what is ready; when nothing is, it moves the clock to the next timer instead of waiting for it."""

    now = 0.0

    @override
    def select(self, timeout=None):
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(_SETTLING_SECONDS)
        if not ready:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Everything that a test talks to must run in this loop: other processes keep their own time."""

    def __init__(self) -> None:
        self._clock = _Jumping()
        super().__init__(self._clock)

    @override
    def time(self) -> float:
        return self._clock.now


def in_virtual_time[T](coroutine) -> T:
    """Run to the end on such a loop."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)
