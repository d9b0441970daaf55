"""How long a test waits for a condition before it fails: far longer than any takes, since a machine may be busy.

No test measures time. A wait ends as soon as its condition holds, so a generous end costs nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 120.0
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.2


def patience() -> asyncio.Timeout:
    """End a wait that is in vain with TimeoutError: `async with patience(): ...`."""
    return asyncio.timeout(PATIENCE_SECONDS)


async def eventually(says_yes: Callable[[], Awaitable[bool]], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something is so that gives no sign of its own: look often at first, and less often later."""
    pause = _FIRST_PAUSE_SECONDS
    async with asyncio.timeout(seconds):
        while not await says_yes():
            await asyncio.sleep(pause)
            pause = min(1.5 * pause, _LONGEST_PAUSE_SECONDS)
