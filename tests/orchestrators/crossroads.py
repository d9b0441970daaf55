"""An observer of the host's work items that lets tests hold a run up at an exact moment, and do things there."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from local.host import Verdict, WorkItemNote

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 60


class Step(NamedTuple):
    """One work item of a run: its kind, its name, and which of those it is, counted from 1."""

    kind: str
    name: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.name}-{self.number}" if self.kind != "activity" else self.name


class Stop:
    """A work item that waits at one moment until it is told to go on."""

    def __init__(self, instance: str, step: Step, moment: str, *, redeliver: bool) -> None:
        self._key = (instance, step.kind, step.name, moment)
        self._left = step.number
        self._reached = asyncio.Event()
        self._gone = asyncio.Event()
        self._verdict = Verdict.REDELIVER if redeliver else None

    def meets(self, key) -> bool:
        if key != self._key or self._left == 0:
            return False
        self._left -= 1
        return self._left == 0

    async def pass_through(self) -> Verdict | None:
        self._reached.set()
        await self._gone.wait()
        return self._verdict

    async def reached(self) -> None:
        """Wait until the item is there."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._reached.wait()

    def go(self) -> None:
        """Let it go on. Safe to repeat."""
        self._gone.set()


class Crossroads:
    """The observer: remembers every note, and knows who is to be stopped or called at which."""

    def __init__(self) -> None:
        self.notes: list[WorkItemNote] = []
        self._stops: list[Stop] = []
        self._calls: list[tuple[tuple[str, str, str, str], Callable[[], Awaitable[object]]]] = []

    async def __call__(self, note: WorkItemNote) -> Verdict | None:
        self.notes.append(note)
        key = (note.instance_id, note.kind, note.name, note.moment)
        for wanted, call in list(self._calls):
            if wanted == key:
                await call()
        for stop in list(self._stops):
            if stop.meets(key):
                self._stops.remove(stop)
                return await stop.pass_through()
        return None

    def stop(self, instance: str, step: Step, moment: str, *, redeliver: bool = False) -> Stop:
        """Hold one work item up; with `redeliver` its answer is dropped when it goes on."""
        stop = Stop(instance, step, moment, redeliver=redeliver)
        self._stops.append(stop)
        return stop

    def each(self, instance: str, kind: str, name: str, moment: str, call: Callable[[], Awaitable[object]]) -> None:
        """Call something, and wait for it, at every such moment of a run."""
        self._calls.append(((instance, kind, name, moment), call))

    def delivered(self, instance: str) -> Counter[str]:
        """How often each item of a run was delivered, by name."""
        return Counter(note.name for note in self.notes if note.instance_id == instance and note.moment == "delivered")
