"""The result of a warmup, as its operation shows it."""

from typing import Literal

from shared.runs.payload import Payload


class WarmResult(Payload):
    """The outcome of a warmup; the operation's `result`.

    `bytes_moved` is what the present agents downloaded for this run; a restarted agent counts from its restart. `nodes_marked`
    says that the nodes have labels for searches, which needs an optional right. `warnings` are those of a shard run's result.
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
    warnings: tuple[str, ...] = ()
