"""The result of a reconcile pass, as its operation shows it."""

from typing import Literal

from shared.runs.payload import Payload

type Act = Literal["release", "revive", "correct", "prune", "prepare", "shard", "warm", "purge", "tell"]


class Action(Payload):
    """One repair or report of a pass: its target, its reason and its outcome."""

    target: str
    action: Act
    reason: str
    outcome: str = ""


class Count(Payload):
    """How often a pass took one action for one reason."""

    action: str
    reason: str
    times: int


class ReconcileResult(Payload):
    """What a pass did; the operation's `result`. `counts` covers all actions; `actions` names the first of them.

    `healed` counts repairs, `told` reports, `left` what later passes will handle.
    """

    outcome: Literal["reconciled", "canceled"]
    accounts: tuple[str, ...] = ()
    databases: int = 0
    pages: int = 0
    healed: int = 0
    told: int = 0
    left: int = 0
    counts: tuple[Count, ...] = ()
    actions: tuple[Action, ...] = ()
