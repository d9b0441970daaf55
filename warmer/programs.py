"""Runs another program with a timeout, and kills it when the work is stopped."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import NamedTuple

from warmer.failures import Stopped

_POLL_SECONDS = 0.1


class Ended(NamedTuple):
    """How a program ended. Status None means that its time was over, status 127 that it could not be started."""

    status: int | None
    output: str
    errors: str


def run(command: Sequence[str], folder: Path, stop: Event, timeout_seconds: float) -> Ended:
    """Run a program to its end.

    Raises:
        Stopped: the work is no longer wanted; the program has been killed.
    """
    # BLAST+ reports each use to NCBI unless told otherwise. Other programs must not see the agent's SAS.
    ours = os.environ.items()  # noqa: TID251 - what a child inherits is not a setting
    environment = {name: value for name, value in ours if not name.startswith("SHARDWARM_")} | {"BLAST_USAGE_REPORT": "false"}
    try:
        process = subprocess.Popen(  # noqa: S603 - fixed programs, names that were checked, no shell
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    except OSError as error:
        return Ended(127, "", str(error))
    deadline = time.monotonic() + timeout_seconds
    with process:
        while True:
            try:
                output, errors = process.communicate(timeout=_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if not stop.is_set() and time.monotonic() < deadline:
                    continue
                process.kill()
                process.communicate()
                if stop.is_set():
                    raise Stopped from None
                return Ended(None, "", "")
            return Ended(process.returncode, output, errors)
