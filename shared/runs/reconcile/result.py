"""What a reconcile pass did, as its operation's result tells it."""

from typing import Literal

from shared.runs.payload import Payload

type Act = Literal["release", "revive", "correct", "prune", "prepare", "shard", "warm", "purge", "tell"]


class Action(Payload):
    """One thing that a pass did or tells of: on what, why, and what came of it."""

    target: str
    action: Act
    reason: str
    outcome: str = ""


class Count(Payload):
    """How often a pass did one thing for one reason."""

    action: str
    reason: str
    times: int


class ReconcileResult(Payload):
    """What a pass did; the operation's `result`. `counts` has all actions, of many the first are named."""

    outcome: Literal["reconciled", "canceled"]
    accounts: tuple[str, ...] = ()
    databases: int = 0
    pages: int = 0
    healed: int = 0
    told: int = 0
    left: int = 0
    counts: tuple[Count, ...] = ()
    actions: tuple[Action, ...] = ()
