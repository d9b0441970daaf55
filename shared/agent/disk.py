"""The part of a node's disk that a copy leaves free: one rule for the agent that copies and the app that plans."""

from collections.abc import Mapping
from typing import NamedTuple, Self

RESERVE_PERCENT = 15.0
"""Of the file system's size. Below 10 % available (`nodefs.available`, on AKS and elsewhere) kubelet puts the node under
DiskPressure and evicts its pods. From 85 % used on it removes images, and by Kubernetes' own defaults it evicts pods also for
`imagefs.available` below 15 %, where images lie on the same disk. A copy stops before all three.
"""

RESERVE_BYTES = 1024**3
"""The least reserve, for small disks."""

PERCENT_VARIABLE = "SHARDWARM_DISK_RESERVE_PERCENT"
BYTES_VARIABLE = "SHARDWARM_DISK_RESERVE_BYTES"


class DiskReserve(NamedTuple):
    """What a copy leaves free of a disk: this share of it, and at least these bytes."""

    percent: float = RESERVE_PERCENT
    least_bytes: int = RESERVE_BYTES

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """The reserve that agents with these variables keep. A value that is no number counts as absent; it ends the agent."""
        return cls(
            _number(environment.get(PERCENT_VARIABLE), RESERVE_PERCENT),
            int(_number(environment.get(BYTES_VARIABLE), RESERVE_BYTES)),
        )

    def on(self, disk_bytes: int) -> int:
        """The bytes that stay free on a disk of this size."""
        return max(int(disk_bytes * self.percent / 100), self.least_bytes)


def _number(text: str | None, default: float) -> float:
    try:
        return float(text) if text else default
    except ValueError:
        return default
