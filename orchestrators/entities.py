"""Durable entities: lease, notifier, expiry, upload. Each applies a transition table of `shared.runs` to its stored state."""

from collections.abc import Callable
from typing import Any

from durabletask.entities import EntityContext

from shared.runs import leases
from shared.runs.callbacks import Notice
from shared.runs.ids import notify_id
from shared.runs.leases import Acquire, Lease, NamedRun, RaiseEpoch, Renew, Reply
from shared.runs.upload import transitions
from shared.runs.upload.payloads import SettleRun
from shared.runs.upload.transitions import Arrive, End, Revive, SettleLook, SettleReply, Tidy, UploadState
from shared.runs.warmup import expiry as expiries
from shared.runs.warmup.expiry import Expire, Expiry, Rewarm, Rewarmed, Unreleased


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
    """The lease of one (account, db). Its operations are the rows of `TRANSITIONS` in `shared.runs.leases`.

    This is not a critical section of the engine, which leaks when a worker dies. Nothing here waits.
    """
    state = Lease.model_validate(ctx.get_state(dict, {}) or {})
    reply = _OPERATIONS[ctx.operation](state, payload)
    ctx.set_state(reply.lease.model_dump(mode="json"))
    return reply.model_dump(mode="json")


def notifier(ctx: EntityContext, payload: Any) -> None:
    """Starts `notify` for a run, under an id made from the run's: an orchestration can start only children that it waits for.

    `start` may come twice; the engine runs one orchestration of an id at a time. The notifier keeps no state.
    """
    if ctx.operation != "start":
        raise ValueError(f"a notifier has no operation {ctx.operation}")
    notice = Notice.model_validate(payload)
    ctx.schedule_new_orchestration("notify", notice.to_json(), notify_id(notice.run))


def expiry(ctx: EntityContext, payload: Any) -> dict[str, Any] | None:
    """The expiry of one warm database, by cluster and database.

    | operation | effect |
    |---|---|
    | `set` | notes the latest warmup |
    | `left` | notes a warmup that failed and left its agents |
    | `expire` | starts a release if its warmup is still the latest, and signals itself again in case the release fails |
    | `unreleased` | notes why a release failed |
    | `forget` | drops the state: the database was taken off its nodes |
    | `rewarm` | starts the latest warmup again, with growing pauses while that fails |

    `expire` comes as a delayed signal. A repeated signal does nothing.
    """
    state = Expiry.model_validate(found) if (found := ctx.get_state(dict, {})) else None
    match ctx.operation:
        case "set":
            ctx.set_state(Expiry.model_validate(payload).to_json())
        case "left":
            state = expiries.left(state, Expiry.model_validate(payload))
            ctx.set_state(state.to_json())
        case "expire":
            due = expiries.expire(state, Expire.model_validate(payload))
            if due is not None:
                release = due.release.to_json()
                ctx.schedule_new_orchestration("release_warmup", release, due.release.run)
                following = due.following.to_json()
                if due.following.due is not None:
                    ctx.signal_entity(ctx.entity_id, "expire", following, due.following.due)
                ctx.set_state(due.state.to_json())
        case "unreleased":
            state = expiries.unreleased(state, Unreleased.model_validate(payload))
            ctx.set_state(state.to_json() if state else None)
        case "forget":
            ctx.set_state(None)
        case "rewarm":
            again, state = expiries.rewarm(state, Rewarm.model_validate(payload))
            if again is not None:
                ctx.schedule_new_orchestration("warm_up", again.to_json(), again.run)
                ctx.set_state(state.to_json() if state else None)
            return Rewarmed(started=again is not None).model_dump(mode="json")
        case other:
            raise ValueError(f"an expiry has no operation {other}")
    return None


type _Starting = tuple[UploadState, SettleRun | None]
type _Left = tuple[UploadState | None, None]

_OF_AN_UPLOAD: dict[str, Callable[[UploadState, Any], _Starting | tuple[UploadState, SettleReply] | _Left]] = {
    "arrive": lambda state, payload: transitions.arrive(state, Arrive.model_validate(payload)),
    "look": lambda state, payload: transitions.look(state, SettleLook.model_validate(payload)),
    "end": lambda state, payload: transitions.end(state, End.model_validate(payload)),
    "revive": lambda state, payload: transitions.revive(state, Revive.model_validate(payload)),
    "tidy": lambda state, payload: (transitions.tidy(state, Tidy.model_validate(payload)), None),
}


def upload(ctx: EntityContext, payload: Any) -> dict[str, Any] | None:
    """The upload of one (account, db) and its settle. Its operations are in `TRANSITIONS` of `shared.runs.upload.transitions`.

    Events come as signals, repeated and in any order. At most one settle is under way. A long idle upload is deleted.
    """
    state = UploadState.model_validate(ctx.get_state(dict, {}) or {})
    state, outcome = _OF_AN_UPLOAD[ctx.operation](state, payload)
    ctx.set_state(state.to_json() if state else None)
    if isinstance(outcome, SettleRun):
        ctx.schedule_new_orchestration("settle", outcome.to_json(), outcome.run)
    return outcome.model_dump(mode="json") if isinstance(outcome, SettleReply) else None
