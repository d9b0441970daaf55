"""An upload that never becomes complete is given up, and says why where people look; what others do is left to them."""

import json

import pytest

from tests.orchestrators.scene import held, writing_layout
from tests.storage_events import event


@pytest.mark.parametrize(
    ("case", "missing", "code"),
    [
        ("sequences", (".01.nsq",), "VolumeGap"),
        ("index", (".02.nin",), "UploadIncomplete"),
        ("headers", (".00.nhr",), "UploadIncomplete"),
        ("names", (".ndb",), "MissingDatabaseFile"),
        ("last-volume", (".02.nsq", ".02.nin", ".02.nhr"), "VolumeGap"),
        ("every-volume", (".nsq",), "NoVolumes"),
    ],
)
async def test_incomplete_upload_is_given_up_and_the_listing_says_why(impatient, case, missing, code):
    db = f"gives-up-{case}"
    await impatient.arrives(db, without=missing)
    settled = await impatient.settled(db)

    assert (settled["status"], settled["error"]["code"]) == ("Failed", "UploadIncomplete")
    row = (await impatient.api.rows())[db]
    assert row["sharding_error"].startswith(f"{code}: ")
    assert (row["sharded"], row["sharding_in_progress"]) == (False, False)
    assert (await impatient.lease(db))["operation_id"] is None


async def test_upload_that_becomes_complete_after_all_is_sharded_and_the_reason_is_gone(impatient):
    db = "gives-up-late"
    files = await impatient.arrives(db, without=(".01.nsq",))
    assert (await impatient.settled(db))["status"] == "Failed"
    assert f"{db}/{db}.01.nsq" not in files
    await impatient.arrives(db)

    assert (await impatient.settled(db, 2))["result"]["outcome"] == "sharded"
    await impatient.is_whole(db, 3, (1, 2, 3))


@pytest.mark.parametrize("extension", ["nsq", "nin"])
async def test_sets_of_a_database_that_lost_a_file_of_a_volume_are_listed_no_more(impatient, extension):
    db = f"gives-up-{extension}"
    await impatient.arrives(db)
    await impatient.settled(db)
    await impatient.blobs.delete(f"{db}/{db}.01.{extension}")
    await impatient.tell(event(f"{db}/{db}.01.{extension}", deleted=True))

    assert (await impatient.settled(db, 2))["status"] == "Failed"
    row = (await impatient.api.rows())[db]
    assert (row["sharded"], row["shard_sets"]) == (False, [])
    assert "01" in row["sharding_error"]


PREPARING = {
    "copying": {"copy_status": {"phase": "copying"}},
    "half copied": {"copy_status": {"phase": "partial"}},
    "being updated": {"update_in_progress": True, "update_started_at": "2999-01-01T00:00:00+00:00"},
}


@pytest.mark.parametrize("case", PREPARING)
async def test_nothing_is_written_of_a_database_that_is_being_prepared(impatient, case):
    db = f"prepared-{case.replace(' ', '-')}"
    await impatient.blobs.put_metadata(db, {"db_name": db, "source_version": "2026", **PREPARING[case]})
    before = await impatient.blobs.get(f"{db}-metadata.json")
    await impatient.arrives(db, without=(".01.nsq",))
    settled = await impatient.settled(db)

    assert (settled["status"], settled["error"]["code"]) == ("Failed", "DatabaseNotReady")
    assert await impatient.blobs.get(f"{db}-metadata.json") == before
    assert await impatient.runs(db) == []


async def test_database_is_sharded_when_its_copy_ends_without_another_event(uploads):
    db = "prepared-in-time"
    document = {"db_name": db, "source_version": "2026"}
    await uploads.blobs.put_metadata(db, {**document, "copy_status": {"phase": "copying"}})
    await uploads.arrives(db)
    await uploads.waits_in_vain(db)
    operation = await uploads.api.operation(uploads.settle_of(db))
    assert operation["progress"]["reason"]["code"] == "DatabaseNotReady"
    await uploads.blobs.put_metadata(db, {**document, "copy_status": {"phase": "completed"}})

    assert (await uploads.settled(db))["result"]["outcome"] == "sharded"
    await uploads.is_whole(db, 3, (1, 2, 3), epoch=1)


async def test_database_that_another_run_holds_is_left_to_that_run(impatient):
    db = await impatient.new("held")
    blocked = impatient.proxy.hold(writing_layout(db))
    run = await impatient.started(db)
    await held(blocked)
    before = await impatient.blobs.get(f"{db}-metadata.json")
    await impatient.blobs.delete(f"{db}/{db}.01.nsq")
    await impatient.tell(event(f"{db}/{db}.01.nsq", deleted=True))
    settled = await impatient.settled(db)

    assert (settled["status"], settled["error"]["code"]) == ("Failed", "LeaseHeld")
    assert await impatient.blobs.get(f"{db}-metadata.json") == before
    blocked.release()
    assert (await impatient.ended(run))["status"] == "Failed"


async def test_run_that_fails_fails_its_settle_with_the_same_reason(impatient):
    db = "unreadable"
    await impatient.blobs.put(f"{db}-metadata.json", b"[]")
    await impatient.arrives(db)
    settled = await impatient.settled(db)

    assert (settled["status"], settled["error"]["code"]) == ("Failed", "UploadIncomplete")
    assert "is not a JSON object" in settled["error"]["message"]
    assert await impatient.blobs.get(f"{db}-metadata.json") == b"[]"


@pytest.mark.parametrize("missing_file", ["core.01.nog", "core.02.nxm"])
async def test_upload_waits_for_what_ncbis_metadata_lists(uploads, missing_file):
    db = f"listed-{missing_file[5:7]}"
    leaf = f"{db}{missing_file.removeprefix('core')}"
    listed = {"number-of-volumes": 3, "files": [f"s3://ncbi-blast-databases/2026/{leaf}"]}
    await uploads.blobs.upload({f"{db}/{db}-nucl-metadata.json": json.dumps(listed).encode()})
    await uploads.arrives(db, statistics="index")
    await uploads.waits_in_vain(db)
    assert leaf in (await uploads.api.operation(uploads.settle_of(db)))["progress"]["reason"]["message"]
    await uploads.blobs.upload({f"{db}/{leaf}": b"x"})
    await uploads.tell(event(f"{db}/{leaf}"))

    # Who looks before the event comes shards at once; the event then finds it done.
    assert (await uploads.settled(db))["status"] == "Succeeded"
    assert [run["status"] for run in await uploads.runs(db)] == ["Succeeded"]
