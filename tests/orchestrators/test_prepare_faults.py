"""prepare-db against a source that fails: the right outcome, the old generation untouched, and nothing mixed."""

from hashlib import md5

import pytest

from shared.blastdb.blobs import plan_blob
from shared.copying.pieces import block_id
from shared.runs.ids import operation_id
from shared.runs.prepare.payloads import CopySteering
from tests.fetching import putting_off
from tests.orchestrators.crossroads import Step
from tests.orchestrators.importing import BLOCK, FIRST, SECOND, TAXONOMY, Importer, files_of, listing_of, reading
from tests.orchestrators.scene import ACCOUNT, nth, until

SIZES = (3 * 1024, 100)


async def with_old_generation(importer, db):
    """A database of the first snapshot, sharded, and another generation of it in the second; its old files."""
    old = await importer.publish(db, content=b"a", sizes=SIZES)
    await importer.prepared(db)
    await importer.publish(db, snapshot=SECOND, content=b"b", sizes=SIZES)
    await importer.ncbi.publish(SECOND, TAXONOMY)
    await importer.ncbi.name_latest(FIRST)
    return old


async def is_untouched(importer, db, old, phase):
    """The first snapshot is in place, published, sharded and whole, whatever became of the second."""
    assert await importer.in_place(db) == {**old, **TAXONOMY}
    document = await importer.blobs.metadata(db)
    assert document["source_version"] == document["shard_source_version"] == FIRST
    assert document["update_in_progress"] is False
    assert (document["copy_status"]["phase"], document["copy_status"]["untouched"]) == (phase, True)
    await importer.scene.is_whole(db, 3, (1, 2))
    # It can still be sharded: the copy that ended early does not count against it.
    assert (await importer.api.sharded(db, force=True))["outcome"] == "sharded"


async def is_refused(importer, db, old, files):
    """A second generation of just these files is refused, and nothing of the first one is touched; what was read of it."""
    await importer.ncbi.publish(SECOND, {**files, **TAXONOMY})
    await importer.ncbi.name_latest(FIRST)
    importer.proxy.clear()
    error = await importer.refused(db, source=SECOND)
    assert error["code"] == "SourceIncomplete"
    assert await importer.in_place(db) == {**old, **TAXONOMY}
    await importer.scene.is_whole(db, 3, (1, 2))
    assert (await importer.api.sharded(db, force=True))["outcome"] == "sharded"
    return error["message"], importer.bytes_read(db)


@pytest.mark.parametrize(
    ("case", "missing"),
    [("gap", (".01.nsq", ".01.nin", ".01.nhr")), ("half", (".02.nsq",)), ("index", (".02.nin",)), ("names", (".ndb",))],
)
async def test_snapshot_whose_names_make_no_whole_database_is_refused_before_anything_is_copied(importer, case, missing):
    db = f"import.unfinished.{case}"
    old = await importer.publish(db, content=b"a", sizes=SIZES)
    await importer.prepared(db)
    files = files_of(db, content=b"b", sizes=SIZES)
    message, read = await is_refused(importer, db, old, {leaf: files[leaf] for leaf in files if not leaf.endswith(missing)})
    assert any(f"{db}{one.removesuffix('.nsq')}" in message for one in missing)
    assert read == 0


@pytest.mark.parametrize("papers", ["kept", "staged", "published"])
async def test_snapshot_with_fewer_volumes_than_its_papers_say_never_replaces_a_whole_generation(importer, papers):
    db = f"import.fewer.{papers}"
    old = await importer.publish(db, content=b"a", sizes=SIZES)
    await importer.prepared(db)
    files = files_of(db, 2, content=b"b", sizes=SIZES)
    told = {f"{db}.njs": old[f"{db}.njs"] + b" " * (papers == "staged")}
    if papers == "published":
        del files[f"{db}.njs"]
        told = {f"{db}-nucl-metadata.json": b'{"number-of-volumes": 3}'}
    message, read = await is_refused(importer, db, old, {**files, **told})
    assert "has 2 volumes" in message
    assert read > 0
    document = await importer.blobs.metadata(db)
    assert document["update_error"].startswith("SourceIncomplete: ")
    await is_untouched(importer, db, old, "partial")


