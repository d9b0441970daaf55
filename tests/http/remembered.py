"""A task hub for routes under test: it has the runs that it was given, and remembers what was asked of it."""

from __future__ import annotations

from datetime import UTC, datetime

from shared.http.messages import Call
from shared.http.ports import Backing
from shared.runs.operations import RunState
from shared.settings import Settings

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


class RememberingHub:
    """The task hub's part that following, listing and cancelling need."""

    def __init__(self, *states) -> None:
        self.states = {state.run: state for state in states}
        self.canceled = []
        self.asked = []

    async def find(self, run):
        self.asked.append(run)
        return self.states.get(run)

    async def list(self, statuses, *, created_from=None):
        self.asked.append(created_from)
        young = [state for state in self.states.values() if created_from is None or state.created_at >= created_from]
        return [state for state in young if statuses is None or state.engine_status in statuses]

    async def cancel(self, state):
        self.canceled.append(state.run)


def running(kind, run="a-run", **fields) -> RunState:
    """A run under way."""
    moments = {"created_at": MOMENT, "last_updated_at": MOMENT}
    return RunState(run=run, kind=kind, **{"engine_status": "RUNNING", **moments, **fields})


def backing(hub=None, **settings) -> Backing:
    """What is behind routes that need nothing but the task hub."""
    return Backing(Settings(**settings), hub or RememberingHub(), None, None, None)


def call(method="GET", *, headers=None, query=None, **path) -> Call:
    """A request as the routes see it."""
    return Call(method, "http://app/api", MOMENT, path, query or {}, headers or {})
