"""Status of one node: warm only on complete and recent evidence about this assignment, else the reason why not.

Evidence names database, generation, N, shards and node. A report that lacks or contradicts one of them is no evidence
(contract 12.14).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, NamedTuple

from shared.agent.assignment import AssignmentDocument
from shared.agent.report import AgentPhase, AgentReport, parse_report, percent
from shared.runs.warmup.facts import Limits, NodeFacts, PodFacts, Readings
from shared.runs.warmup.placement import obstacles
from shared.sanitise import sanitised_line

type NodeState = Literal["failed", "stale", "unknown", "loading", "warm"]

MESSAGE_LENGTH = 240


class NodeReason(StrEnum):
    """Reason codes of this app; an agent's own codes pass unchanged. They are a contract: never renamed."""

    NODE_GONE = "NodeGone"
    NODE_NOT_READY = "NodeNotReady"
    NODE_CORDONED = "NodeCordoned"
    POD_MISSING = "PodMissing"
    POD_TERMINATING = "PodTerminating"
    POD_UNSCHEDULABLE = "PodUnschedulable"
    POD_EVICTED = "PodEvicted"
    POD_FAILED = "PodFailed"
    POD_MISCONFIGURED = "PodMisconfigured"
    IMAGE_PROBLEM = "ImageProblem"
    AGENT_CRASHING = "AgentCrashing"
    AGENT_NOT_READY = "AgentNotReady"
    REPORT_MISSING = "ReportMissing"
    REPORT_UNREADABLE = "ReportUnreadable"
    REPORT_OF_ANOTHER = "ReportOfAnother"
    REPORT_TOO_OLD = "ReportTooOld"
    REPORT_CONTRADICTORY = "ReportContradictory"
    GENERATION_MISMATCH = "GenerationMismatch"
    TEXTS_MISMATCH = "TextsMismatch"
    SHARD_COUNT_MISMATCH = "ShardCountMismatch"
    ASSIGNMENT_MISMATCH = "AssignmentMismatch"
    MODE_MISMATCH = "ModeMismatch"
    NOT_HOT = "NotHot"
    NOT_RESIDENT = "NotResident"
    FAILED = "AgentFailed"


_WAITING = {
    "ImagePullBackOff": NodeReason.IMAGE_PROBLEM,
    "ErrImagePull": NodeReason.IMAGE_PROBLEM,
    "InvalidImageName": NodeReason.IMAGE_PROBLEM,
    "ErrImageNeverPull": NodeReason.IMAGE_PROBLEM,
    "ImageInspectError": NodeReason.IMAGE_PROBLEM,
    "RegistryUnavailable": NodeReason.IMAGE_PROBLEM,
    "CrashLoopBackOff": NodeReason.AGENT_CRASHING,
    "CreateContainerConfigError": NodeReason.POD_MISCONFIGURED,
    "CreateContainerError": NodeReason.POD_MISCONFIGURED,
    "RunContainerError": NodeReason.POD_MISCONFIGURED,
}


class NodeStatus(NamedTuple):
    """One node's status. `report` is set only when it is about this assignment.

    `state` is warm, or one of: failed (a person must act), stale (it must be assigned or warmed again), unknown (there is no
    trustworthy evidence), loading (it is getting warm).
    """

    node: str
    state: NodeState
    phase: AgentPhase
    reason: str | None = None
    message: str | None = None
    pod: PodFacts | None = None
    report: AgentReport | None = None


