"""What a cluster showed at one moment, as far as a warmup is judged by it; a Kubernetes client fills these in."""

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

    `node` is where it is bound to, or, while it is not scheduled, the node that its affinity names; None when neither is
    there. `reason` and `message` are the pod's own (`Evicted`); `waiting_*` the agent container's present state and
    `terminated_reason` its last end (`OOMKilled`). `unschedulable` is the scheduler's message. `report` is the annotation
    as text.
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
    """One look at a cluster. `rollout` is None when there is no DaemonSet."""

    rollout: RolloutFacts | None = None
    pods: tuple[PodFacts, ...] = ()
    nodes: tuple[NodeFacts, ...] = ()


class Limits(_Fact):
    """What is believed. A report is too old after `report_seconds`: three of the agent's intervals and some slack.

    `resident_percent` guards against a claim that its own numbers deny; the agent's threshold is the stricter one.
    """

    report_seconds: float = 200.0
    resident_percent: int = 99
