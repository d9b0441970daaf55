"""A database that is uploaded becomes sharded with no request, once for each of its generations."""

import asyncio
import random

import pytest

from orchestrators.settle import _ROUNDS
from shared.runs.ids import lease_key
from tests.builders import database, papers
from tests.driving import sent, writes
from tests.orchestrators.crossroads import Step
from tests.orchestrators.scene import ACCOUNT, held, until, writing_layout
from tests.storage_events import event
from tests.uploads.scene import QUIET_SECONDS


@pytest.mark.parametrize("cloud", [False, True], ids=["Event Grid schema", "CloudEvents"])
async def test_uploaded_database_is_sharded_with_no_request(uploads, cloud):
    db = f"arrives-{cloud}"
    files = database(db, 3)
    await uploads.blobs.upload(files)
    await uploads.tell(*(event(name, cloud=cloud) for name in files), cloud=cloud)
    settled = await uploads.settled(db)

    assert (settled["status"], settled["result"]["outcome"]) == ("Succeeded", "sharded"), settled
    await uploads.is_whole(db, 3, (1, 2, 3), epoch=1)
    (run,) = await uploads.runs(db)
    assert run["id"] == settled["result"]["shard_operation_id"]


async def test_md5_that_a_run_stores_is_no_news_to_a_late_event(uploads):
    db = "in-blocks"
    files = database(db, 3)
    await uploads.blobs.upload_in_blocks(files)
    name = f"{db}/{db}.00.nsq"
    etag = (await uploads.blobs.container.get_blob_client(name).get_blob_properties()).etag.strip('"')
    await uploads.tell(*(event(name, api="PutBlockList") for name in files))
    assert (await uploads.settled(db))["result"]["outcome"] == "sharded"
    assert None not in (await uploads.blobs.md5s(db)).values()

    await uploads.tell(event(name, api="PutBlockList", etag=etag))

    assert (await uploads.settled(db, 2))["result"]["outcome"] == "unchanged"
    assert len(await uploads.runs(db)) == 1


async def test_single_cloud_event_that_is_no_batch_is_taken(uploads):
    files = database("single", 1)
    await uploads.blobs.upload(files)
    one = event("single/single.00.nsq", cloud=True)
    reply = await uploads.api.post(
        "/runtime/webhooks/EventGrid?functionName=on_blob_event",
        json=one,
        headers={"content-type": "application/cloudevents+json"},
    )

    assert reply.status_code == 202
    assert (await uploads.settled("single"))["result"]["outcome"] == "sharded"


async def test_replaced_volume_makes_a_new_generation_and_one_more_run(uploads):
    db = "replaced"
    await uploads.arrives(db)
    await uploads.settled(db)
    before = await uploads.blobs.metadata(db)
    await uploads.blobs.upload({f"{db}/{db}.01.nsq": b"another content"})
    await uploads.tell(event(f"{db}/{db}.01.nsq"))
    settled = await uploads.settled(db, 2)

    assert settled["result"]["outcome"] == "sharded"
    assert (await uploads.blobs.metadata(db))["shard_generation"] != before["shard_generation"]
    await uploads.is_whole(db, 3, (1, 2, 3), epoch=2)
    assert len(await uploads.runs(db)) == 2


async def test_database_that_grows_is_sharded_anew_with_all_of_its_volumes(uploads):
    db = "grows"
    await uploads.arrives(db, 2)
    await uploads.settled(db)
    await uploads.arrives(db, 5)
    await uploads.settled(db, 2)

    await uploads.is_whole(db, 5, (1, 2, 3, 4, 5), epoch=2)


async def test_files_uploaded_again_as_they_were_cause_no_run(uploads):
    db = "again"
    await uploads.arrives(db)
    await uploads.settled(db)
    await uploads.arrives(db)
    settled = await uploads.settled(db, 2)

    assert (settled["status"], settled["result"]["outcome"]) == ("Succeeded", "unchanged")
    assert len(await uploads.runs(db)) == 1
    await uploads.is_whole(db, 3, (1, 2, 3), epoch=1)


async def test_files_uploaded_again_cause_no_run_although_only_some_presets_were_asked_for(uploads):
    db = await uploads.new("again-some")
    await uploads.api.sharded(db, presets=[2])
    await uploads.arrives(db)

    assert (await uploads.settled(db))["result"]["outcome"] == "unchanged"
    await uploads.is_whole(db, 3, (2,), epoch=1)


