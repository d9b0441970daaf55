"""What the agent says of itself: the report that the probe, the status and the orchestration read."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from warmer.assignment import Mode
from warmer.failures import Reason

type Phase = Literal["waiting", "starting", "copying_files", "verifying_db", "touching_memory", "completed", "failed"]

FILE = "report.json"
ANNOTATION = "shardwarm/report"


class ShardReport(BaseModel):
    """One shard's volumes and alias; what all shards of a node share is counted only in the node's totals."""

    model_config = ConfigDict(frozen=True)

    phase: Phase
    bytes_done: int
    bytes_total: int
    resident_percent: float


class Report(BaseModel):
    """`bytes_done` counts verified bytes on disk.

    `bytes_moved` is what this process downloaded for `run`, the warmup that wrote its assignment, repeated parts included.

    While a failure is being tried again, `reason` and `message` stay until the files are verified; `phase` has moved on.
    `updated_at` is, once the work is done, the moment of the last measurement.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    run: str = ""
    db: str = ""
    digest: str = ""
    shard_count: int = 0
    mode: Mode = "hot"
    node: str
    pod: str
    phase: Phase = "waiting"
    warm: bool = False
    reason: Reason | None = None
    message: str | None = None
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_moved: int = 0
    resident_bytes: int = 0
    resident_total: int = 0
    shards: dict[str, ShardReport] = {}
    started_at: str
    updated_at: str


def now() -> str:
    """This moment as reports spell it: UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
