"""An observer of the host's work items that lets tests hold a run up at an exact moment, and do things there."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from local.host import Verdict, WorkItemNote
from tests.patience import patience

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

type Key = tuple[str, str, str, str]
"""Instance, kind, name and moment of a note."""


class Step(NamedTuple):
    """One work item of a run: its kind, its name, and which of those it is, counted from 1."""

    kind: str
    name: str
    number: int = 1

    def __str__(self) -> str:
        return f"{self.name}-{self.number}" if self.kind != "activity" else self.name


class Stop:
    """A work item that waits at one moment until it is told to go on.

    One that stops at `recorded` is past holding up: what its instance does next waits instead, as if all had ended there.
    """

    def __init__(self, instance: str, step: Step, moment: str, *, redeliver: bool) -> None:
        self._key = (instance, step.kind, step.name, moment)
        self._left = step.number
        self._until_answered = step.number
        self._reached = asyncio.Event()
        self._gone = asyncio.Event()
        self._verdict = Verdict.REDELIVER if redeliver else None

    def meets(self, key: Key) -> bool:
        if key != self._key or self._left == 0:
            return False
        self._left -= 1
        return self._left == 0

    def bars(self, key: Key) -> bool:
        """Whether this item comes after the one that stops at `recorded`, which it may overtake once that has its answer."""
        instance, kind, name, moment = self._key
        if moment != "recorded" or self._gone.is_set():
            return False
        if key == (instance, kind, name, "answered"):
            self._until_answered -= 1
        return self._until_answered <= 0 and (key[0], key[3]) == (instance, "delivered")

    async def gone(self) -> None:
        """Wait until it was told to go on."""
        await self._gone.wait()

    async def pass_through(self) -> Verdict | None:
        self._reached.set()
        await self._gone.wait()
        return self._verdict

    async def reached(self) -> None:
        """Wait until the item is there."""
        async with patience():
            await self._reached.wait()

    def go(self) -> None:
        """Let it go on. Safe to repeat."""
        self._gone.set()


class Crossroads:
    """The observer: remembers every note, and knows who is to be stopped or called at which."""

    def __init__(self) -> None:
        self.notes: list[WorkItemNote] = []
        self._stops: list[Stop] = []
        self._calls: list[tuple[Key, Callable[[], Awaitable[object]]]] = []
        self._at_work: Counter[str] = Counter()

    async def __call__(self, note: WorkItemNote) -> Verdict | None:
        self.notes.append(note)
        key = (note.instance_id, note.kind, note.name, note.moment)
        for wanted, call in list(self._calls):
            if wanted == key:
                await call()
        if note.kind == "activity" and note.moment == "answered":
            self._at_work[note.instance_id] -= 1
        verdict = await self._held_up(key)
        if note.kind == "activity" and note.moment == "delivered":
            self._at_work[note.instance_id] += 1
        return verdict

    async def _held_up(self, key: Key) -> Verdict | None:
        for stop in list(self._stops):
            if stop.bars(key):
                await stop.gone()
            if stop.meets(key):
                return await stop.pass_through()
        return None

    def at_work(self, *instances: str) -> int:
        """How many activities of these runs the worker is at; true as long as it has not died under one."""
        return sum(self._at_work[instance] for instance in instances)

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
