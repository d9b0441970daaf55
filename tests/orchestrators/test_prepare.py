"""prepare-db: a generation is copied beside the old one, verified, put in place as a whole, and sharded."""

import json

from tests.driving import ENDED
from tests.orchestrators.importing import BLOCK, FIRST, SECOND, TAXONOMY, Importer
from tests.orchestrators.receiver import Receiver


async def test_database_is_copied_verified_put_in_place_and_sharded(importer):
    db = "import.fresh"
    files = await importer.publish(db, sizes=(100, 5000, 3 * 1024))
    result = await importer.prepared(db)
    assert result["outcome"] == "prepared"
    assert result["source_version"] == FIRST
    assert result["files"] == len(files) + len(TAXONOMY)
    assert result["bytes_copied"] == result["bytes_total"] == sum(map(len, (*files.values(), *TAXONOMY.values())))
    await importer.is_in_place(db, files)


async def test_second_run_copies_nothing_and_says_so(importer):
    db = "import.twice"
    files = await importer.publish(db)
    await importer.prepared(db)
    importer.proxy.clear()
    result = await importer.prepared(db)
    assert (result["outcome"], result["bytes_copied"]) == ("unchanged", 0)
    assert importer.bytes_read(db) == 0
    await importer.is_in_place(db, files)


async def test_newer_snapshot_replaces_the_old_generation_and_removes_its_ghosts(importer):
    db = "import.newer"
    await importer.publish(db, 5, content=b"a")
    await importer.prepared(db)
    files = await importer.publish(db, 3, snapshot=SECOND, content=b"b")
    await importer.ncbi.publish(SECOND, TAXONOMY)
    await importer.ncbi.name_latest(FIRST)
    result = await importer.prepared(db, source=SECOND)
    assert result["ghosts_removed"] == 6
    await importer.is_in_place(db, files, version=SECOND)
    assert (await importer.blobs.metadata(db))["previous_source_version"] == FIRST


async def test_result_says_why_searches_of_the_shards_are_not_exact(importer):
    db = "import.inexact"
    await importer.publish(db, statistics="none")

    (said,) = (await importer.prepared(db))["warnings"]

    assert "inexact e-values" in said
    await importer.publish(db, snapshot=SECOND)
    assert (await importer.prepared(db, source=SECOND))["warnings"] == []


async def test_archived_files_in_place_are_said_before_anything_is_copied(importer):
    db = "import.cold"
    files = await importer.publish(db, content=b"a")
    await importer.prepared(db)
    await importer.blobs.container.get_blob_client(f"{db}/{db}.00.nsq").set_standard_blob_tier("Archive")
    await importer.publish(db, snapshot=SECOND, content=b"b")
    importer.proxy.clear()
    error = await importer.refused(db, source=SECOND)
    assert error["code"] == "BlobArchived"
    assert f"(1): {db}/{db}.00.nsq. Rehydrate" in error["message"]
    assert importer.bytes_read(db) == 0
    await importer.blobs.container.get_blob_client(f"{db}/{db}.00.nsq").set_standard_blob_tier("Hot")
    await importer.is_in_place(db, files)


async def test_files_of_another_database_with_the_same_beginning_are_not_taken(importer):
    files = await importer.publish("import.nt")
    await importer.publish("import.nt_euk")
    await importer.prepared("import.nt")
    await importer.is_in_place("import.nt", files)


async def test_steps_that_are_delivered_twice_leave_the_same(tmp_path):
    async with Importer(tmp_path, deliver_twice=True) as doubled:
        db = "import.doubled"
        await doubled.publish(db, 4, content=b"a", sizes=(5000, 100))
        await doubled.prepared(db)
        files = await doubled.publish(db, 3, snapshot=SECOND, content=b"b", sizes=(5000, 100))
        await doubled.ncbi.publish(SECOND, TAXONOMY)
        await doubled.ncbi.name_latest(FIRST)
        await doubled.prepared(db, source=SECOND)
        await doubled.is_in_place(db, files, version=SECOND)


async def test_copy_of_many_slices_goes_on_in_new_executions_and_shows_its_bytes(tmp_path):
    async with Importer(tmp_path, SHARDWARM_COPY_SLICE_SECONDS="0.000001", SHARDWARM_COPY_LANES="1") as slow:
        db = "import.slices"
        files = await slow.publish(db, 3, sizes=(40 * BLOCK,))
        run = await slow.start(db)
        shown = set()
        while (operation := await slow.api.operation(run, wait_ms=20000))["status"] not in ENDED:
            shown.add((operation["progress"]["phase"], operation["progress"]["bytes_done"]))
        assert operation["status"] == "Succeeded", operation
        await slow.is_in_place(db, files)
        total = operation["result"]["bytes_total"]
        assert operation["result"]["bytes_copied"] == total
        assert len({done for phase, done in shown if phase == "copying" and 0 < done < total}) > 3
        assert slow.scene.crossroads.delivered(run)["copy_files"] > 40
        kept = [event for event in await slow.scene.history(run) if event.taskScheduled.name == "copy_files"]
        assert len(kept) <= 20


async def test_end_of_a_copy_is_posted_once_to_whoever_asked(tmp_path):
    async with Receiver(tmp_path) as receiver:
        settings = {"HOSTS": "localhost", "SECRET": "a-secret-of-sixteen-or-more", "LOCAL": "true"}
        settings["CERTIFICATE"] = str(receiver.certificate)
        named = {f"SHARDWARM_CALLBACK_{name}": value for name, value in settings.items()}
        async with Importer(tmp_path / "app", **named) as posting:
            await posting.publish("import.posted")
            run = await posting.start("import.posted", callback_url=receiver.url("copied"))
            (delivery,) = await receiver.got("copied")
            posted = json.loads(delivery.body)
            assert (posted["id"], posted["kind"], posted["status"]) == (run, "prepare", "Succeeded")
