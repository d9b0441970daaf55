"""Parsing of Kubernetes' JSON into facts. Pure. A missing or odd field counts as the least that it can mean (0, not ready)."""

from datetime import datetime
from typing import Any, NamedTuple, cast

from shared.agent.report import REPORT_ANNOTATION
from shared.runs.warmup.clusters import WORKLOAD_LABEL
from shared.runs.warmup.facts import NodeFacts, PodFacts, PodRequest, PodTerms, RolloutFacts, Taint, Toleration
from shared.runs.warmup.labels import DATABASE_LABEL, PREFIX
from shared.runs.warmup.placement import ARCHITECTURE_LABEL

type Json = dict[str, Any]

WORKLOAD_SELECTOR = "=".join(WORKLOAD_LABEL)
_TYPE_LABEL = "node.kubernetes.io/instance-type"
_PRESSURES = ("DiskPressure", "MemoryPressure", "PIDPressure")


class WorkloadNode(NamedTuple):
    """A node of the workload pool; `marks` are the labels from us.

    `memory_bytes`, `allocatable_bytes` (the part of it that pods may request) and `disk_bytes` are None when the node does not
    report them.
    """

    facts: NodeFacts
    memory_bytes: int | None
    allocatable_bytes: int | None
    disk_bytes: int | None
    machine: str | None
    marks: dict[str, str]


def rollout(daemon_set: Json) -> RolloutFacts:
    """The counts in a DaemonSet's status."""
    status = part(daemon_set, "status")
    return RolloutFacts(
        generation=int(daemon_set["metadata"].get("generation", 0)),
        observed_generation=int(status.get("observedGeneration", 0)),
        desired=int(status.get("desiredNumberScheduled", 0)),
        updated=int(status.get("updatedNumberScheduled", 0)),
        ready=int(status.get("numberReady", 0)),
    )


def pod(item: Json) -> PodFacts:
    """One pod."""
    metadata, spec, status = part(item, "metadata"), part(item, "spec"), part(item, "status")
    conditions = _conditions(status)
    container = (parts(status, "containerStatuses") or [{}])[0]
    state = part(container, "state")
    waiting = part(state, "waiting")
    ended = part(state, "terminated") or part(part(container, "lastState"), "terminated")
    scheduled = conditions.get("PodScheduled", {})
    refused = scheduled.get("message") if scheduled.get("reason") == "Unschedulable" else None
    return PodFacts(
        name=metadata["name"],
        node=spec.get("nodeName") or _wanted_node(spec),
        phase=str(status.get("phase", "Unknown")),
        ready=conditions.get("Ready", {}).get("status") == "True",
        deleting="deletionTimestamp" in metadata,
        reason=status.get("reason"),
        message=status.get("message"),
        waiting_reason=waiting.get("reason"),
        waiting_message=waiting.get("message"),
        terminated_reason=ended.get("reason"),
        exit_code=ended.get("exitCode"),
        restarts=int(container.get("restartCount", 0)),
        unschedulable=refused,
        started_at=datetime.fromisoformat(status["startTime"]) if status.get("startTime") else None,
        report=part(metadata, "annotations").get(REPORT_ANNOTATION),
    )


def terms(daemon_set: Json) -> PodTerms:
    """What a DaemonSet's pods ask of a node, as far as our manifests can say it."""
    spec = part(part(part(daemon_set, "spec"), "template"), "spec")
    expressions = [one for term in _node_terms(spec) for one in parts(term, "matchExpressions")]
    allowed = [one.get("values") or () for one in expressions if one.get("key") == ARCHITECTURE_LABEL]
    return PodTerms(
        selector=part(spec, "nodeSelector"),
        architectures=tuple(name for values in allowed for name in values),
        tolerations=tuple(
            Toleration(
                one.get("key") or None,
                None if one.get("operator") == "Exists" else one.get("value") or "",
                one.get("effect") or None,
            )
            for one in parts(spec, "tolerations")
        ),
    )


