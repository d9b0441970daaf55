"""A law over random interleavings: whatever is uploaded, removed, told, run, killed and damaged, in whatever order, once things
are quiet the metadata equals storage, every volume is in exactly one shard of every set, the lease and the upload are free.

A script is a list of moves on one database; each move is a function of the world. What is uploaded or removed is told of by
moves of their own: late, doubled, in another order, or never.
"""

from __future__ import annotations

import asyncio
import itertools
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from shared.blastdb.blobs import PRESETS
from tests.builders import alias, database, manifest, papers
from tests.driving import ENDED
from tests.orchestrators.crossroads import Step
from tests.orchestrators.reconciling import IMPATIENT, ago, begun, is_idle, passes, reconciled
from tests.orchestrators.scene import until
from tests.storage_events import event
from tests.uploads.scene import UploadScene

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

STEPS = ("inspect_database", "mark_started", "upload_shard_set", "commit_metadata")
MOST_VOLUMES = 5
QUIET = {"SHARDWARM_UPLOAD_QUIET_SECONDS": "0.2"}
_NUMBERS = itertools.count()


class World:
    """One database, what was done to it, and how often a run for it was justified."""

    def __init__(self, scene: UploadScene, db: str) -> None:
        self.scene = scene
        self.db = db
        self.volumes = 3
        self.generations = 1
        self.faults = 0
        self.started: list[str] = []
        self.accepted: set[str] = set()
        self.untold = [event(name) for name in database(db, self.volumes)]
        self.told: list[dict] = []

    async def replace(self, number: int) -> None:
        """Replace a volume by another of the same name and size."""
        self.generations += 1
        content = f"{self.generations:0100d}".encode()
        name = f"{self.db}/{self.db}.{number % self.volumes:02d}.nsq"
        await self.scene.blobs.put(name, content)
        self.untold.append(event(name))

    async def grow(self, _: int) -> None:
        """Upload one more volume, the statistics last."""
        if self.volumes < MOST_VOLUMES:
            self.generations += 1
            self.volumes += 1
            last = f"{self.db}/{self.db}.{self.volumes - 1:02d}."
            files = database(self.db, self.volumes)
            await self._upload({name: data for name, data in files.items() if name.startswith(last)})
            await self._upload(papers(self.db, self.volumes))

    async def shrink(self, _: int) -> None:
        """Remove the last volume, the statistics last."""
        if self.volumes > 1:
            self.generations += 1
            self.volumes -= 1
            last = f"{self.db}/{self.db}.{self.volumes:02d}."
            names = [f"{last}{extension}" for extension in ("nsq", "nin", "nhr")]
            await self.scene.blobs.delete(*names)
            self.untold += [event(name, deleted=True) for name in names]
            await self._upload(papers(self.db, self.volumes))

    async def tell(self, number: int) -> None:
        """Deliver what is untold: as it happened, the last first, or in any order."""
        events, self.untold = self.untold, []
        if number % 3 == 1:
            events.reverse()
        elif number % 3 == 2:
            Random(number).shuffle(events)
        await self._deliver(events)

    async def tell_some(self, number: int) -> None:
        """Deliver every other event now, and the rest some time."""
        now = self.untold[number % 2 :: 2]
        self.untold = [one for one in self.untold if one not in now]
        await self._deliver(now)

    async def tell_again(self, number: int) -> None:
        """Deliver once more what was told before, some of it twice."""
        await self._deliver(self.told[number % 4 :] + self.told[::3])

    async def lose(self, number: int) -> None:
        """Lose what is untold, or half of it."""
        self.untold = [] if number % 2 else self.untold[::2]

    async def start(self, _: int) -> None:
        """Start a run, unless one is under way, and go on without waiting."""
        reply = await self.scene.api.start_shard(self.db)
        assert reply.status_code in {202, 409}, reply.text
        self.started.append(reply.json()["operation_id"])
        if reply.status_code == 202:
            self.accepted.add(self.started[-1])

    async def run(self, number: int) -> None:
        """Start a run and wait for its end."""
        await self.start(number)
        await self.scene.ended(self.started[-1])

    async def crash(self, number: int) -> None:
        """Start a run and have an administrator terminate it at one of its steps, if it gets there."""
        epoch = (await self.scene.lease(self.db))["epoch"]
        step = Step("activity", STEPS[number % len(STEPS)])
        stop = self.scene.stop(self.db, step, ("delivered", "answered")[number % 2], number=epoch + 1)
        await self.start(number)
        run = self.started[-1]
        reached, ended = asyncio.create_task(stop.reached()), asyncio.create_task(self.scene.api.end(run))
        await asyncio.wait([reached, ended], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            self.faults += 1
            await self.scene.terminate(run)
        stop.go()
        reached.cancel()
        await asyncio.gather(reached, ended, return_exceptions=True)

    async def kill(self, number: int) -> None:
        """Kill the worker under a run that was only just started."""
        await self.start(number)
        self.scene.stack.host.worker.kill()

    async def damage(self, number: int) -> None:
        """Remove or overwrite a text, if there is one."""
        self.faults += 1
        name = (manifest, alias)[number % 2](self.db, 1, 0)
        if not await self.scene.blobs.exists(name):
            return
        if number % 4 < 2:
            await self.scene.blobs.delete(name)
        else:
            await self.scene.blobs.put(name, b"damaged\n")

    async def mark(self, number: int) -> None:
        """Leave a mark of the replaced system behind, as it would: over the metadata that is there, without headers."""
        self.faults += 1
        await self.quiet()
        marks = {"sharding_in_progress": True, "sharding_started_at": ago(minutes=31 + number)}
        await self.scene.blobs.put_metadata(self.db, {**(await self.scene.blobs.metadata(self.db) or {}), **marks})

    async def reconcile(self, _: int) -> None:
        """Make a pass."""
        await reconciled(self.scene)

    async def crash_pass(self, number: int) -> None:
        """Have an administrator terminate a pass after its look; what it had begun goes on."""
        last = int((await passes(self.scene))[0]["id"].rpartition("-")[2])
        stem = (await passes(self.scene))[0]["id"].rpartition("-")[0]
        step = Step("activity", ("survey_account", "correct_metadata")[number % 2])
        stop = self.scene.crossroads.stop(f"{stem}-{last + 1}", step, "answered")
        run = await begun(self.scene)
        reached, ended = asyncio.create_task(stop.reached()), asyncio.create_task(self.scene.api.end(run))
        await asyncio.wait([reached, ended], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            self.faults += 1
            await self.scene.terminate(run)
        stop.go()
        reached.cancel()
        await asyncio.gather(reached, ended, return_exceptions=True)

    async def rest(self, _: int) -> None:
        """Do nothing for a while."""
        await self.quiet()

    async def crash_settle(self, _: int) -> None:
        """Have an administrator terminate the settle that waits, if there is one."""
        await until(self._has_taken)
        run = (await self.scene.upload_state(self.db)).run
        if run is not None:
            await self.scene.api.post(f"/runtime/webhooks/durabletask/instances/{run}/terminate", params={"reason": "gone"})
            self.faults += (await self.scene.ended(run))["status"] == "Canceled"

    async def quiet(self) -> None:
        """Wait until every event has been taken, and no settle and no run of this database is under way.

        A settle waits for whoever holds the database; only a pass, which the timer would make, frees what a dead run holds.
        """
        await until(self._has_settled)
        for one in await self.runs():
            await self.scene.ended(one["id"])

    async def runs(self) -> list[dict]:
        """All runs that there were for this database."""
        return await self.scene.runs(self.db)

    async def _upload(self, files: dict[str, bytes]) -> None:
        await self.scene.blobs.upload(files)
        self.untold += map(event, files)

    async def _deliver(self, events: list[dict]) -> None:
        self.told += events
        if events:
            await self.scene.tell(*events)

    async def _has_taken(self) -> bool:
        state = await self.scene.upload_state(self.db)
        return state.version + state.known + state.overtaken == len(self.told)

    async def _has_settled(self) -> bool:
        run = (await self.scene.upload_state(self.db)).run
        if await self._has_taken() and (run is None or await self._is_over(run)):
            return True
        holder = (await self.scene.lease(self.db))["operation_id"]
        if holder is not None and await self._is_over(holder):
            await reconciled(self.scene)
        return False

    async def _is_over(self, run: str) -> bool:
        reply = await self.scene.api.get(f"/api/operations/{run}")
        return reply.status_code == 200 and reply.json()["status"] in ENDED


MOVES: tuple[Callable[[World, int], Awaitable[None]], ...] = (
    World.replace,
    World.grow,
    World.shrink,
    World.start,
    World.run,
    World.crash,
    World.damage,
    World.mark,
    World.reconcile,
    World.crash_pass,
    World.kill,
    World.tell,
    World.tell_some,
    World.tell_again,
    World.lose,
    World.rest,
    World.crash_settle,
)
EVENTFUL = (
    (World.tell, 1),
    (World.rest, 0),
    (World.tell_again, 0),
    (World.replace, 1),
    (World.lose, 0),
    (World.tell, 0),
    (World.rest, 0),
    (World.shrink, 0),
    (World.tell_some, 1),
    (World.rest, 0),
    (World.tell, 2),
    (World.crash_settle, 0),
)
"""Every way to tell, and no run but one for each of the three generations."""
ABANDONED = ((World.crash, 1), (World.tell, 0), (World.rest, 0))
"""An upload that settles behind the back of a run that died holding the database."""
SCRIPTS = st.lists(st.tuples(st.sampled_from(MOVES), st.integers(0, 7)), min_size=1, max_size=8)


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """The app with impatient passes and a short quiet time, and one pass made."""
    async with UploadScene(tmp_path_factory.mktemp("interleavings"), **IMPATIENT, **QUIET) as scene:
        await reconciled(scene)
        yield scene


@settings(
    max_examples=9,
    deadline=None,
    derandomize=True,
    # An example costs seconds, so none is made smaller.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=SCRIPTS)
@example(script=EVENTFUL)
@example(script=ABANDONED)
async def test_law_once_things_are_quiet_all_is_as_it_must_be(place, script):
    await place.blobs.clear()
    world = World(place, await place.new(f"law_{next(_NUMBERS)}"))
    for move, number in script:
        await move(world, number)
    await world.quiet()

    await reconciled(place)
    await world.quiet()
    await is_idle(place)

    sets = [count for count in PRESETS if count <= world.volumes]
    await place.is_whole(world.db, world.volumes, sets)
    reply = await place.api.verify(world.db)
    assert reply.json()["drift"] == "current", reply.text
    assert (await place.upload_state(world.db)).run is None
    assert await worked_by_itself(world) <= world.generations + world.faults


async def worked_by_itself(world: World) -> int:
    """How many runs nobody asked for there were; those that found the database held never were runs."""
    unasked = [one for one in await world.runs() if one["id"] not in world.accepted]
    return sum(1 for one in unasked if one["error"] is None or one["error"]["code"] != "LeaseHeld")
