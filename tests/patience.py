"""How long a test waits for a condition before it fails: far longer than any takes, since a machine may be busy.

No test measures time. A wait ends as soon as its condition holds, so a generous end costs nothing.
"""

from __future__ import annotations

import asyncio

PATIENCE_SECONDS = 120.0


def patience() -> asyncio.Timeout:
    """End a wait that is in vain with TimeoutError: `async with patience(): ...`."""
    return asyncio.timeout(PATIENCE_SECONDS)
