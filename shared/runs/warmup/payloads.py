"""What travels between the steps of a warmup. Plain JSON, small at any number of nodes: counts, and the first few reasons.

Fields are only ever added, with defaults, as in `shared.runs.shard.payloads`.
"""

from datetime import datetime
from typing import Literal, Self

from shared.errors import Problem
from shared.runs.callbacks import Callback
from shared.runs.ids import lease_key
from shared.runs.leases import LeaseRequest
from shared.runs.payload import Payload, RetryOptions
from shared.runs.shard.payloads import ShardRun
from shared.runs.warmup.clusters import ClusterRef


class WarmRun(Payload):
    """The input of a warmup. `shard` is the run that brings the layouts up to date, should they need it.

    `ttl_seconds` after it became warm the database is released, unless it was warmed again; None keeps it. A release that does
    not succeed is followed by another after `release_again_seconds`, twice as many the next time, and so on within bounds.
    `strict` wants every assigned node warm; without it a node may fail as long as every shard is warm on another.
    `deadline_seconds` ends the waiting for nodes, and before that for another run that holds the database; the lease is longer,
    so that a warmup never outlives its right. `watch`, or `wait`, is there when the run goes on from an earlier round of either.
    """

    run: str
    number: int
    cluster: ClusterRef
    shard: ShardRun
    shard_count: int | None = None
    replicas: int | None = None
    strict: bool = True
    ttl_seconds: float | None = None
    presumed_dead: str | None = None
    lease_seconds: float = 10800.0
    deadline_seconds: float = 7200.0
    first_poll_seconds: float = 5.0
    longest_poll_seconds: float = 60.0
    release_again_seconds: float = 900.0
    retry: RetryOptions = RetryOptions()
    watch: "WatchState | None" = None
    wait: "Wait | None" = None
    callback: Callback | None = None

    @property
    def claim(self) -> LeaseRequest:
        """What the run has to hold: the database on this cluster."""
        key = lease_key(self.cluster.key, self.db)
        return LeaseRequest(key, self.run, "warm", self.number, self.db, self.lease_seconds, self.presumed_dead)

    @property
    def account(self) -> str:
        """The storage account of the database."""
        return self.shard.account

    @property
    def db(self) -> str:
        """The database."""
        return self.shard.db


class PlanWarmup(Payload):
    """Look at cluster and database, and decide everything before anything is written."""

    cluster: ClusterRef
    account: str
    db: str
    shard_count: int | None = None
    replicas: int | None = None


class WarmPlan(Payload):
    """What is to be done: which N, which generation, on how many nodes, at most how much on one."""

    shard_count: int
    replicas: int
    digest: str
    nodes: int
    node_bytes: int
    reason: str


class Planned(Payload):
    """The outcome of planning: a plan, or the problem that forbids a warmup."""

    plan: WarmPlan | None = None
    problem: Problem | None = None


class ApplyWarmup(Payload):
    """Bring ConfigMap and DaemonSet to a plan, in the name of a run.

    `replicas` is what was asked for: where that is nothing the nodes that are there decide, not the plan's number of them.
    """

    run: str = ""
    cluster: ClusterRef
    account: str
    db: str
    plan: WarmPlan
    replicas: int | None = None

    @classmethod
    def of(cls, run: WarmRun, plan: WarmPlan) -> Self:
        """The request of a run with this plan."""
        return cls(run=run.run, cluster=run.cluster, account=run.account, db=run.db, plan=plan, replicas=run.replicas)


class Applied(Payload):
    """The outcome of applying.

    `changed` says whether anything in the cluster had to be written, `assigned` whether the assignment was; both, too, when an
    earlier try had written it and its answer was lost. `node_bytes` is how much memory the agents ask for.
    """

    changed: bool = False
    assigned: bool = False
    node_bytes: int = 0
    problem: Problem | None = None


class ReadWarmup(Payload):
    """Look how warm a database is; with `run`, only what was moved for this warmup counts as moved."""

    cluster: ClusterRef
    db: str
    run: str | None = None


class WarmReading(Payload):
    """One look, in short. `reasons` are of the first few nodes that are not warm; `trouble` says that nothing was seen.

    `covered` says that every shard is warm on at least one node, `nodes_failed` counts those of the others that have failed,
    `nodes_stale` those that are lost to their shards, whatever the status says of the whole.
    """

    status: Literal["Ready", "Loading", "Failed", "Unknown", "Stale", "Absent"]
    nodes_ready: int = 0
    nodes_total: int = 0
    nodes_failed: int = 0
    nodes_stale: int = 0
    files_done: int = 0
    files_total: int = 0
    bytes_done: int = 0
    bytes_total: int = 0
    bytes_moved: int = 0
    resident_percent: int = 0
    covered: bool = False
    reasons: tuple[Problem, ...] = ()
    trouble: str | None = None

    @property
    def is_stale(self) -> bool:
        """Whether shards have to be assigned anew."""
        return self.status == "Stale" or self.nodes_stale > 0


class Wait(Payload):
    """How long a run has waited for the one that holds its database; carried from one round of tries to the next."""

    deadline: datetime
    tries: int = 0


class WatchState(Payload):
    """How far the watch is; carried from one round of polls to the next.

    `failed_polls` counts those in a row, `refusals` how often in a row lost shards could not be assigned anew.

    `assigned` says that the run wrote an assignment, by which agents count; otherwise `moved_before` are the bytes that they had
    moved before this run, where none of them was replaced by it.
    """

    plan: WarmPlan
    deadline: datetime
    changed: bool
    assigned: bool = False
    moved_before: int = 0
    polls: int = 0
    failed_polls: int = 0
    refusals: int = 0

    def after(self, applied: Applied) -> "WatchState":
        """The watch when the plan was applied once more. What the agents ask for is not lowered: that would restart them."""
        plan = self.plan.model_copy(update={"node_bytes": max(self.plan.node_bytes, applied.node_bytes)})
        watch = self.model_copy(update={"plan": plan, "refusals": 0})
        if not applied.changed:
            return watch
        return watch.model_copy(update={"changed": True, "assigned": self.assigned or applied.assigned, "moved_before": 0})


class MarkNodes(Payload):
    """Label the nodes of a warm database."""

    cluster: ClusterRef
    db: str


class Marked(Payload):
    """The outcome of labelling; not `marked` where the app has no right to label nodes."""

    marked: bool = False
    problem: Problem | None = None


class RemoveWarmup(Payload):
    """Remove what a warmup made in a cluster."""

    cluster: ClusterRef
    db: str


class WarmResult(Payload):
    """What a warmup achieved; the operation's `result`.

    `bytes_moved` is what the present agents downloaded for this run; an agent that was restarted counts from its start.
    `nodes_marked` says that the nodes bear labels for searches, which needs a right that is optional.
    """

    outcome: Literal["warm", "released", "canceled"]
    db: str
    cluster: str
    shard_count: int = 0
    nodes: int = 0
    bytes_moved: int = 0
    bytes_total: int = 0
    resident_percent: int = 0
    changed: bool = False
    nodes_marked: bool = False