def node_status_of(node: str, document: AssignmentDocument, readings: Readings, now: datetime, limits: Limits) -> NodeStatus:
    """Judge one node of an assignment."""
    pod = _pod_on(node, readings.pods)
    facts = next((facts for facts in readings.nodes if facts.name == node), None)
    unfit = _unfit_node(facts, node) or (_without_pod(facts, readings) if pod is None else None)
    if unfit is not None:
        return NodeStatus(node, "stale", "unknown", *unfit, pod)
    if pod is None:
        return NodeStatus(node, "loading", "waiting", NodeReason.POD_MISSING, f"{node} has no agent yet.")
    broken = _broken_pod(pod)
    if broken is not None:
        return NodeStatus(node, "failed", "failed", *broken, pod)
    if pod.deleting:
        return NodeStatus(node, "loading", "waiting", NodeReason.POD_TERMINATING, f"Kubernetes is replacing {pod.name}.", pod)
    if pod.report is None:
        phase: AgentPhase = "starting" if pod.phase == "Running" else "waiting"
        return NodeStatus(node, "loading", phase, NodeReason.REPORT_MISSING, f"{pod.name} has not reported yet.", pod)
    report = parse_report(pod.report)
    if report is None:
        message = f"The app cannot read the report of {pod.name}."
        return NodeStatus(node, "unknown", "unknown", NodeReason.REPORT_UNREADABLE, message, pod)
    return _status_by_report(node, report, pod, document, readings, now, limits)


def _status_by_report(
    node: str,
    report: AgentReport,
    pod: PodFacts,
    document: AssignmentDocument,
    readings: Readings,
    now: datetime,
    limits: Limits,
) -> NodeStatus:
    if not report.db and (report.node, report.pod) == (node, pod.name):
        message = _line(report.message or f"{pod.name} has not read its assignment yet.")
        return NodeStatus(node, "loading", report.phase, report.reason or NodeReason.REPORT_MISSING, message, pod)
    foreign = _foreign_report(report, node, pod, document)
    if foreign is not None:
        rolling = readings.rollout is not None and readings.rollout.updated < readings.rollout.desired
        adapts = rolling or foreign[0] in (NodeReason.ASSIGNMENT_MISMATCH, NodeReason.MODE_MISMATCH)
        return NodeStatus(node, "loading" if adapts else "stale", "unknown", *foreign, pod)
    if abs(now - report.updated_at) > timedelta(seconds=limits.report_seconds):
        message = f"The last report is from {report.updated_at:%Y-%m-%dT%H:%M:%SZ}, more than {limits.report_seconds:.0f} s away."
        return NodeStatus(node, "unknown", "unknown", NodeReason.REPORT_TOO_OLD, message, pod, report)
    said = sanitised_line(report.message, MESSAGE_LENGTH) if report.message else None
    if report.phase == "failed":
        return NodeStatus(node, "failed", "failed", report.reason or NodeReason.FAILED, said, pod, report)
    if document.mode != "hot":
        message = f"The mode is {document.mode}: the agent keeps nothing in memory."
        return NodeStatus(node, "stale", report.phase, NodeReason.NOT_HOT, message, pod, report)
    if not report.warm:
        return NodeStatus(node, "loading", report.phase, report.reason, said, pod, report)
    return _status_by_warm_report(node, report, pod, limits)


def _status_by_warm_report(node: str, report: AgentReport, pod: PodFacts, limits: Limits) -> NodeStatus:
    resident = percent(report.resident_bytes, report.resident_total)
    if report.phase != "completed" or not report.is_complete:
        message = (
            f"{pod.name} claims to be warm in phase {report.phase} with {report.files_done} of {report.files_total} files "
            f"and {report.bytes_done} of {report.bytes_total} bytes."
        )
        return NodeStatus(node, "unknown", "unknown", NodeReason.REPORT_CONTRADICTORY, message, pod, report)
    if resident < limits.resident_percent:
        message = f"{resident} % of the bytes are in memory, {limits.resident_percent} % must be."
        return NodeStatus(node, "loading", "touching_memory", NodeReason.NOT_RESIDENT, message, pod, report)
    if not pod.ready:
        message = f"{pod.name} reports warm but is not ready."
        return NodeStatus(node, "loading", report.phase, NodeReason.AGENT_NOT_READY, message, pod, report)
    return NodeStatus(node, "warm", "completed", None, None, pod, report)