@pytest.mark.parametrize("how", ["cut", "shorten"])
async def test_copy_that_breaks_off_is_tried_again(importer, how):
    db = f"import.broken.{how}"
    files = await importer.publish(db, sizes=SIZES)
    rule = getattr(importer.proxy, how)(reading(f"/{db}.00.nsq"), times=2)
    await importer.prepared(db)
    assert rule.hits == 2
    await importer.is_in_place(db, files)


async def test_run_whose_plan_somebody_removes_fails_and_leaves_no_mark(importer):
    db = "import.plan"
    old = await with_old_generation(importer, db)
    run = operation_id("prepare", ACCOUNT, db, 3)
    stop = importer.scene.crossroads.stop(run, Step("activity", "copy_files"), "delivered")
    assert await importer.start(db, source=SECOND) == run
    await stop.reached()
    await importer.blobs.delete(plan_blob(db, SECOND))
    stop.go()
    operation = await importer.scene.ended(run)
    assert (operation["status"], operation["error"]["code"]) == ("Failed", "DatabaseChanged")
    document = await importer.blobs.metadata(db)
    await is_untouched(importer, db, old, document["copy_status"]["phase"])


async def test_large_file_that_arrived_as_another_one_is_copied_again_by_all_lanes_that_have_a_piece(importer):
    db = "import.pieces"
    leaf = f"{db}.00.nsq"
    files = await importer.publish(db, sizes=(5 * BLOCK, 100))
    staged = f"{db}/.staging/{FIRST}/{md5(files[leaf]).hexdigest()}/{leaf}"
    blob = importer.blobs.container.get_blob_client(staged)
    await blob.stage_block(block_id(2, BLOCK), b"?" * BLOCK)

    operation = await importer.steered(db, CopySteering(lanes=2, block_bytes=BLOCK, piece_blocks=2))

    assert operation["status"] == "Succeeded", operation
    await importer.is_in_place(db, files)


async def test_copies_into_place_that_storage_takes_its_time_over_are_waited_for(importer):
    db = "import.pending"
    files = await importer.publish(db, sizes=SIZES)
    rule = putting_off(importer.scene.proxy, f"/{db}.00.nsq", f"/{db}.01.nsq")
    run = await importer.start(db)
    await until(lambda: rule.hits > 2 * 25)  # more rounds than attempts, and than one execution has
    progress = (await importer.api.operation(run))["progress"]
    assert (progress["phase"], progress["files_done"]) == ("promoting", progress["files_total"] - 2)
    assert progress["bytes_total"] - progress["bytes_done"] == SIZES[0] + SIZES[1]
    rule.remove()
    assert (await importer.scene.ended(run))["status"] == "Succeeded"
    await importer.is_in_place(db, files)


async def test_copies_into_place_that_never_end_are_given_up_and_gone_on_with_by_the_next_run(importer):
    db = "import.pending.ever"
    files = await importer.publish(db, sizes=SIZES)
    rule = putting_off(importer.scene.proxy, f"/{db}.00.nsq")
    steering = CopySteering(lanes=2, block_bytes=BLOCK, pending_seconds=0.5)
    error = (await importer.steered(db, steering))["error"]
    assert error["code"] == "StorageUnavailable"
    assert "copying 1 files" in error["message"]
    rule.remove()
    importer.proxy.clear()
    await importer.prepared(db)
    assert importer.bytes_read(db) == 0
    await importer.is_in_place(db, files)


async def test_passing_storm_of_503_is_sat_out(importer):
    db = "import.storm"
    files = await importer.publish(db, sizes=SIZES)
    rule = importer.proxy.fail(reading(f"/{db}.00.nsq", f"/{db}.01.nsq"), times=4)
    await importer.prepared(db)
    assert rule.hits == 4
    await importer.is_in_place(db, files)


async def test_storm_without_an_end_fails_the_run_and_a_later_one_copies_only_what_is_missing(importer):
    db = "import.endless"
    old = await with_old_generation(importer, db)
    rule = importer.proxy.fail(reading(f"/{db}.01.nsq"))
    error = await importer.refused(db, source=SECOND)
    assert error["code"] == "SourceUnavailable"
    assert f"{db}.01.nsq" in [detail["target"] for detail in error["details"]]
    await is_untouched(importer, db, old, "partial")
    assert [file["blob"] for file in (await importer.blobs.metadata(db))["failed_files"]] == [f"{db}.01.nsq"]
    rule.remove()
    importer.proxy.clear()
    result = await importer.prepared(db, source=SECOND)
    assert result["bytes_copied"] == 100
    assert {one.path.rpartition("/")[2] for one in importer.reads(db) if one.method == "GET"} == {f"{db}.01.nsq"}


