"""Durable entities: thin over the transition tables in `shared.runs`. They hold what must be true in one place only."""

from collections.abc import Callable
from typing import Any

from durabletask.entities import EntityContext

from shared.runs import leases
from shared.runs.leases import Acquire, Lease, NamedRun, RaiseEpoch, Renew, Reply
from shared.runs.warmup import Expire, Expiry


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


def expiry(ctx: EntityContext, payload: Any) -> None:
    """The end of one warm database's time, by cluster and database.

    `set` notes the latest warmup; `expire`, which comes by a delayed signal, starts the release that it brings if that warmup
    still is the latest. A doubled signal finds the release's id taken and does nothing.
    """
    match ctx.operation:
        case "set":
            ctx.set_state(Expiry.model_validate(payload).model_dump(mode="json"))
        case "expire":
            request = Expire.model_validate(payload)
            if ctx.get_state(dict, {}) == Expiry(run=request.run).model_dump(mode="json"):
                release = request.release
                ctx.schedule_new_orchestration(
                    "release_warmup", release.model_dump(mode="json", exclude_defaults=True), release.run
                )
                ctx.set_state(None)
        case other:
            raise ValueError(f"an expiry has no operation {other}")
