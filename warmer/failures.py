"""Why a node's shards are not warm: the codes we promise, and the exceptions that carry them.

A failure of the agent is reported and tried again later; nothing is given up, since operators cure most of them from outside.
"""

import errno
from enum import StrEnum

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Reason(StrEnum):
    """A contract with the orchestration, which names them to people: never renamed."""

    DISK_FULL = "DiskFull"
    STORAGE_FORBIDDEN = "StorageForbidden"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    CORRUPT_FILE = "CorruptFile"
    MISSING_FILE = "MissingFile"
    MANIFEST_MISMATCH = "ManifestMismatch"
    ALIAS_MISMATCH = "AliasMismatch"
    GENERATION_MISMATCH = "GenerationMismatch"
    VERIFICATION_FAILED = "VerificationFailed"
    MEMORY_TOO_SMALL = "MemoryTooSmall"
    NOT_ASSIGNED = "NotAssigned"


class WarmFailure(Exception):  # noqa: N818 - named for what happened, as the rest of the project
    """What the report says. The message has numbers and names, and no address with a signature in it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Stopped(Exception):  # noqa: N818 - as above
    """The work is no longer wanted: the process ends, or the assignment changed. Not a failure."""


def of_disk(error: OSError) -> WarmFailure:
    """What the node's disk said, as a failure; it names the file and no more."""
    said = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error)
    if error.errno in _FULL:
        return WarmFailure(Reason.DISK_FULL, f"The node's disk takes no more ({said}). Free some space, or use larger disks.")
    return WarmFailure(Reason.VERIFICATION_FAILED, f"The node's disk does not work as it should ({said}).")
