"""What becomes of a warm database: what is kept of it, and its transitions. The entity in `orchestrators` keeps it."""

from datetime import datetime, timedelta
from typing import NamedTuple

from shared.errors import Problem
from shared.runs.payload import Payload
from shared.runs.warmup.payloads import WarmRun
from shared.sanitise import sanitised_line

_FIRST_PAUSE = timedelta(minutes=20)
_DOUBLINGS = 5
_RELEASE_DOUBLINGS = 4
_LENGTH = 120


class Expiry(Payload):
    """What is kept of a warm database: only the latest warmup's end may take it off its nodes.

    `warm` is what was asked for, so that it can be had again; `tries` and `not_before` keep a warmup that fails from being
    started again and again, `again` is the last that was. `releases` counts those started since its time is over, `unreleased`
    says why the last one failed.
    """

    run: str
    warm: WarmRun | None = None
    tries: int = 0
    not_before: datetime | None = None
    again: str | None = None
    releases: int = 0
    unreleased: Problem | None = None


class Rewarm(Payload):
    """Start the warmup of a warm database again under this id, if `seen` still is the latest."""

    run: str
    seen: str
    now: datetime


class Rewarmed(Payload):
    """Whether a warmup was started; not when it was released meanwhile, or failed too short a time ago."""

    started: bool


class Expire(Payload):
    """The end of a warmup's time: start this release, unless a later warmup came in between, or so many were started already.

    One that does not say when it is `due` is of an earlier release of this app, and nothing follows it.
    """

    run: str
    release: WarmRun
    releases: int = 0
    due: datetime | None = None


class Unreleased(Payload):
    """Why a release did not take the database off its nodes."""

    problem: Problem


class Due(NamedTuple):
    """A release to be started now, the new state, and what follows, when it is due, if the database still is there."""

    release: WarmRun
    state: Expiry
    following: Expire


def left(state: Expiry | None, request: Expiry) -> Expiry:
    """A warmup failed and left its agents: it is the latest now, and they are taken off when its time is over.

    One that was started again changes nothing: what it was to bring back keeps its end and its growing pauses.
    """
    return state if state is not None and state.again == request.run else request


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
    tried = {"tries": state.tries + 1, "not_before": request.now + pause, "again": request.run}
    return again, state.model_copy(update=tried)
