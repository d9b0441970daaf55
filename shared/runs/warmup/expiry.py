"""The expiry of a warm database: its state and transitions. The entity `expiry` in `orchestrators` stores it."""

from datetime import datetime
from typing import NamedTuple

from shared.errors import Problem
from shared.runs.backoff import backoff
from shared.runs.payload import Payload
from shared.runs.warmup.payloads import WarmRun
from shared.sanitise import sanitised_line

_FIRST_PAUSE_SECONDS = 1200.0
_LONGEST_PAUSE_SECONDS = 32 * _FIRST_PAUSE_SECONDS
_RELEASE_DOUBLINGS = 4
_LENGTH = 120


class Expiry(Payload):
    """The state of a warm database. Only the end of its latest warmup may take it off its nodes.

    `warm` is the request of that warmup, which `rewarm` repeats. `due` is the end of its time, None when it has no limit, or
    when an earlier version of this app wrote the state. `tries` and `not_before` space out warmups that fail; `again` is the
    run id of the last repetition. `releases` counts the releases started since the time was over; `unreleased` says why the
    last release failed.
    """

    run: str
    warm: WarmRun | None = None
    due: datetime | None = None
    tries: int = 0
    not_before: datetime | None = None
    again: str | None = None
    releases: int = 0
    unreleased: Problem | None = None


class Rewarm(Payload):
    """Start the warmup of a warm database again under this id, if `seen` is still the latest warmup."""

    run: str
    seen: str
    now: datetime


class Rewarmed(Payload):
    """Whether a warmup was started. False when the database was released meanwhile, or the last try is too recent."""

    started: bool


class Expire(Payload):
    """The end of a warmup's time: start this release, unless a later warmup came in between.

    `releases` is the count of earlier releases, by which a repeated signal is known. A signal without `due` is from an earlier
    version of this app, and no further release follows it.
    """

    run: str
    release: WarmRun
    releases: int = 0
    due: datetime | None = None


class Unreleased(Payload):
    """Why a release did not take the database off its nodes."""

    problem: Problem


class Due(NamedTuple):
    """A release to start now, the new state, and the next `Expire`, in case the database is still warm when that is due."""

    release: WarmRun
    state: Expiry
    following: Expire


def left(state: Expiry | None, request: Expiry) -> Expiry:
    """Note a failed warmup that left its agents: it is now the latest, and its agents are removed when its time is over.

    A failed repetition by `rewarm` changes nothing: the original warmup keeps its end and its growing pauses.
    """
    return state if state is not None and state.again == request.run else request


def expire(state: Expiry | None, request: Expire) -> Due | None:
    """The release that is due; None if the database was released or warmed since, or if this signal came before.

    The state does not say how the release goes. A release that succeeds drops the state. After any other end the next one
    follows.
    """
    if state is None or state.run != request.run or state.releases != request.releases:
        return None
    count = state.releases + 1
    first = request.release.release_again_seconds
    pause = backoff(state.releases, first, first * 2**_RELEASE_DOUBLINGS)
    again = request.release.model_copy(update={"run": f"{request.run}-ttl-{count + 1}"})
    then = request.due + pause if request.due is not None else None
    following = request.model_copy(update={"release": again, "releases": count, "due": then})
    return Due(request.release, state.model_copy(update={"releases": count}), following)


def unreleased(state: Expiry | None, request: Unreleased) -> Expiry | None:
    """Note why a release failed, if the database's time is over."""
    if state is None or not state.releases:
        return state
    return state.model_copy(update={"unreleased": request.problem})


def overdue(state: Expiry) -> str | None:
    """Why a database whose time is over is still warm; None while its time is not over."""
    if not state.releases:
        return None
    why = "none has said why it failed"
    if state.unreleased is not None:
        why = f"the last failed: {state.unreleased.code.value}: {state.unreleased.message}"
    return sanitised_line(f"its time is over; releases started: {state.releases}; {why}", _LENGTH)


def rewarm(state: Expiry | None, request: Rewarm) -> tuple[WarmRun | None, Expiry | None]:
    """The warmup to start again, or None, and the new state. A warmup that succeeds replaces the state.

    It is released when the first one's time is over: a repetition repairs, it does not prolong.
    """
    if state is None or state.warm is None or state.run != request.seen or state.releases:
        return None, state
    if state.not_before is not None and request.now < state.not_before:
        return None, state
    if state.due is not None and state.due <= request.now:
        return None, state
    pause = backoff(state.tries, _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
    kept = {"release_at": state.due, "watch": None, "presumed_dead": None}
    again = state.warm.model_copy(update={"run": request.run, **kept})
    tried = {"tries": state.tries + 1, "not_before": request.now + pause, "again": request.run}
    return again, state.model_copy(update=tried)
