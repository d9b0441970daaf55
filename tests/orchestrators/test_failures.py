"""Storage that fails, for a while or for good, and databases that change under a run."""

from urllib.parse import unquote

import pytest

from shared.blastdb.blobs import PRESETS
from tests.builders import alias, manifest
from tests.driving import written
from tests.orchestrators.crossroads import Step
from tests.orchestrators.scene import deleting, putting, touching, writing_layout

SETS = (1, 2, 3)
REFUSALS = {503: ("ServerBusy", "StorageUnavailable"), 403: ("AuthorizationPermissionMismatch", "StorageRefused")}


def of(scene, db):
    """The records that have to do with one database."""
    return [record for record in scene.proxy.records if db in unquote(record.path)]


@pytest.mark.parametrize("status", REFUSALS)
async def test_preset_that_fails_does_not_stop_the_others_and_a_retry_writes_only_what_is_missing(scene, status):
    db = await scene.new(f"partial-{status}")
    azure_code, code = REFUSALS[status]
    refused = alias(db, 2, 1)
    rule = scene.proxy.fail(putting(refused), status=status, code=azure_code)
    operation = await scene.api.shard(db, presets=SETS)

    assert operation["status"] == "Failed"
    error = operation["error"]
    assert error["code"] == "PartialShardSets"
    assert [(detail["target"], detail["code"]) for detail in error["details"]] == [("2", code)]
    document = await scene.blobs.metadata(db)
    assert (document["sharded"], document["shard_sets"], document["sharding_in_progress"]) == (True, [1, 3], False)
    assert document["sharding_error"].startswith("PartialShardSets: ")
    assert document["shard_errors"] == {"2": code}
    assert (await scene.lease(db))["operation_id"] is None
    assert (await scene.api.show(db))["shard_sets"] == [1, 3]
    leaks_nothing(scene, str(operation), str(document))

    rule.remove()
    scene.proxy.clear()
    result = await scene.api.sharded(db, presets=SETS)
    assert result["blobs_written"] == 1
    assert written(of(scene, db)) == {refused, f"{db}-metadata.json"}
    await scene.is_whole(db, 3, SETS, epoch=2)


def leaks_nothing(scene, *texts):
    key = scene.stack.account.key
    for text in texts:
        assert not any(secret in text for secret in (key, "sig=", "Bearer", "AccountKey", "SharedKey"))


async def test_all_presets_may_fail_and_nothing_is_listed_then(scene):
    db = await scene.new("partial.all", 10)
    rule = scene.proxy.fail(writing_layout(db), status=403, code="AuthorizationPermissionMismatch")
    operation = await scene.api.shard(db)
    rule.remove()
    assert operation["error"]["code"] == "PartialShardSets"
    assert [detail["target"] for detail in operation["error"]["details"]] == [str(count) for count in PRESETS]
    document = await scene.blobs.metadata(db)
    assert (document["sharded"], document["shard_sets"], document["sharding_in_progress"]) == (False, [], False)
    await scene.api.sharded(db)
    await scene.is_whole(db, 10, PRESETS)


STEPS = ("inspect_database", "mark_started", "upload_shard_set", "commit_metadata")


@pytest.mark.parametrize("back", ["in time", "too late"])
@pytest.mark.parametrize("step", STEPS)
async def test_storage_that_is_down_fails_the_run_and_blocks_nobody_afterwards(scene, step, back):
    """Back in time: before the run records its failure. Too late: after, so that the marker may stay."""
    db = await scene.new(f"down.{step}.{back[0]}")
    before = scene.stop(db, Step("activity", step), "delivered")
    recording = scene.stop(db, Step("activity", "record_failure"), "delivered")
    run = await scene.started(db, presets=[2])
    await before.reached()
    rule = scene.proxy.fail(touching(db))
    before.go()
    if back == "in time":
        await recording.reached()
        rule.remove()
    recording.go()
    operation = await scene.ended(run)
    rule.remove()

    assert (operation["status"], operation["error"]["code"]) == ("Failed", "StorageUnavailable"), operation
    assert (await scene.lease(db))["operation_id"] is None
    document = await scene.blobs.metadata(db) or {}
    if back == "in time":
        assert document["sharding_in_progress"] is False
        assert document["sharding_error"].startswith("StorageUnavailable: ")
        assert document["sharded"] is False
    assert document.get("shard_sets", []) == []
    leaks_nothing(scene, str(operation), str(document))
    await scene.api.sharded(db, presets=[2])
    await scene.is_whole(db, 3, (2,))


