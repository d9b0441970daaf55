"""Cancelling prepare-db at every step: before anything is put in place nothing was touched; after that it goes to its end."""

import pytest

from shared.runs.ids import operation_id
from tests.orchestrators.crossroads import Step
from tests.orchestrators.importing import FIRST, SECOND, TAXONOMY, reading
from tests.orchestrators.scene import ACCOUNT

SIZES = (3000, 100)
SECOND_RUN = 3
"""The shard run at the end of the first one rises above the epoch that it finds in the metadata, which is its own."""
IN_TIME = {
    "planning": (Step("activity", "plan_copy"), "answered"),
    "marking": (Step("activity", "mark_update"), "answered"),
    "copying": (Step("activity", "copy_files"), "answered"),
    "checking": (Step("activity", "check_copy"), "answered"),
}
TOO_LATE = {
    "promoting": (Step("activity", "promote_files"), "answered"),
    "removing ghosts": (Step("activity", "clear_files"), "answered"),
    "promoted": (Step("activity", "mark_update", 3), "answered"),
}


async def cancel_at(importer, db, step, *, number=1, **fields):
    """Start a run, cancel it while it stands at a step, and let it go on; the operation's end."""
    run = operation_id("prepare", ACCOUNT, db, number)
    stop = importer.scene.crossroads.stop(run, step[0], step[1])
    assert await importer.start(db, **fields) == run
    await stop.reached()
    reply = await importer.cancel(db)
    assert reply.status_code == 202, reply.text
    assert reply.json()["operation_id"] == run
    stop.go()
    return await importer.scene.ended(run)


@pytest.mark.parametrize("phase", IN_TIME)
async def test_canceled_update_leaves_the_old_generation_and_nothing_of_the_new_one(importer, phase):
    db = f"stop.update.{phase}"
    old = await importer.publish(db, content=b"a", sizes=SIZES)
    await importer.prepared(db)
    await importer.publish(db, snapshot=SECOND, content=b"b", sizes=SIZES)
    await importer.ncbi.name_latest(FIRST)
    operation = await cancel_at(importer, db, IN_TIME[phase], number=SECOND_RUN, source=SECOND)
    assert operation["status"] == "Canceled", operation
    assert (operation["kind"], operation["progress"]["phase"]) == ("prepare", "canceled")
    assert await importer.in_place(db) == {**old, **TAXONOMY}
    document = await importer.blobs.metadata(db)
    assert (document["source_version"], document["update_in_progress"]) == (FIRST, False)
    if phase != "planning":
        assert (document["copy_status"]["phase"], document["copy_status"]["untouched"]) == ("cancelled", True)
        assert await importer.staged(db) == []
    await importer.scene.is_whole(db, 3, (1, 2))
    assert (await importer.api.sharded(db))["outcome"] == "unchanged"


async def test_canceled_first_copy_leaves_no_file_and_an_upload_after_it_is_sharded(importer):
    db = "stop.first"
    await importer.publish(db, sizes=SIZES)
    operation = await cancel_at(importer, db, IN_TIME["copying"])
    assert operation["status"] == "Canceled", operation
    assert await importer.in_place(db) == {}
    assert await importer.staged(db) == []
    status = (await importer.blobs.metadata(db))["copy_status"]
    assert (status["phase"], status.get("untouched")) == ("cancelled", True)
    assert (await importer.api.rows())[db]["copy_status"]["phase"] == "cancelled"
    assert (await importer.api.start_shard(db)).json()["error"]["code"] == "DatabaseNotFound"
    await importer.scene.new(db)
    assert (await importer.api.sharded(db))["outcome"] == "sharded"
    assert (await importer.prepared(db))["outcome"] == "prepared"


async def test_upload_after_a_first_copy_that_failed_before_anything_was_in_place_is_sharded(importer):
    db = "stop.failed"
    await importer.publish(db, sizes=SIZES)
    rule = importer.proxy.fail(reading(f"/{db}.02.nsq"), status=403)
    assert (await importer.refused(db))["code"] == "SourceRefused"
    rule.remove()
    assert await importer.in_place(db) == {}
    await importer.scene.new(db)
    assert (await importer.api.sharded(db))["outcome"] == "sharded"


@pytest.mark.parametrize("phase", TOO_LATE)
async def test_update_that_is_being_put_in_place_goes_on_to_a_whole_generation(importer, phase):
    db = f"stop.late.{phase.replace(' ', '_')}"
    await importer.publish(db, 4, content=b"a", sizes=SIZES)
    await importer.prepared(db)
    files = await importer.publish(db, 3, snapshot=SECOND, content=b"b", sizes=SIZES)
    await importer.ncbi.publish(SECOND, TAXONOMY)
    await importer.ncbi.name_latest(FIRST)
    await cancel_at(importer, db, TOO_LATE[phase], number=SECOND_RUN, source=SECOND)
    assert await importer.in_place(db) == {**files, **TAXONOMY}
    document = await importer.blobs.metadata(db)
    assert (document["source_version"], document["copy_status"]["phase"]) == (SECOND, "completed")
    assert "promoting_source_version" not in document
    assert (await importer.scene.lease(db))["operation_id"] is None
    await importer.api.sharded(db)
    await importer.is_in_place(db, files, version=SECOND)


async def dies_at(importer, db, step, **fields):
    """Start the second run and terminate it once a step of it was answered."""
    run = operation_id("prepare", ACCOUNT, db, SECOND_RUN)
    stop = importer.scene.crossroads.stop(run, step, "answered")
    assert await importer.start(db, **fields) == run
    await stop.reached()
    await importer.scene.terminate(run)
    stop.go()


async def test_promotion_that_is_rolled_forward_goes_to_its_end_too(importer):
    db = "stop.forward"
    await importer.publish(db, content=b"a", sizes=SIZES)
    await importer.prepared(db)
    files = await importer.publish(db, 3, snapshot=SECOND, content=b"b", sizes=SIZES)
    await importer.ncbi.publish(SECOND, TAXONOMY)
    await dies_at(importer, db, Step("activity", "mark_update", 2), source=SECOND)
    assert (await importer.blobs.metadata(db))["promoting_source_version"] == SECOND
    number = (await importer.scene.lease(db))["epoch"] + 1

    operation = await cancel_at(importer, db, IN_TIME["marking"], number=number)

    assert (operation["status"], operation["result"]["source_version"]) == ("Canceled", SECOND)
    assert await importer.in_place(db) == {**files, **TAXONOMY}
    assert await importer.staged(db) == []
    assert (await importer.api.sharded(db))["outcome"] == "sharded"


async def test_what_a_run_left_staged_that_died_after_its_promotion_is_removed_by_the_next_one(importer):
    db = "stop.leftover"
    await importer.publish(db, content=b"a", sizes=SIZES)
    await importer.prepared(db)
    await importer.publish(db, 3, snapshot=SECOND, content=b"b", sizes=SIZES)
    await importer.ncbi.publish(SECOND, TAXONOMY)
    await dies_at(importer, db, Step("activity", "mark_update", 3), source=SECOND)
    assert await importer.staged(db)

    assert (await importer.prepared(db, source=SECOND))["outcome"] == "unchanged"

    assert await importer.staged(db) == []


async def test_nothing_to_cancel_is_not_found(importer):
    reply = await importer.cancel("stop.nothing")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "OperationNotFound")
