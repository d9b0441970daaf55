"""Progress of each node and each shard, in measured bytes and files."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from math import ceil

from pydantic import BaseModel, ConfigDict

from shared.agent.assignment import AssignmentDocument
from shared.agent.report import KnownPhase, percent
from shared.runs.warmup.node_status import NodeState, NodeStatus

PHASE_LABELS: dict[KnownPhase, str] = {
    "failed": "Failed",
    "touching_memory": "Loading into memory",
    "verifying_db": "Verifying",
    "copying_files": "Copying files",
    "starting": "Starting",
    "waiting": "Waiting",
    "unknown": "Unknown",
    "completed": "Completed",
}
"""The phases, most important first: the first that any node is in is shown for all (contract 4.4)."""

_SHOWN_PODS = 20
TROUBLED_FIRST: tuple[NodeState, ...] = ("failed", "stale", "unknown", "loading", "warm")


class NodeProgress(BaseModel):
    """Progress of one node: its state, why it is not warm, and the counts of its own report; zeros without a report.

    `bytes_moved` was moved for `run`, the warmup whose assignment the agent follows.
    """

    model_config = ConfigDict(frozen=True)

    state: NodeState
    reason: str | None = None
    message: str | None = None
    phase: KnownPhase
    shards: tuple[str, ...]
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_moved: int = 0
    run: str = ""
    resident_pct: int = 0


class ShardProgress(BaseModel):
    """Progress of one shard on its slowest node; `nodes_warm` of its `nodes_total` assigned nodes are warm."""

    model_config = ConfigDict(frozen=True)

    nodes_total: int
    nodes_warm: int
    bytes_done: int = 0
    bytes_total: int = 0
    resident_pct: int = 0


class PodStatus(BaseModel):
    """One pod as the replaced system showed it; `last_log` is always null, logs are not read."""

    model_config = ConfigDict(frozen=True)

    pod: str | None
    shard: str
    node: str
    phase: KnownPhase
    phase_label: str
    message: str | None = None
    last_log: str | None = None
    started_at: datetime | None = None


def shard_label(shard: int) -> str:
    """A shard's number as two digits."""
    return f"{shard:02d}"


def dominant_phase(counts: Mapping[KnownPhase, int]) -> KnownPhase:
    """The phase that is shown for all nodes: the first, in the order of the labels, that any node is in."""
    for phase in PHASE_LABELS:
        if counts.get(phase):
            return phase
    return "unknown"


def node_progress(status: NodeStatus, document: AssignmentDocument) -> NodeProgress:
    """One node's status with the counts of its report."""
    standing = NodeProgress(
        state=status.state,
        reason=status.reason,
        message=status.message,
        phase=status.phase,
        shards=tuple(map(shard_label, document.nodes[status.node])),
    )
    report = status.report
    if report is None:
        return standing
    counts = {
        "files_done": report.files_done,
        "files_total": report.files_total,
        "bytes_done": report.bytes_done,
        "bytes_total": report.bytes_total,
        "bytes_moved": report.bytes_moved,
        "run": report.run,
        "resident_pct": percent(report.resident_bytes, report.resident_total),
    }
    return standing.model_copy(update=counts)


def shard_progress(label: str, statuses: Sequence[NodeStatus]) -> ShardProgress:
    """One shard's progress from the status of its assigned nodes; zeros until all of them have reported."""
    warm = sum(status.state == "warm" for status in statuses)
    reports = [status.report.shards[label] for status in statuses if status.report is not None]
    if len(reports) < len(statuses):
        return ShardProgress(nodes_total=len(statuses), nodes_warm=warm)
    least = min(reports, key=lambda report: percent(report.bytes_done, report.bytes_total))
    return ShardProgress(
        nodes_total=len(statuses),
        nodes_warm=warm,
        bytes_done=least.bytes_done,
        bytes_total=least.bytes_total,
        resident_pct=int(min(report.resident_percent for report in reports)),
    )


def pod_statuses(statuses: Sequence[NodeStatus], document: AssignmentDocument) -> tuple[PodStatus, ...]:
    """The first pods, troubled nodes first, so that only healthy ones are cut off."""
    ordered = sorted(statuses, key=lambda status: (TROUBLED_FIRST.index(status.state), status.node))
    return tuple(
        PodStatus(
            pod=status.pod.name if status.pod else None,
            shard=",".join(map(shard_label, document.nodes[status.node])),
            node=status.node,
            phase=status.phase,
            phase_label=PHASE_LABELS[status.phase],
            message=status.message,
            started_at=status.pod.started_at if status.pod else None,
        )
        for status in ordered[:_SHOWN_PODS]
    )


def mean(shares: Sequence[int]) -> int:
    """The mean of whole per cents, rounded down."""
    return sum(shares) // len(shares) if shares else 0


def begun_at(statuses: Sequence[NodeStatus]) -> datetime | None:
    """When the first of the reporting agents began."""
    return min((status.report.started_at for status in statuses if status.report), default=None)


def elapsed_seconds(statuses: Sequence[NodeStatus], now: datetime) -> int | None:
    """Seconds since the first agent began: until now or, when one has failed, until the last report."""
    begun = begun_at(statuses)
    if begun is None:
        return None
    has_failed = any(status.state == "failed" for status in statuses)
    ended = max(status.report.updated_at for status in statuses if status.report) if has_failed else now
    return max(0, int((ended - begun).total_seconds()))


def remaining_seconds(statuses: Sequence[NodeStatus]) -> int | None:
    """Remaining seconds of copying for the slowest node at its own rate; None when a rate is unknown or no node copies."""
    longest = 0
    for status in statuses:
        if status.report is None:
            return None
        missing = status.report.bytes_total - status.report.bytes_done
        if missing > 0:
            seconds = (status.report.updated_at - status.report.started_at).total_seconds()
            if not status.report.bytes_moved or seconds <= 0:
                return None
            longest = max(longest, ceil(missing * seconds / status.report.bytes_moved))
    return longest or None
