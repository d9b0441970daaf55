"""Warm status of one database, from measured reports: contract 4.4's document, with fields that it lacked.

A database is warm (`Ready`) only with evidence from every assigned node and a finished rollout. When the cluster cannot be read,
or has not yet observed what was applied, the state is `Unknown`: neither warm nor cold.
"""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from shared.agent.assignment import AssignmentDocument
from shared.agent.pace import oldest_seconds
from shared.agent.report import KnownPhase, percent
from shared.blastdb.volumes import Molecule
from shared.runs.warmup.clusters import WORKLOAD_LABEL
from shared.runs.warmup.facts import Limits, Readings, RolloutFacts
from shared.runs.warmup.labels import shard_label as node_label
from shared.runs.warmup.node_status import NodeState, NodeStatus, node_status_of
from shared.runs.warmup.placement import place
from shared.runs.warmup.progress import (
    PHASE_LABELS,
    NodeProgress,
    PodStatus,
    ShardProgress,
    begun_at,
    dominant_phase,
    elapsed_seconds,
    mean,
    node_progress,
    pod_statuses,
    remaining_seconds,
    shard_label,
    shard_progress,
)

type WarmState = Literal["Ready", "Loading", "Failed", "Unknown", "Stale"]

HOST_PATH = "/workspace/blast"
"""The folder of the files on a node, the same on every node (contract 2.1)."""

# The state of a database is that of its worst node.
_WORST_FIRST: tuple[tuple[NodeState, WarmState], ...] = (
    ("failed", "Failed"),
    ("stale", "Stale"),
    ("unknown", "Unknown"),
    ("loading", "Loading"),
    ("warm", "Ready"),
)


class WarmStatus(BaseModel):
    """Warm status of one database; the fields up to `pod_statuses` are the replaced system's.

    `progress_pct` and `resident_pct` are means over the assigned nodes; a node without evidence counts as 0. `shard_nodes` names
    one node of each shard, `shard_replicas` all of them. Where the app may label nodes, the nodes on which a shard is warm have
    its label from `shard_marks`, with `digest` as the value. `error` says why the database as a whole cannot be judged or is not
    ready; `nodes` says why each node is not warm.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    mol_type: Molecule
    status: WarmState
    nodes_ready: int = 0
    nodes_failed: int = 0
    nodes_active: int = 0
    total_jobs: int = 0
    shards: tuple[str, ...] = ()
    shard_nodes: dict[str, str] = {}
    shard_host_paths: dict[str, str] = {}
    progress_pct: int = 0
    sources: tuple[str, ...] = ("warmup",)
    source_version: str | None = None
    stale_shards: tuple[str, ...] = ()
    started_at: datetime | None = None
    elapsed_seconds: int | None = None
    estimated_remaining_seconds: int | None = None
    active_phase: KnownPhase = "unknown"
    active_phase_label: str = PHASE_LABELS["unknown"]
    active_message: str | None = None
    active_last_log: str | None = None
    phase_counts: dict[str, int] = {}
    pod_statuses: tuple[PodStatus, ...] = ()

    digest: str
    shard_count: int
    mode: str
    shard_replicas: dict[str, tuple[str, ...]] = {}
    shard_marks: dict[str, str] = {}
    nodes: dict[str, NodeProgress] = {}
    shard_progress: dict[str, ShardProgress] = {}
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_moved: int = 0
    resident_pct: int = 0
    error: str | None = None

    @property
    def is_warm(self) -> bool:
        """Whether every shard is verified and in memory on each of its nodes."""
        return self.status == "Ready"


def status_of(document: AssignmentDocument, readings: Readings, now: datetime, limits: Limits | None = None) -> WarmStatus:
    """Judge a database from one observation of its cluster. `now` has a time zone.

    Without `limits` a report may be as old as the interval allows that the assignment asks of its agents.
    """
    limits = limits or Limits(report_seconds=oldest_seconds(document.report_seconds))
    names = sorted(node for node, shards in document.nodes.items() if shards)
    unknown = _why_unknown(readings)
    if unknown is None:
        statuses = [node_status_of(node, document, readings, now, limits) for node in names]
    else:
        statuses = [NodeStatus(node, "unknown", "unknown") for node in names]
    state, error = ("Unknown", unknown) if unknown is not None else _state(document, readings.rollout, statuses)
    return _document(document, state, error, statuses, now)


def _why_unknown(readings: Readings) -> str | None:
    """Why the cluster cannot be judged; None when it can."""
    rollout = readings.rollout
    if rollout is None:
        return None
    if rollout.observed_generation < rollout.generation:
        return f"The cluster has seen generation {rollout.observed_generation} of the DaemonSet, not yet {rollout.generation}."
    if rollout.desired == 0 and not readings.nodes:
        return f"The DaemonSet selects no node: no node has the label {'='.join(WORKLOAD_LABEL)}."
    if rollout.desired == 0 and not _refuses_every_node(readings):
        return f"The DaemonSet selects no node, although {len(readings.nodes)} have the label {'='.join(WORKLOAD_LABEL)}."
    return None


def _refuses_every_node(readings: Readings) -> bool:
    """Whether no node can take an agent. Then each node's own status says why, and its shards must be assigned again."""
    return readings.terms is not None and not place(readings.nodes, readings.terms).fit


