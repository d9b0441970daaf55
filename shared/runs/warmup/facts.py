"""Facts about a cluster at one moment, as far as the warm status needs them; the Kubernetes client fills them in."""

from datetime import datetime

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


class NodeFacts(_Fact):
    """One node of the workload pool; `schedulable` is false when it is cordoned."""

    name: str
    ready: bool
    schedulable: bool = True


class Readings(_Fact):
    """One observation of a cluster. `rollout` is None when there is no DaemonSet."""

    rollout: RolloutFacts | None = None
    pods: tuple[PodFacts, ...] = ()
    nodes: tuple[NodeFacts, ...] = ()


class Limits(_Fact):
    """Limits on what evidence counts. A report is too old after `report_seconds`: three of the agent's intervals and some slack.

    `resident_percent` catches a report whose own numbers contradict its claim to be warm; the agent's threshold is stricter.
    """

    report_seconds: float = 200.0
    resident_percent: int = 99
