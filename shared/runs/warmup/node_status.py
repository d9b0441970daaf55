"""Whether one node is warm, and if not, why: never on less than complete, recent evidence about this very assignment.

Evidence is about (database, generation, N, shards, node); what lacks or contradicts one of them is none (contract 12.14).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, NamedTuple

from shared.agent.assignment import AssignmentDocument
from shared.agent.report import AgentReport, Phase, parse_report, percent
from shared.runs.warmup.facts import Limits, NodeFacts, PodFacts, Readings
from shared.sanitise import sanitised_line

type State = Literal["failed", "stale", "unknown", "loading", "warm"]

MESSAGE_LENGTH = 240


class Reason(StrEnum):
    """Our codes; an agent's own come through as they are. A contract: never renamed."""

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
    SHARD_COUNT_MISMATCH = "ShardCountMismatch"
    ASSIGNMENT_MISMATCH = "AssignmentMismatch"
    MODE_MISMATCH = "ModeMismatch"
    NOT_HOT = "NotHot"
    NOT_RESIDENT = "NotResident"
    FAILED = "AgentFailed"


_WAITING = {
    "ImagePullBackOff": Reason.IMAGE_PROBLEM,
    "ErrImagePull": Reason.IMAGE_PROBLEM,
    "InvalidImageName": Reason.IMAGE_PROBLEM,
    "ErrImageNeverPull": Reason.IMAGE_PROBLEM,
    "ImageInspectError": Reason.IMAGE_PROBLEM,
    "RegistryUnavailable": Reason.IMAGE_PROBLEM,
    "CrashLoopBackOff": Reason.AGENT_CRASHING,
    "CreateContainerConfigError": Reason.POD_MISCONFIGURED,
    "CreateContainerError": Reason.POD_MISCONFIGURED,
    "RunContainerError": Reason.POD_MISCONFIGURED,
}


class Verdict(NamedTuple):
    """One node's standing. `report` is there only when it is about this assignment, whatever it says.

    `state` is warm, or why not: failed (somebody must act), stale (it must be assigned or warmed anew), unknown (no
    evidence that can be trusted), loading (on its way).
    """

    node: str
    state: State
    phase: Phase
    reason: str | None = None
    message: str | None = None
    pod: PodFacts | None = None
    report: AgentReport | None = None


def verdict_on(node: str, document: AssignmentDocument, readings: Readings, now: datetime, limits: Limits) -> Verdict:
    """Judge one node of an assignment."""
    pod = _pod_on(node, readings.pods)
    unfit = _unfit_node(next((facts for facts in readings.nodes if facts.name == node), None), node)
    if unfit is not None:
        return Verdict(node, "stale", "unknown", *unfit, pod)
    if pod is None:
        return Verdict(node, "loading", "waiting", Reason.POD_MISSING, f"{node} has no agent yet.")
    broken = _broken_pod(pod)
    if broken is not None:
        return Verdict(node, "failed", "failed", *broken, pod)
    if pod.deleting:
        return Verdict(node, "loading", "waiting", Reason.POD_TERMINATING, f"{pod.name} is being replaced.", pod)
    if pod.report is None:
        phase: Phase = "starting" if pod.phase == "Running" else "waiting"
        return Verdict(node, "loading", phase, Reason.REPORT_MISSING, f"{pod.name} has not reported yet.", pod)
    report = parse_report(pod.report)
    if report is None:
        return Verdict(node, "unknown", "unknown", Reason.REPORT_UNREADABLE, f"{pod.name}'s report cannot be read.", pod)
    return _verdict_by_report(node, report, pod, document, readings, now, limits)


def _verdict_by_report(
    node: str,
    report: AgentReport,
    pod: PodFacts,
    document: AssignmentDocument,
    readings: Readings,
    now: datetime,
    limits: Limits,
) -> Verdict:
    if not report.db and (report.node, report.pod) == (node, pod.name):
        message = _line(report.message or f"{pod.name} has not read its assignment yet.")
        return Verdict(node, "loading", report.phase, report.reason or Reason.REPORT_MISSING, message, pod)
    foreign = _foreign_report(report, node, pod, document)
    if foreign is not None:
        rolling = readings.rollout is not None and readings.rollout.updated < readings.rollout.desired
        adapts = rolling or foreign[0] in (Reason.ASSIGNMENT_MISMATCH, Reason.MODE_MISMATCH)
        return Verdict(node, "loading" if adapts else "stale", "unknown", *foreign, pod)
    if abs(now - report.updated_at) > timedelta(seconds=limits.report_seconds):
        message = f"The last report is of {report.updated_at:%Y-%m-%dT%H:%M:%SZ}, more than {limits.report_seconds:.0f} s off."
        return Verdict(node, "unknown", "unknown", Reason.REPORT_TOO_OLD, message, pod, report)
    said = sanitised_line(report.message, MESSAGE_LENGTH) if report.message else None
    if report.phase == "failed":
        return Verdict(node, "failed", "failed", report.reason or Reason.FAILED, said, pod, report)
    if document.mode != "hot":
        message = f"The mode is {document.mode}: nothing is kept in memory."
        return Verdict(node, "stale", report.phase, Reason.NOT_HOT, message, pod, report)
    if not report.warm:
        return Verdict(node, "loading", report.phase, report.reason, said, pod, report)
    return _verdict_on_claim(node, report, pod, limits)


