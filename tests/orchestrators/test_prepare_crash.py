"""A worker that dies, at every step of a prepare-db run: the run finishes, and no verified byte was copied twice."""

import asyncio
from typing import NamedTuple

import pytest

from shared.runs.ids import operation_id
from tests.orchestrators.crossroads import Step
from tests.orchestrators.importing import BLOCK, FIRST, SECOND, TAXONOMY, reading
from tests.orchestrators.scene import ACCOUNT, held, nth, until

ACTIVITIES = [
    Step("activity", name) for name in ("plan_copy", "mark_update", "copy_files", "check_copy", "promote_files", "clear_files")
]
MARKS = [Step("activity", "mark_update", number) for number in (2, 3)]
CLEARINGS = [Step("activity", "clear_files", 2)]
TURNS = [Step("orchestrator", "prepare", number) for number in (1, 3, 6, 9, 12)]
STEPS = [*ACTIVITIES, *MARKS, *CLEARINGS, *TURNS]
SIZES = (5 * BLOCK, 700, 2 * BLOCK)
HEADS = 600
"""More than the head of one answer of the source."""


class Wreck(NamedTuple):
    """What became of the runs that a dying worker left behind, by step."""

    operations: dict[Step, dict]
    databases: dict[Step, str]
    files: dict[Step, dict[str, bytes]]
    read: dict[Step, tuple[int, int]]


def name_of(moment, step):
    return f"wreck.{moment}.{step.kind[0]}.{step.name}.{step.number}"


@pytest.fixture(scope="module", params=["delivered", "answered", "recorded"])
async def wreck(importer, request):
    """The worker died once, while each run stood at this moment of a step of its own."""
    moment = request.param
    databases = {step: name_of(moment, step) for step in STEPS}
    files = {step: await importer.publish(db, sizes=SIZES) for step, db in databases.items()}
    importer.proxy.clear()
    stops = [
        importer.scene.crossroads.stop(
            operation_id("prepare", ACCOUNT, db, 1), step, moment, redeliver=moment == "answered" and step.kind == "activity"
        )
        for step, db in databases.items()
    ]
    runs = await asyncio.gather(*map(importer.start, databases.values()))
    await asyncio.gather(*(stop.reached() for stop in stops))
    # A lane beside the one that is held up: what it is at is neither verified nor to be counted.
    await until(lambda: importer.scene.crossroads.at_work(*runs) == 0)
    importer.scene.stack.host.worker.kill()
    for stop in stops:
        stop.go()
    await importer.scene.stack.host.wait_worker_ready()
    operations = dict(zip(STEPS, await asyncio.gather(*map(importer.scene.ended, runs)), strict=True))
    reads = {step: [one for one in importer.reads(db) if one.method == "GET"] for step, db in databases.items()}
    read = {step: (sum(one.response_bytes for one in some), len(some)) for step, some in reads.items()}
    return Wreck(operations, databases, files, read)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.name}-{step.number}")
async def test_run_whose_worker_dies_finishes_and_leaves_all_as_it_should_be(importer, wreck, step):
    operation = wreck.operations[step]
    assert operation["status"] == "Succeeded", operation
    await importer.is_in_place(wreck.databases[step], wreck.files[step])


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.name}-{step.number}")
async def test_byte_that_was_verified_is_not_copied_again(wreck, step):
    total = sum(map(len, wreck.files[step].values()))
    sent, answers = wreck.read[step]
    assert total < sent <= total + answers * HEADS
    blocks = sum(max(1, -(-len(data) // BLOCK)) for data in wreck.files[step].values())
    assert answers == blocks


async def test_blocks_of_a_file_whose_copy_died_in_the_middle_are_kept(importer):
    db = "wreck.middle"
    files = await importer.publish(db, sizes=SIZES)
    importer.proxy.clear()
    hold = importer.proxy.hold(nth(4, reading(f"/{db}.00.nsq")))
    run = await importer.start(db)
    await held(hold)
    importer.scene.stack.host.worker.kill()
    await importer.scene.stack.host.wait_worker_ready()
    hold.release()
    assert (await importer.scene.ended(run))["status"] == "Succeeded"
    await importer.is_in_place(db, files)
    reads = [one for one in importer.reads(db) if one.path.endswith(".00.nsq") and one.status == 206]
    # The one on its way when the worker died comes late, for nobody.
    assert len(reads) in {5, 6}


async def test_promotion_that_died_for_good_is_rolled_forward_by_the_next_run(importer):
    db = "wreck.promotion"
    await importer.publish(db, content=b"a", sizes=SIZES)
    await importer.prepared(db)
    files = await importer.publish(db, 3, snapshot=SECOND, content=b"b", sizes=SIZES)
    await importer.ncbi.publish(SECOND, TAXONOMY)
    await importer.ncbi.name_latest(FIRST)
    hold = importer.scene.proxy.hold(lambda request: "x-ms-copy-source" in request.headers and f"/{db}.02." in request.path)
    run = await importer.start(db, source=SECOND)
    await held(hold)
    await importer.scene.terminate(run)
    document = await importer.blobs.metadata(db)
    assert (document["promoting_source_version"], document["sharded"], document["shard_sets"]) == (SECOND, False, [])
    assert (document["source_version"], document["update_in_progress"]) == (FIRST, True)
    hold.release()
    # However old that is, two generations are never sharded as one.
    await importer.blobs.put_metadata(db, {**document, "update_started_at": "2020-01-01T00:00:00+00:00"})
    error = await importer.api.refused(db)
    assert error["code"] == "DatabaseNotReady"
    importer.proxy.clear()
    result = await importer.prepared(db)  # asks for the newest, which is the first
    assert (result["source_version"], result["bytes_copied"]) == (SECOND, 0)
    assert importer.bytes_read(db) == 0
    await importer.is_in_place(db, files, version=SECOND)
