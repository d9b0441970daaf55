"""Of many who ask, one is let in; of many runs for a database, one writes."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest

from shared.blastdb.blobs import PRESETS
from shared.runs.shard.payloads import ShardRun
from tests.builders import manifest
from tests.orchestrators.scene import ACCOUNT, held, listing, putting, writing_layout

CALLERS = 50


async def everybody_asks(scene, db, **fields):
    """Fifty requests at once; the accepted ones and the refused ones."""
    replies = await asyncio.gather(*(scene.api.start_shard(db, **fields) for _ in range(CALLERS)))
    assert Counter(reply.status_code for reply in replies) == {202: 1, 409: CALLERS - 1}
    (accepted,) = (reply.json() for reply in replies if reply.status_code == 202)
    return accepted["operation_id"], [reply for reply in replies if reply.status_code == 409]


def names_the_holder(reply, run, url):
    body = reply.json()
    assert reply.headers["x-ms-error-code"] == body["error"]["code"] == "LeaseHeld"
    assert reply.headers["operation-location"] == f"{url}/api/operations/{run}"
    assert body["operation_id"] == body["holder"]["operation_id"] == run
    assert run in body["error"]["message"]
    assert 0 <= body["holder"]["age_seconds"] < 60
    assert body["holder"]["since"]
    return True


@pytest.mark.parametrize("attempt", range(3))
async def test_one_of_fifty_simultaneous_requests_starts_a_run_and_the_others_are_told_whose(scene, attempt):
    db = await scene.new(f"rush-{attempt}", 10)
    run, refusals = await everybody_asks(scene, db)
    assert all(names_the_holder(reply, run, scene.stack.addresses.functions_url) for reply in refusals)
    assert (await scene.ended(run))["status"] == "Succeeded"
    await scene.is_whole(db, 10, PRESETS, epoch=1)


async def test_refusal_while_the_lease_is_held_says_when_it_expires(scene):
    db = await scene.new("rush.expiry")
    blocked = scene.proxy.hold(writing_layout(db))
    run = await scene.started(db, presets=[1])
    await held(blocked)
    refusals = [await scene.api.start_shard(db) for _ in range(2)]
    blocked.release()
    for reply in refusals:
        assert reply.status_code == 409
        assert names_the_holder(reply, run, scene.stack.addresses.functions_url)
        assert reply.json()["holder"]["expires"] > reply.json()["holder"]["since"]
    assert (await scene.ended(run))["status"] == "Succeeded"


@pytest.mark.parametrize("attempt", range(3))
async def test_one_of_fifty_is_let_in_even_when_there_is_nothing_to_do_and_the_run_is_over_at_once(scene, attempt):
    db = await scene.new(f"idle-{attempt}", 2)
    await scene.api.sharded(db)
    # All fifty are at the app before any of them goes on: only then are they simultaneous, however quick the run is.
    gate = scene.proxy.hold(listing(db))
    asking = asyncio.create_task(everybody_asks(scene, db))
    await asyncio.wait_for(gate.reached(CALLERS), 60)
    gate.release()
    run, refusals = await asking
    assert all(names_the_holder(reply, run, scene.stack.addresses.functions_url) for reply in refusals)
    assert (await scene.ended(run))["result"]["outcome"] == "unchanged"
    assert (await scene.lease(db))["operation_id"] is None


async def test_ten_databases_are_sharded_at_the_same_time(scene):
    databases = [f"ten-{number}" for number in range(10)]
    await asyncio.gather(*(scene.new(db, 3) for db in databases))
    firsts = tuple(manifest(db, 1, 0) for db in databases)
    gate = scene.proxy.hold(putting(*firsts))
    runs = await asyncio.gather(*map(scene.started, databases))
    # Each of the ten has begun to write, and none has ended.
    await asyncio.wait_for(gate.reached(10), 60)
    running = await asyncio.gather(*map(scene.api.operation, runs))
    gate.release()
    assert {operation["status"] for operation in running} == {"Running"}
    ends = await asyncio.gather(*map(scene.ended, runs))
    assert {operation["status"] for operation in ends} == {"Succeeded"}
    assert max(end["created_at"] for end in ends) < min(end["last_updated_at"] for end in ends)
    await asyncio.gather(*(scene.is_whole(db, 3, (1, 2, 3), epoch=1) for db in databases))


async def test_runs_of_one_database_never_write_at_the_same_time_and_epochs_only_rise(scene):
    db = await scene.new("contended", 4)
    epochs = []
    wanted = 5

    async def note_epoch():
        epochs.append((await scene.blobs.metadata(db))["shard_epoch"])

    for number in range(1, wanted + 12):
        for step in ("mark_started", "commit_metadata"):
            scene.crossroads.each(scene.run_of(db, number), "activity", step, "answered", note_epoch)
    scene.proxy.clear()
    accepted = []

    async def ask_until_enough():
        while len(accepted) < wanted:
            reply = await scene.api.start_shard(db, presets=[1, 2, 4], force=True)
            assert reply.status_code in {202, 409}
            if reply.status_code == 202:
                accepted.append(reply.json()["operation_id"])

    await asyncio.gather(*(ask_until_enough() for _ in range(8)))
    ends = await asyncio.gather(*map(scene.ended, accepted))

    assert {end["status"] for end in ends} == {"Succeeded"}
    assert len(set(accepted)) == len(accepted)
    assert epochs == sorted(epochs)
    assert len(set(epochs)) == len(accepted)
    marks = metadata_writes(scene, db)
    assert len(marks) == 2 * len(accepted)
    assert all(one.ended <= next_one.started for one, next_one in pairwise(marks))
    spans = list(zip(marks[::2], marks[1::2], strict=True))
    layout = [record for record in scene.proxy.records if record.method == "PUT" and f"shards/{db}_shard_" in record.path]
    assert len(layout) == 14 * len(accepted)
    for record in layout:
        assert any(mark.ended <= record.started and record.ended <= commit.started for mark, commit in spans)
    await scene.is_whole(db, 4, (1, 2, 4))


def metadata_writes(scene, db):
    """The successful writes of a database's metadata, in the order of their ends."""
    return [record for record in scene.proxy.records if putting(f"/{db}-metadata.json")(record) and record.status == 201]


