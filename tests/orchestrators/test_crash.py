"""A worker that dies, at every step of a run: the run finishes, and what it leaves behind is right.

One death serves all steps of a moment: as many databases are sharded at once, each one's run is held up at a step of its
own, and when all are there the worker is killed.
"""

import asyncio
from typing import NamedTuple

import pytest

from tests.builders import manifest
from tests.orchestrators.crossroads import Step
from tests.orchestrators.scene import deleting, held, listing, nth, putting, until

ACTIVITIES = [
    Step("activity", name)
    for name in ("inspect_database", "mark_started", "upload_shard_set", "commit_metadata", "remove_orphans")
]
LEASE = [Step("entity", "lease", number) for number in (1, 2, 3)]  # acquire, renew, release
TURNS = [Step("orchestrator", "shard", number) for number in range(1, 10)]
STEPS = [*ACTIVITIES, *LEASE, *TURNS]
VOLUMES, SETS = 4, (2,)
"""One preset and one orphan: then a run has exactly these steps."""


class Wreck(NamedTuple):
    """What became of the runs that a dying worker left behind: by step, and of one that fails by itself."""

    operations: dict[Step, dict]
    refused: dict
    deliveries: dict[Step, int]
    databases: dict[Step, str]
    gap: str


@pytest.fixture(scope="module", params=["delivered", "answered", "recorded"])
async def wreck(scene, request):
    """The worker died once, while each run stood at this moment of a step of its own."""
    moment = request.param
    databases = {step: f"crash.{moment}.{step.kind[0]}.{step}" for step in STEPS}
    gap = f"crash.{moment}.gap"
    await asyncio.gather(*(with_orphan(scene, db) for db in (*databases.values(), gap)))
    await scene.blobs.delete(f"{gap}/{gap}.01.nsq")
    stops = [scene.stop(db, step, moment, redeliver=moment == "answered") for step, db in databases.items()]
    stops.append(scene.stop(gap, Step("activity", "record_failure"), moment, redeliver=moment == "answered"))
    runs = dict(zip((*STEPS, None), await start_all(scene, [*databases.values(), gap]), strict=True))
    await asyncio.gather(*(stop.reached() for stop in stops))
    scene.stack.host.worker.kill()
    for stop in stops:
        stop.go()
    await scene.stack.host.wait_worker_ready()
    operations = dict(zip(runs, await asyncio.gather(*map(scene.ended, runs.values())), strict=True))
    deliveries = {step: scene.crossroads.delivered(runs[step])[step.name] for step in STEPS}
    return Wreck(operations, operations.pop(None), deliveries, databases, gap)


async def start_all(scene, databases):
    return await asyncio.gather(*(scene.started(db, presets=SETS) for db in databases))


async def with_orphan(scene, db):
    await scene.new(db, VOLUMES)
    await scene.blobs.put(manifest(db, 2, 5), b"left by a larger set\n")


@pytest.mark.parametrize("step", STEPS, ids=str)
async def test_run_whose_worker_dies_finishes_and_leaves_all_as_it_should_be(scene, wreck, step):
    operation = wreck.operations[step]
    assert operation["status"] == "Succeeded", operation
    await scene.is_whole(wreck.databases[step], VOLUMES, SETS, epoch=1)


async def test_run_that_fails_records_it_even_if_its_worker_dies_over_that(scene, wreck):
    assert (wreck.refused["status"], wreck.refused["error"]["code"]) == ("Failed", "VolumeGap")
    document = await scene.blobs.metadata(wreck.gap)
    assert document["sharding_in_progress"] is False
    assert document["sharding_error"].startswith("VolumeGap: ")
    assert (await scene.lease(wreck.gap))["operation_id"] is None


@pytest.mark.parametrize("wreck", ["answered"], indirect=True)
async def test_work_whose_answer_died_with_the_worker_is_done_again(wreck):
    assert {step: wreck.deliveries[step] for step in ACTIVITIES} == dict.fromkeys(ACTIVITIES, 2)


@pytest.fixture(scope="module")
async def flotsam(scene):
    """The worker died while its requests were on their way to storage; they arrive after the runs have ended."""
    ways = {
        "inspect_database": lambda db: nth(2, listing(db)),  # the first one is the route's
        "mark_started": lambda db: nth(1, putting(f"{db}-metadata.json")),
        "upload_shard_set": lambda db: nth(1, putting(manifest(db, 2, 0))),
        "commit_metadata": lambda db: nth(2, putting(f"{db}-metadata.json")),
        "remove_orphans": lambda db: nth(1, deleting(db)),
    }
    databases = {name: f"flotsam.{name}" for name in ways}
    await asyncio.gather(*(with_orphan(scene, db) for db in databases.values()))
    late = [scene.proxy.hold(way(databases[name])) for name, way in ways.items()]
    runs = await start_all(scene, databases.values())
    await held(*late)
    scene.stack.host.worker.kill()
    await scene.stack.host.wait_worker_ready()
    operations = await asyncio.gather(*map(scene.ended, runs))
    before = {db: await scene.blobs.get(f"{db}-metadata.json") for db in databases.values()}
    scene.proxy.clear()
    for hold in late:
        hold.release()
    await until(lambda: len(scene.proxy.records) >= len(late))
    return {name: (databases[name], operation, before[databases[name]]) for name, operation in zip(ways, operations, strict=True)}


@pytest.mark.parametrize("step", ACTIVITIES, ids=str)
async def test_request_that_outlives_its_worker_does_no_harm(scene, flotsam, step):
    db, operation, before = flotsam[step.name]
    assert operation["status"] == "Succeeded", operation
    assert await scene.blobs.get(f"{db}-metadata.json") == before
    await scene.is_whole(db, VOLUMES, SETS, epoch=1)


async def test_worker_may_die_again_and_again(scene):
    db = "crash.often"
    await with_orphan(scene, db)
    stops = [scene.stop(db, step, "answered", redeliver=True) for step in ACTIVITIES[:3]]
    run = await scene.started(db, presets=SETS)
    for stop in stops:
        await stop.reached()
        scene.stack.host.worker.kill()
        stop.go()
    await scene.stack.host.wait_worker_ready()
    assert (await scene.ended(run))["status"] == "Succeeded"
    await scene.is_whole(db, VOLUMES, SETS, epoch=1)