async def test_events_that_come_late_and_again_start_nothing(uploads):
    db = "late"
    files = database(db, 3)
    await uploads.blobs.upload(files)
    events = [event(name) for name in files]
    older = [event(name, sequencer="0" * 32) for name in files]
    await uploads.tell(*events)
    await uploads.settled(db)
    await uploads.tell(*events, *older)

    async def all_counted():
        state = await uploads.upload_state(db)
        return (state.known, state.overtaken) == (len(files), len(files))

    await until(all_counted)
    state = await uploads.upload_state(db)
    assert (state.number, state.run, state.version) == (1, None, len(files))
    assert not await uploads.exists(uploads.settle_of(db, 2))
    assert len(await uploads.runs(db)) == 1


async def test_every_event_begins_the_wait_anew(uploads):
    db, loop = await uploads.new("slow", 2), asyncio.get_running_loop()
    uploads.proxy.clear()
    # The third turn is that in which the first wait is over.
    waited = uploads.crossroads.stop(uploads.settle_of(db), Step("orchestrator", "settle", 3), "delivered")
    await uploads.tell(event(f"{db}/{db}.00.nsq"))
    await waited.reached()
    last = loop.time()
    await uploads.tell(event(f"{db}/{db}.00.nsq"))

    async def is_heard():
        return (await uploads.upload_state(db)).version == 2

    await until(is_heard)
    waited.go()

    assert (await uploads.settled(db))["result"]["outcome"] == "sharded"
    looks = [record.started for record in uploads.proxy.records if db in record.path + record.query]
    assert min(looks) >= last + QUIET_SECONDS
    assert len(await uploads.runs(db)) == 1


async def test_files_in_any_order_doubled_and_delayed_make_one_run(uploads):
    db, chance = "shuffled", random.Random(7)
    files = database(db, 10)
    names = [*files, *files]
    chance.shuffle(names)
    await uploads.blobs.upload(files)
    events = {name: event(name) for name in files}
    for at in range(0, len(names), 7):
        await uploads.tell(*(events[name] for name in names[at : at + 7]))
    await uploads.settled(db)

    assert len(await uploads.runs(db)) == 1
    await uploads.is_whole(db, 10, (1, 2, 3, 4, 5, 6, 8, 10), epoch=1)


async def test_volume_that_arrives_during_the_run_is_sharded_by_the_same_settle(uploads):
    db = "during"
    blocked = uploads.proxy.hold(writing_layout(db))
    await uploads.arrives(db, 2)
    await held(blocked)
    await uploads.arrives(db, 3)
    blocked.release()
    await uploads.settled(db)

    await uploads.is_whole(db, 3, (1, 2, 3))
    assert not await uploads.exists(uploads.settle_of(db, 2))
    assert len(await uploads.runs(db)) <= 2


async def test_volume_that_arrives_when_the_run_has_just_ended_is_sharded_by_the_same_settle(uploads):
    db = await uploads.new("just-ended", 2)
    # Two looks at the upload with a timer between them, two at storage, one at the lease, and the run.
    after_the_run = uploads.crossroads.stop(uploads.settle_of(db), Step("orchestrator", "settle", 8), "delivered")
    await uploads.tell(event(f"{db}/{db}.00.nsq"))
    await after_the_run.reached()
    await uploads.is_whole(db, 2, (1, 2), epoch=1)
    await uploads.arrives(db, 3)
    after_the_run.go()
    settled = await uploads.settled(db)

    assert settled["result"]["outcome"] == "sharded"
    await uploads.is_whole(db, 3, (1, 2, 3), epoch=2)
    assert not await uploads.exists(uploads.settle_of(db, 2))


async def test_run_that_somebody_asked_for_is_joined_and_not_repeated(uploads):
    db = await uploads.new("joined")
    blocked = uploads.proxy.hold(writing_layout(db))
    run = await uploads.started(db)
    await held(blocked)
    await uploads.tell(event(f"{db}/{db}.00.nsq"))
    await uploads.waits_in_vain(db)
    blocked.release()
    assert (await uploads.ended(run))["status"] == "Succeeded"
    settled = await uploads.settled(db)

    assert settled["result"]["outcome"] == "unchanged"
    assert [one["id"] for one in await uploads.runs(db)] == [run]


async def test_own_writes_of_a_run_start_nothing_when_all_of_them_are_told(uploads):
    db = await uploads.new("own")
    uploads.proxy.clear()
    await uploads.api.sharded(db)
    await uploads.blobs.put(f"10shards/{db}_shard_09/{db}_shard_09.manifest", b"an orphan")
    await uploads.api.sharded(db, force=True)
    own = [one for one in writes(uploads.proxy.records) if db in one.blob]
    assert len(own) > 20
    assert {one.method for one in own} == {"PUT", "DELETE"}
    await uploads.tell(*(event(one.blob, deleted=one.method == "DELETE") for one in own))
    before = len(await uploads.runs(db))
    # News of the database itself: the settle that it starts is the first.
    await uploads.tell(event(f"{db}/{db}.00.nsq"))
    settled = await uploads.settled(db)

    assert settled["result"]["outcome"] == "unchanged"
    assert len(await uploads.runs(db)) == before == 2