async def test_epoch_that_a_former_task_hub_left_is_passed_and_its_fields_survive(scene):
    db = await scene.new("former.hub")
    await scene.blobs.put_metadata(db, {"shard_epoch": 57, "sharding_in_progress": True, "downloaded_at": "then"})
    await scene.api.sharded(db, presets=[2])
    await scene.is_whole(db, 3, (2,), epoch=58)
    assert (await scene.blobs.metadata(db))["downloaded_at"] == "then"
    run = await scene.started(db, presets=[3])
    assert run == scene.run_of(db, 59)
    assert (await scene.ended(run))["status"] == "Succeeded"
    await scene.is_whole(db, 3, (2, 3), epoch=59)


async def test_run_that_got_past_the_route_is_refused_by_the_lease_itself(scene):
    db = await scene.new("second.gate")
    gate = scene.proxy.hold(writing_layout(db))
    first = await scene.started(db, presets=[2])
    await held(gate)
    scene.proxy.clear()
    second = scene.run_of(db, 2)
    request = ShardRun(run=second, number=2, account=ACCOUNT, db=db, presets=(3,))
    async with scene.client() as client:
        await client.schedule_new_orchestration("shard", instance_id=second, input=request.model_dump(mode="json"))
    refused = await scene.ended(second)
    touched = [record for record in scene.proxy.records if db in record.path + record.query]
    gate.release()

    assert (refused["status"], refused["error"]["code"]) == ("Failed", "LeaseHeld")
    assert first in refused["error"]["message"]
    assert touched == []
    assert (await scene.ended(first))["status"] == "Succeeded"
    await scene.is_whole(db, 3, (2,), epoch=1)
    # The id that was used up is passed over, and epochs keep up with ids.
    third = await scene.started(db, presets=[3])
    assert third == scene.run_of(db, 3)
    assert (await scene.ended(third))["status"] == "Succeeded"
    await scene.is_whole(db, 3, (2, 3), epoch=3)
