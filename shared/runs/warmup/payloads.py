"""Payloads of a warmup: the inputs and outputs of its steps; counts and the first few reasons, small at any number of nodes.

Fields are only ever added, with defaults, as in `shared.runs.shard.payloads`.
"""

from datetime import datetime
from typing import Literal, Self

from shared.errors import Problem
from shared.runs.callbacks import Callback
from shared.runs.ids import lease_key
from shared.runs.leases import LeaseRequest
from shared.runs.payload import Payload, RetryOptions, RunInput
from shared.runs.shard.payloads import ShardRun
from shared.runs.warmup.clusters import ClusterRef


class WarmRun(RunInput):
    """The input of a warmup. `shard` is the shard run that first brings the layouts up to date, if they need it.

    The database is released `ttl_seconds` after it became warm, unless a caller warmed it again; None keeps it. A repetition
    by a pass is released at `release_at`, when the first warmup's time is over. A failed release is repeated after
    `release_again_seconds`, then after twice that time, and so on within bounds. `strict` requires every assigned node to be
    warm, and every node of the pool to be able to take an agent; without it a node may fail as long as every shard is warm on
    another. `deadline_seconds` bounds the wait for nodes, and before that the wait for another run that holds the database.
    The lease is longer, so that a warmup never outlives it. `watch` or `wait` is set when the run continues from an earlier
    round.
    """

    run: str
    number: int
    cluster: ClusterRef
    shard: ShardRun
    shard_count: int | None = None
    replicas: int | None = None
    strict: bool = True
    ttl_seconds: float | None = None
    release_at: datetime | None = None
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
        """The lease that the run needs: the database on this cluster."""
        key = lease_key(self.cluster.key, self.db)
        return LeaseRequest(key, self.run, "warm", self.number, self.db, self.lease_seconds, self.presumed_dead)

    @property
    def account(self) -> str:
        """The storage account of the database."""
        return self.shard.account

    @property
    def db(self) -> str:
        """The name of the database."""
        return self.shard.db


class PlanWarmup(Payload):
    """The request to plan a warmup: everything is decided before anything is written.

    `strict` refuses when a node of the pool cannot take an agent. It is false in requests of an earlier build.
    """

    cluster: ClusterRef
    account: str
    db: str
    shard_count: int | None = None
    replicas: int | None = None
    strict: bool = False


class WarmPlan(Payload):
    """The plan of a warmup: N, the generation, the shard set's texts, the number of nodes, and the bytes on the fullest node."""

    shard_count: int
    replicas: int
    digest: str
    texts: str = ""
    nodes: int
    node_bytes: int
    reason: str


class Planned(Payload):
    """The outcome of planning: a plan, or the problem that prevents one."""

    plan: WarmPlan | None = None
    problem: Problem | None = None


class ApplyWarmup(Payload):
    """The request to apply a plan to ConfigMap and DaemonSet, on behalf of a run.

    `replicas` is the caller's number; when it is None, the present nodes decide, not the plan's `replicas`.
    `strict` is the same as in `PlanWarmup`.
    """

    run: str = ""
    cluster: ClusterRef
    account: str
    db: str
    plan: WarmPlan
    replicas: int | None = None
    strict: bool = False

    @classmethod
    def of(cls, run: WarmRun, plan: WarmPlan) -> Self:
        """Make the request from a run and its plan."""
        return cls(
            run=run.run,
            cluster=run.cluster,
            account=run.account,
            db=run.db,
            plan=plan,
            replicas=run.replicas,
            strict=run.strict,
        )


class Applied(Payload):
    """The outcome of applying.

    `changed` says that something in the cluster was written, `assigned` that the assignment was. Both are also true when an
    earlier attempt wrote it and its answer was lost. `node_bytes` is the memory that the agents request.
    """

    changed: bool = False
    assigned: bool = False
    node_bytes: int = 0
    problem: Problem | None = None


class ReadWarmup(Payload):
    """The request to read how warm a database is; with `run`, `bytes_moved` counts only what was moved for this warmup."""

    cluster: ClusterRef
    db: str
    run: str | None = None


class WarmReading(Payload):
    """A summary of one `WarmStatus`, of fixed size. `reasons` are those of the first few nodes that are not warm.

    `trouble` says why the cluster could not be read. `covered` says that every shard is warm on at least one node. `nodes_failed`
    counts failed nodes and `nodes_stale` nodes whose shards must be assigned again, whatever the status of the whole is.
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
        """Whether shards must be assigned again."""
        return self.status == "Stale" or self.nodes_stale > 0


class Wait(Payload):
    """The state of a run that waits for the database's lease; carried from one round of attempts to the next."""

    deadline: datetime
    tries: int = 0


class WatchState(Payload):
    """The state of the watch; carried from one round of polls to the next.

    `failed_polls` counts consecutive failed polls; `refusals` counts consecutive failures to assign lost shards again.

    `assigned` says that the run wrote an assignment, from which the agents count their bytes. Otherwise `moved_before` is what
    the agents had moved before this run, if the run replaced none of them. `warnings` go into the result.
    """

    plan: WarmPlan
    deadline: datetime
    changed: bool
    assigned: bool = False
    moved_before: int = 0
    polls: int = 0
    failed_polls: int = 0
    refusals: int = 0
    warnings: tuple[str, ...] = ()

    def after(self, applied: Applied) -> "WatchState":
        """The watch after the plan was applied again. The agents' memory request is never lowered: that would restart them."""
        plan = self.plan.model_copy(update={"node_bytes": max(self.plan.node_bytes, applied.node_bytes)})
        watch = self.model_copy(update={"plan": plan, "refusals": 0})
        if not applied.changed:
            return watch
        return watch.model_copy(update={"changed": True, "assigned": self.assigned or applied.assigned, "moved_before": 0})


class MarkNodes(Payload):
    """The request to label the nodes of a warm database."""

    cluster: ClusterRef
    db: str


class Marked(Payload):
    """The outcome of labelling; `marked` (labelled) is false where the app has no right to label nodes."""

    marked: bool = False
    problem: Problem | None = None


class RemoveWarmup(Payload):
    """The request to remove what a warmup made in a cluster."""

    cluster: ClusterRef
    db: str
