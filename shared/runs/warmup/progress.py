"""How far each node and each shard is, in measured bytes and files."""

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
"""The phases in the order in which one of them stands for all (contract 4.4)."""

_SHOWN_PODS = 20
TROUBLED_FIRST: tuple[NodeState, ...] = ("failed", "stale", "unknown", "loading", "warm")


class NodeProgress(BaseModel):
    """One node: its standing, why it is not warm, and what its own report counts; zeros while there is none.

    `bytes_moved` was moved for `run`, the warmup by whose assignment the agent works.
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
    """One shard on the node where it is least far. `nodes_warm` of `nodes_total` nodes that are to hold it are warm."""

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
    """A shard's two digits."""
    return f"{shard:02d}"


def dominant_phase(counts: Mapping[KnownPhase, int]) -> KnownPhase:
    """The one of the phases that stands for all: the first by the order of the labels that some node is in."""
    for phase in PHASE_LABELS:
        if counts.get(phase):
            return phase
    return "unknown"


def node_progress(verdict: NodeStatus, document: AssignmentDocument) -> NodeProgress:
    """One node's standing with its counts."""
    standing = NodeProgress(
        state=verdict.state,
        reason=verdict.reason,
        message=verdict.message,
        phase=verdict.phase,
        shards=tuple(map(shard_label, document.nodes[verdict.node])),
    )
    report = verdict.report
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


def shard_progress(label: str, verdicts: Sequence[NodeStatus]) -> ShardProgress:
    """One shard's progress from the standings of the nodes that are to hold it; nothing as long as one has not reported."""
    warm = sum(verdict.state == "warm" for verdict in verdicts)
    reports = [verdict.report.shards[label] for verdict in verdicts if verdict.report is not None]
    if len(reports) < len(verdicts):
        return ShardProgress(nodes_total=len(verdicts), nodes_warm=warm)
    least = min(reports, key=lambda report: percent(report.bytes_done, report.bytes_total))
    return ShardProgress(
        nodes_total=len(verdicts),
        nodes_warm=warm,
        bytes_done=least.bytes_done,
        bytes_total=least.bytes_total,
        resident_pct=int(min(report.resident_percent for report in reports)),
    )


def pod_statuses(verdicts: Sequence[NodeStatus], document: AssignmentDocument) -> tuple[PodStatus, ...]:
    """The first pods by trouble, then by node: what is cut off is what is well."""
    ordered = sorted(verdicts, key=lambda verdict: (TROUBLED_FIRST.index(verdict.state), verdict.node))
    return tuple(
        PodStatus(
            pod=verdict.pod.name if verdict.pod else None,
            shard=",".join(map(shard_label, document.nodes[verdict.node])),
            node=verdict.node,
            phase=verdict.phase,
            phase_label=PHASE_LABELS[verdict.phase],
            message=verdict.message,
            started_at=verdict.pod.started_at if verdict.pod else None,
        )
        for verdict in ordered[:_SHOWN_PODS]
    )


def mean(shares: Sequence[int]) -> int:
    """The mean of whole per cents, rounded down."""
    return sum(shares) // len(shares) if shares else 0


def begun_at(verdicts: Sequence[NodeStatus]) -> datetime | None:
    """When the first agent that reports began."""
    return min((verdict.report.started_at for verdict in verdicts if verdict.report), default=None)


def elapsed_seconds(verdicts: Sequence[NodeStatus], now: datetime) -> int | None:
    """Seconds since the first agent began: until now, or, when one has failed, until the last word of any."""
    begun = begun_at(verdicts)
    if begun is None:
        return None
    has_failed = any(verdict.state == "failed" for verdict in verdicts)
    ended = max(verdict.report.updated_at for verdict in verdicts if verdict.report) if has_failed else now
    return max(0, int((ended - begun).total_seconds()))


def remaining_seconds(verdicts: Sequence[NodeStatus]) -> int | None:
    """Seconds of copying for the slowest node at its own rate; None when a node's rate is not known or none copies."""
    longest = 0
    for verdict in verdicts:
        if verdict.report is None:
            return None
        missing = verdict.report.bytes_total - verdict.report.bytes_done
        if missing > 0:
            seconds = (verdict.report.updated_at - verdict.report.started_at).total_seconds()
            if not verdict.report.bytes_moved or seconds <= 0:
                return None
            longest = max(longest, ceil(missing * seconds / verdict.report.bytes_moved))
    return longest or None