@pytest.mark.parametrize("step", ["mark", "upload", "commit", "clean"])
async def test_answer_that_is_lost_on_its_way_costs_nothing(scene, step):
    db = await scene.new(f"cut.{step}")
    await scene.blobs.put(manifest(db, 2, 5), b"left by a larger set\n")
    match = {
        "mark": putting(f"{db}-metadata.json"),
        "upload": putting(alias(db, 2, 0)),
        "commit": putting(f"{db}-metadata.json"),
        "clean": deleting(db),
    }[step]
    stop = scene.stop(db, Step("activity", "commit_metadata"), "delivered") if step == "commit" else None
    cut = scene.proxy.cut(match) if stop is None else None
    run = await scene.started(db, presets=[2])
    if stop is not None:
        await stop.reached()
        cut = scene.proxy.cut(match)
        stop.go()
    assert (await scene.ended(run))["status"] == "Succeeded"
    assert cut is not None
    assert cut.hits == 1
    await scene.is_whole(db, 3, (2,), epoch=1)


async def test_short_trouble_is_outlasted(scene):
    db = await scene.new("trouble")
    rules = [scene.proxy.fail(putting(name), times=2) for name in (f"{db}-metadata.json", manifest(db, 2, 0), alias(db, 3, 1))]
    await scene.api.sharded(db, presets=SETS)
    assert [rule.hits for rule in rules] == [2, 2, 2]
    await scene.is_whole(db, 3, SETS, epoch=1)


@pytest.mark.parametrize("step", ["inspect_database", "mark_started", "upload_shard_set"])
async def test_database_that_grows_during_its_run_is_looked_at_again(scene, step):
    db = await scene.new(f"growing.{step}", 3)
    stop = scene.stop(db, Step("activity", step), "answered")
    run = await scene.started(db, presets=SETS)
    await stop.reached()
    await scene.grow(db, 5)
    stop.go()
    operation = await scene.ended(run)
    assert operation["status"] == "Succeeded", operation
    assert operation["result"]["volumes"] == 5
    await scene.is_whole(db, 5, SETS, epoch=1)
    generation = (await scene.api.show(db))["generation"]
    assert operation["result"]["generation"] == generation
    assert (await scene.blobs.metadata(db))["shard_generation"] == generation["digest"]
    assert scene.crossroads.delivered(run)["inspect_database"] == 2


async def test_database_that_shrinks_during_its_run_leaves_no_blob_behind(scene):
    db = await scene.new("shrinking", 5)
    stop = scene.stop(db, Step("activity", "upload_shard_set", 3), "answered")
    run = await scene.started(db, presets=[2, 4, 5])
    await stop.reached()
    await scene.blobs.delete(*(f"{db}/{db}.{number:02d}.{extension}" for number in (3, 4) for extension in ("nsq", "nin", "nhr")))
    await scene.grow(db, 3)
    stop.go()
    operation = await scene.ended(run)
    assert operation["status"] == "Succeeded", operation
    assert operation["result"]["skipped"] == [4, 5]
    await scene.is_whole(db, 3, (2,), epoch=1)


async def test_database_that_never_stops_changing_fails_the_run_and_is_free_afterwards(scene):
    db = await scene.new("restless", 3)
    volumes = 3

    async def grow():
        nonlocal volumes
        volumes += 1
        await scene.grow(db, volumes)

    scene.crossroads.each(scene.run_of(db), "activity", "upload_shard_set", "answered", grow)
    error = await scene.api.refused(db, presets=[2])
    assert error["code"] == "DatabaseChanged"
    assert volumes == 6
    document = await scene.blobs.metadata(db)
    assert (document["sharded"], document["shard_sets"], document["sharding_in_progress"]) == (False, [], False)
    assert document["sharding_error"].startswith("DatabaseChanged: ")
    assert (await scene.lease(db))["operation_id"] is None
    await scene.api.sharded(db, presets=[2])
    await scene.is_whole(db, 6, (2,), epoch=2)


async def test_grown_database_lists_only_the_sets_that_were_renewed(scene):
    db = await scene.new("regrown", 3)
    await scene.api.sharded(db, presets=SETS)
    await scene.grow(db, 4)
    rule = scene.proxy.fail(putting(alias(db, 2, 0)), status=403, code="AuthorizationPermissionMismatch")
    operation = await scene.api.shard(db, presets=SETS)
    rule.remove()
    assert operation["error"]["code"] == "PartialShardSets"
    assert (await scene.blobs.metadata(db))["shard_sets"] == [1, 3]
    await scene.api.sharded(db, presets=SETS)
    await scene.is_whole(db, 4, SETS)