def _verdict_on_claim(node: str, report: AgentReport, pod: PodFacts, limits: Limits) -> Verdict:
    resident = percent(report.resident_bytes, report.resident_total)
    if report.phase != "completed" or not report.is_complete:
        message = (
            f"{pod.name} claims to be warm in phase {report.phase} with {report.files_done} of {report.files_total} files "
            f"and {report.bytes_done} of {report.bytes_total} bytes."
        )
        return Verdict(node, "unknown", "unknown", Reason.REPORT_CONTRADICTORY, message, pod, report)
    if resident < limits.resident_percent:
        message = f"{resident} % of the bytes are in memory, {limits.resident_percent} % must be."
        return Verdict(node, "loading", "touching_memory", Reason.NOT_RESIDENT, message, pod, report)
    if not pod.ready:
        message = f"{pod.name} reports warm but is not ready."
        return Verdict(node, "loading", report.phase, Reason.AGENT_NOT_READY, message, pod, report)
    return Verdict(node, "warm", "completed", None, None, pod, report)


def _pod_on(node: str, pods: Sequence[PodFacts]) -> PodFacts | None:
    """The pod that speaks for a node: one that lives before one that ends or has ended, then the latest."""
    there = [pod for pod in pods if pod.node == node] or [pod for pod in pods if pod.node is None and pod.unschedulable]
    return max(there, key=_precedence, default=None)


def _precedence(pod: PodFacts) -> tuple[bool, bool, float, str]:
    return pod.phase != "Failed", not pod.deleting, pod.started_at.timestamp() if pod.started_at else 0.0, pod.name


def _unfit_node(facts: NodeFacts | None, node: str) -> tuple[Reason, str] | None:
    if facts is None:
        return Reason.NODE_GONE, f"{node} is no longer in the cluster."
    if not facts.ready:
        return Reason.NODE_NOT_READY, f"{node} is not ready."
    if not facts.schedulable:
        return Reason.NODE_CORDONED, f"{node} is cordoned: no search can start there."
    return None


def _broken_pod(pod: PodFacts) -> tuple[Reason, str] | None:
    if pod.unschedulable:
        return Reason.POD_UNSCHEDULABLE, _line(f"{pod.name}: {pod.unschedulable}")
    if pod.phase == "Failed":
        reason = Reason.POD_EVICTED if pod.reason == "Evicted" else Reason.POD_FAILED
        return reason, _line(f"{pod.name}: {pod.reason or 'Failed'}: {pod.message or 'no message'}")
    if pod.waiting_reason in _WAITING:
        ended = f", last ended by {pod.terminated_reason} with {pod.exit_code}" if pod.terminated_reason else ""
        restarts = f" after {pod.restarts} restarts{ended}" if pod.restarts else ended
        message = f"{pod.name}: {pod.waiting_reason}{restarts}: {pod.waiting_message or 'no message'}"
        return _WAITING[pod.waiting_reason], _line(message)
    return None


def _foreign_report(report: AgentReport, node: str, pod: PodFacts, document: AssignmentDocument) -> tuple[Reason, str] | None:
    """What a report is about instead of this assignment; None when it is about nothing else."""
    if (report.db, report.node, report.pod) != (document.db, node, pod.name):
        return Reason.REPORT_OF_ANOTHER, _line(f"The report is about {report.db} on {report.node} by {report.pod}.")
    if report.digest != document.digest:
        return Reason.GENERATION_MISMATCH, _line(f"The report is about generation {report.digest}, not {document.digest}.")
    if report.shard_count != document.shard_count:
        return Reason.SHARD_COUNT_MISMATCH, f"The report is about N = {report.shard_count}, not {document.shard_count}."
    assigned = [f"{shard:02d}" for shard in document.nodes.get(node, ())]
    if sorted(report.shards) != assigned:
        told = ", ".join(sorted(report.shards)) or "none"
        return Reason.ASSIGNMENT_MISMATCH, _line(f"The report is about the shards {told}, not {', '.join(assigned)}.")
    if report.mode != document.mode:
        return Reason.MODE_MISMATCH, _line(f"The report is about mode {report.mode}, not {document.mode}.")
    return None


def _line(text: str) -> str:
    return sanitised_line(text, MESSAGE_LENGTH)