def workload_node(item: Json) -> WorkloadNode:
    """One node of the workload pool."""
    status, spec, labels = part(item, "status"), part(item, "spec"), part(part(item, "metadata"), "labels")
    allocatable = part(status, "allocatable")
    holding = {kind for kind, condition in _conditions(status).items() if condition.get("status") == "True"}
    facts = NodeFacts(
        name=item["metadata"]["name"],
        ready="Ready" in holding,
        schedulable=not spec.get("unschedulable", False),
        labels=labels,
        taints=tuple(Taint(one["key"], one.get("value") or "", one["effect"]) for one in parts(spec, "taints")),
        pressures=tuple(kind for kind in _PRESSURES if kind in holding),
        cpu_millis=_amount(allocatable, "cpu", 1000),
        pods=_amount(allocatable, "pods"),
    )
    memory, disk = (_amount(part(status, "capacity"), name) for name in ("memory", "ephemeral-storage"))
    marks = {name: value for name, value in labels.items() if name.startswith(PREFIX)}
    return WorkloadNode(facts, memory, _amount(allocatable, "memory"), disk, labels.get(_TYPE_LABEL), marks)


def pod_request(item: Json) -> PodRequest | None:
    """The memory and CPU that a pod keeps from others; None when it has ended, is ending, or belongs to no node yet.

    They are the scheduler's sums: of the containers, or the largest init container, and the overhead.
    """
    metadata, spec, status = part(item, "metadata"), part(item, "spec"), part(item, "status")
    node = spec.get("nodeName") or _wanted_node(spec)
    if node is None or "deletionTimestamp" in metadata or status.get("phase") in {"Succeeded", "Failed"}:
        return None
    return PodRequest(
        node=str(node),
        memory_bytes=_requested(spec, "memory"),
        is_bound=bool(spec.get("nodeName")),
        database=part(metadata, "labels").get(DATABASE_LABEL),
        cpu_millis=_requested(spec, "cpu", 1000),
    )


def _requested(spec: Json, name: str, scale: int = 1) -> int:
    def asked(container: Json) -> int:
        return _amount(part(part(container, "resources"), "requests"), name, scale) or 0

    inits = parts(spec, "initContainers")
    lasting = [*parts(spec, "containers"), *(one for one in inits if one.get("restartPolicy") == "Always")]
    whole = _amount(part(part(spec, "resources"), "requests"), name, scale)
    together = max(sum(map(asked, lasting)), max(map(asked, inits), default=0)) if whole is None else whole
    return together + (_amount(part(spec, "overhead"), name, scale) or 0)


def _amount(resources: Json, name: str, scale: int = 1) -> int | None:
    text = resources.get(name)
    return quantity(str(text), scale) if text else None


def quantity(text: str, scale: int = 1) -> int | None:
    """A Kubernetes quantity, times `scale`, as a whole number; None when the text is not a quantity, or is negative."""
    # The import is slow, and only clusters need it: see `shared.kube.servers`.
    from kubernetes import utils  # noqa: PLC0415

    try:
        size = int(cast("Any", utils).parse_quantity(text) * scale)
    except (ValueError, OverflowError):
        return None
    return size if size >= 0 else None


def part(item: Json, name: str) -> Json:
    """An object inside an object; empty when it is missing."""
    return cast("Json", item.get(name) or {})


def parts(item: Json, name: str) -> list[Json]:
    """The objects of a list inside an object; empty when the list is missing."""
    return cast("list[Json]", item.get(name) or [])


def _conditions(status: Json) -> dict[str, Json]:
    return {condition["type"]: condition for condition in parts(status, "conditions")}


def _node_terms(spec: Json) -> list[Json]:
    required = part(part(part(spec, "affinity"), "nodeAffinity"), "requiredDuringSchedulingIgnoredDuringExecution")
    return parts(required, "nodeSelectorTerms")


def _wanted_node(spec: Json) -> str | None:
    for term in _node_terms(spec):
        for field in parts(term, "matchFields"):
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return None