def _state(
    document: AssignmentDocument, rollout: RolloutFacts | None, statuses: Sequence[NodeStatus]
) -> tuple[WarmState, str | None]:
    worst = _worst({one.state for one in statuses})
    if worst == "Failed":
        return worst, None
    if rollout is None:
        return "Stale", "The DaemonSet is gone: nothing keeps the shards in memory."
    uncovered = document.assignment.uncovered
    if uncovered:
        return "Stale", f"No node is assigned the shards {', '.join(map(shard_label, uncovered[:10]))}."
    if worst == "Ready" and rollout.updated < rollout.desired:
        return "Loading", f"{rollout.updated} of {rollout.desired} pods are up to date."
    return worst, None


def _worst(states: AbstractSet[NodeState]) -> WarmState:
    for state, name in _WORST_FIRST:
        if state in states:
            return name
    return "Stale"  # no node has a shard, so nothing is warm any more


def _document(
    document: AssignmentDocument, state: WarmState, error: str | None, statuses: Sequence[NodeStatus], now: datetime
) -> WarmStatus:
    progress = {one.node: node_progress(one, document) for one in statuses}
    holders = {shard: document.assignment.holders(shard) for shard in range(document.shard_count)}
    by_phase: Counter[KnownPhase] = Counter(one.phase for one in statuses)
    active = dominant_phase(by_phase)
    held = {shard_label(shard): nodes for shard, nodes in holders.items() if nodes}
    return WarmStatus(
        name=document.db,
        mol_type=document.molecule,
        status=state,
        nodes_ready=sum(one.state == "warm" for one in statuses),
        nodes_failed=sum(one.state == "failed" for one in statuses),
        nodes_active=sum(one.state == "loading" for one in statuses),
        total_jobs=len(statuses),
        shards=tuple(held),
        shard_nodes={label: nodes[0] for label, nodes in held.items()},
        shard_host_paths=dict.fromkeys(held, HOST_PATH),
        progress_pct=mean([percent(one.bytes_done, one.bytes_total) for one in progress.values()]),
        source_version=document.source_version,
        stale_shards=tuple(sorted({label for one in progress.values() if one.state == "stale" for label in one.shards})),
        started_at=begun_at(statuses),
        elapsed_seconds=elapsed_seconds(statuses, now) if state in ("Loading", "Failed") else None,
        estimated_remaining_seconds=remaining_seconds(statuses) if state == "Loading" else None,
        active_phase=active,
        active_phase_label=PHASE_LABELS[active],
        active_message=next((one.message for one in statuses if one.phase == active and one.message), error),
        phase_counts={phase: by_phase[phase] for phase in PHASE_LABELS if by_phase[phase]},
        pod_statuses=pod_statuses(statuses, document),
        digest=document.digest,
        shard_count=document.shard_count,
        mode=document.mode,
        shard_replicas=held,
        shard_marks={label: node_label(document.db, document.shard_count, int(label)) for label in held},
        nodes=progress,
        shard_progress={label: shard_progress(label, [v for v in statuses if v.node in nodes]) for label, nodes in held.items()},
        files_done=sum(one.files_done for one in progress.values()),
        files_total=sum(one.files_total for one in progress.values()),
        bytes_done=sum(one.bytes_done for one in progress.values()),
        bytes_total=sum(one.bytes_total for one in progress.values()),
        bytes_moved=sum(one.bytes_moved for one in progress.values()),
        resident_pct=mean([one.resident_pct for one in progress.values()]),
        error=error,
    )
