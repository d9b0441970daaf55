"""What becomes of a warm database, as transitions. The entity in `orchestrators` keeps it."""

from datetime import timedelta
from typing import NamedTuple

from shared.runs.warmup import Expire, Expiry, Rewarm, Unreleased, WarmRun
from shared.sanitise import sanitised_line

_FIRST_PAUSE = timedelta(minutes=20)
_DOUBLINGS = 5
_RELEASE_DOUBLINGS = 4
_LENGTH = 120


class Due(NamedTuple):
    """A release to be started now, the new state, and what follows, when it is due, if the database still is there."""

    release: WarmRun
    state: Expiry
    following: Expire


def expire(state: Expiry | None, request: Expire) -> Due | None:
    """What the end of a warmup's time leads to; nothing if it was released or warmed since, or this end was seen to before.

    Nothing is kept of how a release goes: one that took the database off its nodes has it forgotten, whatever else becomes of
    one is followed by the next.
    """
    if state is None or state.run != request.run or state.releases != request.releases:
        return None
    count = state.releases + 1
    pause = timedelta(seconds=request.release.release_again_seconds) * 2 ** min(state.releases, _RELEASE_DOUBLINGS)
    again = request.release.model_copy(update={"run": f"{request.run}-ttl-{count + 1}"})
    then = request.due + pause if request.due is not None else None
    following = request.model_copy(update={"release": again, "releases": count, "due": then})
    return Due(request.release, state.model_copy(update={"releases": count}), following)


def unreleased(state: Expiry | None, request: Unreleased) -> Expiry | None:
    """Note why a database is still there, if it should not be."""
    if state is None or not state.releases:
        return state
    return state.model_copy(update={"unreleased": request.problem})


def overdue(state: Expiry) -> str | None:
    """Why a database whose time is over is still warm; None while its time is not over."""
    if not state.releases:
        return None
    why = f"{state.unreleased.code.value}: {state.unreleased.message}" if state.unreleased else "none has told why it failed"
    return sanitised_line(f"its time is over; {state.releases} releases were started: {why}", _LENGTH)


def rewarm(state: Expiry | None, request: Rewarm) -> tuple[WarmRun | None, Expiry | None]:
    """The warmup that is to be started, if it is, and the new state. A warmup that succeeds sets the state anew."""
    if state is None or state.warm is None or state.run != request.seen or state.releases:
        return None, state
    if state.not_before is not None and request.now < state.not_before:
        return None, state
    pause = _FIRST_PAUSE * 2 ** min(state.tries, _DOUBLINGS)
    again = state.warm.model_copy(update={"run": request.run, "watch": None, "presumed_dead": None})
    return again, state.model_copy(update={"tries": state.tries + 1, "not_before": request.now + pause})