async def test_dropped_events_are_counted_with_their_reasons(uploads):
    await uploads.tell(
        event("8shards/x_shard_01/x_shard_01.nal"),
        event("x-metadata.json"),
        event("x/.staging/2026/x.00.nsq"),
        event("x/taxdb.btd"),
        event("x/x.00.nsq", container="other"),
        event("x/x.00.nsq", account="somebodyelse"),
        event("x/x.00.nsq", api="CreateFile"),
        event("x/x.00.nsq") | {"eventType": "Microsoft.Storage.BlobTierChanged"},
        event("x/x.00.nsq") | {"data": {}, "topic": "?"},
    )
    log = uploads.stack.logs / "worker.log"
    counted = [line for line in log.read_text().splitlines() if "Event dropped." in line]

    for reason in ("layout", "metadata", "staging", "foreign-path", "other-container", "account-not-allowed"):
        assert any(f"reason={reason}" in line for line in counted), reason
    for reason in ("incomplete-content", "unknown-type", "malformed"):
        assert any(f"reason={reason}" in line for line in counted), reason
    assert not await uploads.exists(uploads.settle_of("x"))


async def test_deleted_database_ends_its_settle_and_nothing_is_written(uploads):
    db = "deleted"
    files = await uploads.arrives(db)
    await uploads.settled(db)
    await uploads.blobs.delete(*files)
    uploads.proxy.clear()
    await uploads.tell(*(event(name, deleted=True) for name in files))

    assert (await uploads.settled(db, 2))["result"]["outcome"] == "absent"
    assert [one for one in writes(uploads.proxy.records) if db in one.blob] == []
    assert len(await uploads.runs(db)) == 1


async def test_deleted_volume_of_a_shrinking_database_is_waited_for_until_the_rest_agrees(uploads):
    db = "shrinks"
    await uploads.arrives(db, 3)
    await uploads.settled(db)
    gone = [f"{db}/{db}.02.{extension}" for extension in ("nsq", "nin", "nhr")]
    await uploads.blobs.delete(*gone)
    await uploads.tell(*(event(name, deleted=True) for name in gone))
    await uploads.waits_in_vain(db, 2)
    assert len(await uploads.runs(db)) == 1
    fewer = papers(db, 2)
    await uploads.blobs.upload(fewer)
    await uploads.tell(*map(event, fewer))

    assert (await uploads.settled(db, 2))["result"]["outcome"] == "sharded"
    document = await uploads.blobs.metadata(db)
    assert document["shard_volume_count"] == 2


async def test_settle_that_is_canceled_ends_and_the_next_event_starts_another(uploads):
    db = "canceled"
    await uploads.arrives(db, without=(".01.nsq",))
    await uploads.waits_in_vain(db)
    assert (await uploads.api.post(f"/api/operations/{uploads.settle_of(db)}/cancel")).status_code == 202
    assert (await uploads.settled(db))["status"] == "Canceled"
    await uploads.arrives(db)

    assert (await uploads.settled(db, 2))["result"]["outcome"] == "sharded"


async def test_settle_that_is_canceled_as_its_execution_ends_does_not_begin_another(uploads):
    db = "canceled-late"
    await uploads.blobs.upload({name: data for name, data in database(db, 3).items() if not name.endswith(".01.nsq")})
    # After the arrival each round asks once, and one execution has so many rounds.
    last_round = uploads.crossroads.stop(f"@upload@{lease_key(ACCOUNT, db)}", Step("entity", "upload", 1 + _ROUNDS), "delivered")
    await uploads.tell(event(f"{db}/{db}.00.nsq"))
    await last_round.reached()
    assert (await uploads.api.post(f"/api/operations/{uploads.settle_of(db)}/cancel")).status_code == 202
    last_round.go()

    assert (await uploads.settled(db))["status"] == "Canceled"
    assert (await uploads.upload_state(db)).run is None


async def test_answer_to_an_event_waits_for_no_storage(uploads):
    uploads.proxy.clear()
    blocked = uploads.proxy.hold(lambda request: "aside" in request.path + request.query)
    await uploads.tell(event("aside/aside.00.nsq"))
    before = [one for one in sent(uploads.proxy.records) if "aside" in one.blob]
    blocked.release()

    assert before == []
    await until(lambda: uploads.has_settled("aside"))
