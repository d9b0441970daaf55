"""Holders that are gone for good, and holders that wake up too late."""

import asyncio
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from tests.builders import manifest
from tests.orchestrators.crossroads import Step
from tests.orchestrators.scene import deleting, held, listing, nth, putting, until

UPLOAD = Step("activity", "upload_shard_set")


@pytest.mark.parametrize("purged", [False, True], ids=["terminated", "purged"])
async def test_holder_that_is_known_dead_is_displaced_at_once(scene, purged):
    db = await scene.new(f"dead.{purged}".lower())
    stop = scene.stop(db, UPLOAD, "answered")
    first = await scene.started(db, presets=[2])
    await stop.reached()
    await scene.terminate(first)
    if purged:
        async with scene.client() as client:
            assert (await client.purge_orchestration(first)).deleted_instance_count == 1
    held_by_the_dead = await scene.lease(db)
    second = await scene.started(db, presets=[2])
    operation = await scene.ended(second)
    stop.go()

    assert (held_by_the_dead["epoch"], held_by_the_dead["operation_id"]) == (1, first)
    assert second == scene.run_of(db, 2)
    assert operation["status"] == "Succeeded", operation
    await scene.is_whole(db, 3, (2,), epoch=2)


async def test_run_that_was_terminated_before_it_held_anything_blocks_nobody(scene):
    db = await scene.new("dead.early")
    stop = scene.stop(db, Step("orchestrator", "shard"), "delivered")
    first = await scene.started(db, presets=[1])
    await stop.reached()
    address = f"/runtime/webhooks/durabletask/instances/{first}/terminate"
    assert (await scene.api.post(address)).status_code == 202
    stop.go()
    assert (await scene.ended(first))["error"]["code"] in {"Terminated", "Canceled"}
    assert (await scene.api.shard(db, presets=[1]))["status"] == "Succeeded"
    await scene.is_whole(db, 3, (1,))


class Relay(NamedTuple):
    """Two runs for one database: the first slept past its lease, the second took over and ended, the first woke up."""

    db: str
    refused_meanwhile: bool
    second: dict
    metadata: bytes
    first: dict
    writes: list[int]
    metadata_after: bytes


STALLS = {
    "inspect": lambda db: nth(2, listing(db)),
    "mark": lambda db: nth(1, putting(f"{db}-metadata.json")),
    "upload": lambda db: nth(1, putting(manifest(db, 2, 0))),
    "commit": lambda db: nth(2, putting(f"{db}-metadata.json")),
    "cleaning": lambda db: nth(1, deleting(db)),
}


@pytest.fixture(scope="module")
async def relays(hasty):
    """One for each request at which a run may sleep; all at the same time, as each waits for a lease's end."""
    return dict(zip(STALLS, await asyncio.gather(*(relay(hasty, name, stall) for name, stall in STALLS.items())), strict=True))


async def relay(scene, name, stall) -> Relay:
    db = await scene.new(f"late.{name}", 4)
    await scene.blobs.put(manifest(db, 2, 5), b"left by a larger set\n")
    sleeper = scene.proxy.hold(stall(db))
    first = await scene.started(db, presets=[2])
    await held(sleeper)
    at_once = await scene.api.start_shard(db, presets=[2])
    second = await scene.ended(await takeover(scene, db))
    before = await scene.blobs.get(f"{db}-metadata.json")
    known = len(scene.proxy.records)
    sleeper.release()
    end = await scene.ended(first)
    late = [r.status for r in scene.proxy.records[known:] if r.method in {"PUT", "DELETE"} and db in r.path]
    return Relay(db, at_once.status_code == 409, second, before, end, late, await scene.blobs.get(f"{db}-metadata.json"))


async def takeover(scene, db) -> str:
    """Ask until the lease has expired and the next run is let in; its operation id."""
    runs = []
    expires = datetime.fromisoformat((await scene.lease(db))["expires"])
    await until(lambda: datetime.now(UTC) > expires)

    async def let_in() -> bool:
        reply = await scene.api.start_shard(db, presets=[2])
        if reply.status_code == 202:
            runs.append(reply.json()["operation_id"])
        return bool(runs)

    await until(let_in)
    return runs[0]


@pytest.mark.parametrize("stall", STALLS)
async def test_expired_holder_is_displaced_and_writes_nothing_when_it_wakes_up(hasty, relays, stall):
    relay = relays[stall]
    assert relay.refused_meanwhile
    assert relay.second["status"] == "Succeeded", relay.second
    assert relay.metadata_after == relay.metadata
    assert [status for status in relay.writes if status < 300] == []
    await hasty.is_whole(relay.db, 4, (2,), epoch=2)


@pytest.mark.parametrize("stall", ["inspect", "mark", "upload", "commit"])
async def test_expired_holder_ends_as_having_lost_its_lease(relays, stall):
    assert relays[stall].first["status"] == "Failed", relays[stall].first
    assert relays[stall].first["error"]["code"] == "LeaseLost"


async def test_holder_that_wakes_up_before_its_successor_has_written_writes_nothing_either(hasty):
    db = await hasty.new("late.between", 4)
    sleeper = hasty.proxy.hold(nth(1, putting(manifest(db, 2, 0))))
    successor = hasty.stop(db, Step("activity", "inspect_database"), "answered", number=2)
    first = await hasty.started(db, presets=[2])
    await held(sleeper)
    second = await takeover(hasty, db)
    await successor.reached()
    before = await hasty.blobs.get(f"{db}-metadata.json")
    sleeper.release()
    end = await hasty.ended(first)
    after = await hasty.blobs.get(f"{db}-metadata.json")
    successor.go()

    assert end["error"]["code"] == "LeaseLost"
    assert after == before
    assert (await hasty.ended(second))["status"] == "Succeeded"
    await hasty.is_whole(db, 4, (2,), epoch=2)


async def test_holder_that_oversleeps_while_nobody_waits_goes_on_as_if_nothing_had_been(hasty):
    db = await hasty.new("late.alone", 4)
    sleeper = hasty.proxy.hold(nth(1, putting(manifest(db, 2, 0))))
    run = await hasty.started(db, presets=[2])
    await held(sleeper)
    expires = datetime.fromisoformat((await hasty.lease(db))["expires"])
    await until(lambda: datetime.now(UTC) > expires)
    sleeper.release()
    assert (await hasty.ended(run))["status"] == "Succeeded"
    await hasty.is_whole(db, 4, (2,), epoch=1)


async def test_late_cleaning_leaves_alone_what_was_written_since_it_looked(hasty):
    db = await hasty.new("late.broom", 4)
    stray = manifest(db, 2, 5)
    await hasty.blobs.put(stray, b"left by a larger set\n")
    sleeper = hasty.proxy.hold(nth(1, deleting(db)))
    first = await hasty.started(db, presets=[2])
    await held(sleeper)
    second = await takeover(hasty, db)
    assert (await hasty.ended(second))["result"]["orphans_removed"] == 1
    await hasty.blobs.put(stray, b"of a later generation\n")
    sleeper.release()
    await hasty.ended(first)
    assert await hasty.blobs.get(stray) == b"of a later generation\n"
