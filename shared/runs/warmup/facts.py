"""Facts about a cluster at one moment, as far as planning and the warm status need them; the Kubernetes client fills them in."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True)


class RolloutFacts(_Fact):
    """The DaemonSet: `metadata.generation` and, from its status, the counts under their short names."""

    generation: int
    observed_generation: int
    desired: int
    updated: int
    ready: int


class PodFacts(_Fact):
    """One pod of the DaemonSet.

    `node` is the node that it is bound to or, until it is scheduled, the node that its affinity names; None without either.
    `reason` and `message` are the pod's own (`Evicted`). `waiting_*` is the agent container's present state, and
    `terminated_reason` why it last ended (`OOMKilled`). `unschedulable` is the scheduler's message. `report` is the text of the
    agent's annotation.
    """

    name: str
    node: str | None
    phase: str
    ready: bool
    deleting: bool = False
    reason: str | None = None
    message: str | None = None
    waiting_reason: str | None = None
    waiting_message: str | None = None
    terminated_reason: str | None = None
    exit_code: int | None = None
    restarts: int = 0
    unschedulable: str | None = None
    started_at: datetime | None = None
    report: str | None = None


class Taint(NamedTuple):
    """What keeps pods off a node, except for those that tolerate it."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        """As kubectl writes it: `key=value:effect`, without `=` if there is no value."""
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


class Toleration(NamedTuple):
    """A taint that a pod bears: with every value, effect or key where the field is None."""

    key: str | None
    value: str | None = None
    effect: str | None = None

    def __str__(self) -> str:
        """As kubectl writes the taint."""
        return f"{self.key or ''}{'' if self.value is None else f'={self.value}'}{f':{self.effect}' if self.effect else ''}"

    def bears(self, taint: Taint) -> bool:
        """Whether a pod with this toleration bears the taint."""
        pairs = ((self.key, taint.key), (self.value, taint.value), (self.effect, taint.effect))
        return all(mine is None or mine == its for mine, its in pairs)


class PodTerms(_Fact):
    """What agents' pods ask of a node: these labels, one of these processor architectures (none: any), and no other taints."""

    selector: Mapping[str, str] = {}
    architectures: tuple[str, ...] = ()
    tolerations: tuple[Toleration, ...] = ()


class PodRequest(NamedTuple):
    """The memory and CPU that a pod requests on a node. `is_bound` is false while the pod only waits for the node.

    `database` is the hash of a warm database if the pod is one of its agents.
    """

    node: str
    memory_bytes: int
    is_bound: bool
    database: str | None = None
    cpu_millis: int = 0


class Requested(NamedTuple):
    """What the pods on one node request together, and how many they are."""

    memory_bytes: int = 0
    cpu_millis: int = 0
    pods: int = 0


class NodeFacts(_Fact):
    """One node of the workload pool.

    `schedulable` is false when it is cordoned. `pressures` are its conditions of distress that hold (`DiskPressure`).
    `cpu_millis` and `pods` are what the scheduler may give away there, None when the node does not report it.
    """

    name: str
    ready: bool
    schedulable: bool = True
    labels: Mapping[str, str] = {}
    taints: tuple[Taint, ...] = ()
    pressures: tuple[str, ...] = ()
    cpu_millis: int | None = None
    pods: int | None = None


class Readings(_Fact):
    """One observation of a cluster. `rollout` and `terms` are those of the DaemonSet, None when there is none."""

    rollout: RolloutFacts | None = None
    terms: PodTerms | None = None
    pods: tuple[PodFacts, ...] = ()
    nodes: tuple[NodeFacts, ...] = ()


class Limits(_Fact):
    """Limits on what evidence counts. A report is too old after `report_seconds`, for which `shared.agent.pace` has the rule.

    `resident_percent` catches a report whose own numbers contradict its claim to be warm; the agent's threshold is stricter.
    """

    report_seconds: float = 200.0
    resident_percent: int = 99
