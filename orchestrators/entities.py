"""Durable entities: thin over the transition tables in `shared.runs`. They hold what must be true in one place only."""

from collections.abc import Callable
from typing import Any

from durabletask.entities import EntityContext

from shared.runs import leases
from shared.runs.leases import Acquire, Lease, NamedRun, RaiseEpoch, Renew, Reply


def _operation[Request: (Acquire, Renew, RaiseEpoch, NamedRun)](
    request_type: type[Request], transition: Callable[[Lease, Request], Reply]
) -> Callable[[Lease, Any], Reply]:
    return lambda state, payload: transition(state, request_type.model_validate(payload))


_OPERATIONS: dict[str, Callable[[Lease, Any], Reply]] = {
    "acquire": _operation(Acquire, leases.acquire),
    "renew": _operation(Renew, leases.renew),
    "raise_epoch": _operation(RaiseEpoch, leases.raise_epoch),
    "cancel": _operation(NamedRun, leases.cancel),
    "release": _operation(NamedRun, leases.release),
}


def lease(ctx: EntityContext, payload: Any) -> dict[str, Any]:
    """The lease of one (account, db); its operations are the table in `shared.runs.leases`.

    Not a critical section of the engine: those leak when a worker dies. Nothing here waits.
    """
    state = Lease.model_validate(ctx.get_state(dict, {}) or {})
    reply = _OPERATIONS[ctx.operation](state, payload)
    ctx.set_state(reply.lease.model_dump(mode="json"))
    return reply.model_dump(mode="json")
