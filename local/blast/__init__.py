"""BLAST+ 2.16 beside the machine's own version, for tests that check both."""

from __future__ import annotations

import asyncio
from pathlib import Path

_FETCH = Path(__file__).with_name("fetch")


class BlastUnavailable(Exception):  # noqa: N818 - named for what is the case, as the house style asks
    """BLAST+ 2.16 cannot be had on this machine; the message says why."""


async def newer_programs() -> Path:
    """The folder of BLAST+ 2.16's programs, fetched by the first call on a machine.

    Safe to repeat, and by several processes at once.

    Raises:
        BlastUnavailable: this machine has no Debian archive to fetch from.
        RuntimeError: the fetch failed; the message is the last line of the script's output.
    """
    status, output, said = await _fetch("--check")
    if status:
        raise BlastUnavailable(said)
    status, output, said = await _fetch()
    if status:
        raise RuntimeError(said)
    return Path(output)


async def _fetch(*arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        str(_FETCH), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode().strip(), errors.decode().strip().removeprefix("blast: ")[-2000:]
