"""Exceptions of the agent: a failure with its reason code, and the stop of work that is no longer wanted.

The agent reports every failure and tries again later. It never gives up, because operators cure most failures from outside.
"""

import errno

from shared.agent.report import Reason

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WarmFailure(Exception):  # noqa: N818 - named for what happened, as the rest of the project
    """A failure as the report shows it. The message has numbers and names, but never a URL with a signature."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Stopped(Exception):  # noqa: N818 - as above
    """The work is no longer wanted: the process ends, or the assignment changed. Not a failure."""


def disk_failure(error: OSError) -> WarmFailure:
    """The failure for an error of the node's disk. Its message names the file."""
    said = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    if error.errno in _FULL:
        return WarmFailure(Reason.DISK_FULL, f"The node's disk has no room left ({said}). Free some space, or use larger disks.")
    return WarmFailure(Reason.VERIFICATION_FAILED, f"The node's disk reports an error ({said}).")