async def test_refusal_in_the_middle_ends_the_run_at_once(importer):
    db = "import.refused"
    old = await with_old_generation(importer, db)
    rule = importer.proxy.fail(reading(f"/{db}.02.nsq"), status=403)
    error = await importer.refused(db, source=SECOND)
    assert (error["code"], rule.hits) == ("SourceRefused", 1)
    rule.remove()
    await is_untouched(importer, db, old, "partial")


async def test_file_that_changes_while_it_is_copied_fails_the_run(importer):
    db = "import.changed"
    old = await with_old_generation(importer, db)
    hold = importer.proxy.hold(nth(2, reading(f"/{db}.00.nsq")))
    run = await importer.start(db, source=SECOND)
    await hold.reached()
    await importer.ncbi.put(f"{SECOND}/{db}.00.nsq", b"c" * SIZES[0])
    hold.release()
    operation = await importer.scene.ended(run)
    assert operation["error"]["code"] == "SourceChanged"
    await is_untouched(importer, db, old, "partial")
    result = await importer.prepared(db, source=SECOND)
    assert result["source_version"] == SECOND
    assert (await importer.in_place(db))[f"{db}.00.nsq"] == b"c" * SIZES[0]


async def test_file_that_changes_after_it_was_copied_fails_the_run(importer):
    db = "import.late"
    old = await with_old_generation(importer, db)
    hold = importer.proxy.hold(nth(3, listing_of(db)))  # the route's, the plan's, the check's
    run = await importer.start(db, source=SECOND)
    await hold.reached()
    await importer.ncbi.put(f"{SECOND}/{db}.00.nin", b"changed")
    hold.release()
    assert (await importer.scene.ended(run))["error"]["code"] == "SourceChanged"
    await is_untouched(importer, db, old, "partial")


async def test_listing_that_is_empty_for_the_run_fails_it_and_is_not_remembered(importer):
    db = "import.empty"
    files = await importer.publish(db)
    hold = importer.proxy.hold(nth(2, listing_of(db)))
    run = await importer.start(db)
    await hold.reached()
    for leaf in files:
        await importer.ncbi.delete(f"{FIRST}/{leaf}")
    hold.release()
    assert (await importer.scene.ended(run))["error"]["code"] == "SourceNotFound"
    assert await importer.blobs.metadata(db) is None
    await importer.publish(db)
    await importer.prepared(db)
    await importer.is_in_place(db, files)


async def test_etag_that_is_no_digest_is_held_to_and_an_own_digest_is_stored(importer):
    db = "import.parts"
    files = await importer.publish(db, sizes=SIZES)
    await importer.ncbi.publish(FIRST, files, parts=[f"{db}.00.nsq"])
    await importer.prepared(db)
    await importer.is_in_place(db, files)
    blob = importer.blobs.container.get_blob_client(f"{db}/{db}.00.nsq")
    properties = await blob.get_blob_properties()
    assert properties.content_settings.content_md5 is not None
    assert properties.metadata["source_etag"].endswith("-1")


async def test_run_that_lost_its_lease_while_it_waited_for_the_source_writes_nothing_more(tmp_path):
    async with Importer(tmp_path, SHARDWARM_LEASE_SECONDS="10") as hasty:
        db = "import.slept"
        files = await hasty.publish(db, sizes=SIZES)
        hold = hasty.proxy.hold(nth(1, reading(f"/{db}.00.nsq")))
        slept = await hasty.start(db)
        await hold.reached()

        async def is_taken_over() -> bool:
            return (await hasty.post(db)).status_code == 202

        await until(is_taken_over)
        second = operation_id("prepare", ACCOUNT, db, 2)
        assert (await hasty.scene.ended(second))["status"] == "Succeeded"
        before = await hasty.blobs.get(f"{db}-metadata.json")
        hold.release()
        operation = await hasty.scene.ended(slept)
        assert operation["error"]["code"] == "LeaseLost", operation
        assert await hasty.blobs.get(f"{db}-metadata.json") == before
        await hasty.is_in_place(db, files)