def _pod_on(node: str, pods: Sequence[PodFacts]) -> PodFacts | None:
    """The pod that represents a node: a living pod before one that is ending or has ended, then the latest."""
    there = [pod for pod in pods if pod.node == node] or [pod for pod in pods if pod.node is None and pod.unschedulable]
    return max(there, key=_precedence, default=None)


def _precedence(pod: PodFacts) -> tuple[bool, bool, float, str]:
    return pod.phase != "Failed", not pod.deleting, pod.started_at.timestamp() if pod.started_at else 0.0, pod.name


def _without_pod(facts: NodeFacts | None, readings: Readings) -> tuple[str, str] | None:
    """Why there never will be an agent on the node; None when there may be one soon."""
    found = obstacles(facts, readings.terms) if facts is not None and readings.terms is not None else ()
    return (found[0].reason.value, _line(f"{facts.name} {found[0].message}.")) if facts is not None and found else None


def _unfit_node(facts: NodeFacts | None, node: str) -> tuple[str, str] | None:
    if facts is None:
        return NodeReason.NODE_GONE, f"{node} is no longer in the cluster."
    if not facts.ready:
        return NodeReason.NODE_NOT_READY, f"{node} is not ready."
    if not facts.schedulable:
        return NodeReason.NODE_CORDONED, f"{node} is cordoned: no search can start there."
    return None


def _broken_pod(pod: PodFacts) -> tuple[NodeReason, str] | None:
    if pod.unschedulable:
        return NodeReason.POD_UNSCHEDULABLE, _line(f"{pod.name}: {pod.unschedulable}")
    if pod.phase == "Failed":
        reason = NodeReason.POD_EVICTED if pod.reason == "Evicted" else NodeReason.POD_FAILED
        return reason, _line(f"{pod.name}: {pod.reason or 'Failed'}: {pod.message or 'no message'}")
    if pod.waiting_reason in _WAITING:
        ended = f", last ended by {pod.terminated_reason} with {pod.exit_code}" if pod.terminated_reason else ""
        restarts = f" after {pod.restarts} restarts{ended}" if pod.restarts else ended
        message = f"{pod.name}: {pod.waiting_reason}{restarts}: {pod.waiting_message or 'no message'}"
        return _WAITING[pod.waiting_reason], _line(message)
    return None


def _foreign_report(report: AgentReport, node: str, pod: PodFacts, document: AssignmentDocument) -> tuple[NodeReason, str] | None:
    """How a report differs from this assignment; None when it is about this assignment."""
    if (report.db, report.node, report.pod) != (document.db, node, pod.name):
        return NodeReason.REPORT_OF_ANOTHER, _line(f"The report is about {report.db} on {report.node} by {report.pod}.")
    if report.digest != document.digest:
        return NodeReason.GENERATION_MISMATCH, _line(f"The report is about generation {report.digest}, not {document.digest}.")
    if report.texts != document.texts:
        said = "other manifests and aliases" if report.texts else "no manifests and aliases: the agent is of an earlier version"
        return NodeReason.TEXTS_MISMATCH, f"The report names {said}."
    if report.shard_count != document.shard_count:
        return NodeReason.SHARD_COUNT_MISMATCH, f"The report is about N = {report.shard_count}, not {document.shard_count}."
    assigned = [f"{shard:02d}" for shard in document.nodes.get(node, ())]
    if sorted(report.shards) != assigned:
        reported = ", ".join(sorted(report.shards)) or "none"
        return NodeReason.ASSIGNMENT_MISMATCH, _line(f"The report is about the shards {reported}, not {', '.join(assigned)}.")
    if report.mode != document.mode:
        return NodeReason.MODE_MISMATCH, _line(f"The report is about mode {report.mode}, not {document.mode}.")
    return None


def _line(text: str) -> str:
    return sanitised_line(text, MESSAGE_LENGTH)
