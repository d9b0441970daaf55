"""A layout that was replaced is put back: byte for byte, only onto the volumes that it is of, and so that it stays."""

from __future__ import annotations

import asyncio

import pytest

from shared.runs.ids import operation_id
from shared.runs.shard.payloads import ShardRun
from tests.builders import alias, database, layout
from tests.driving import writes
from tests.orchestrators.crossroads import Step
from tests.orchestrators.scene import ACCOUNT, putting

SETS = (1, 2, 3)
ACTIVITIES = [
    Step("activity", name)
    for name in ("inspect_database", "mark_started", "upload_shard_set", "commit_metadata", "remove_orphans")
]
STEPS = [
    *ACTIVITIES,
    *(Step("entity", "lease", number) for number in (1, 2, 3)),
    *(Step("orchestrator", "restore", number) for number in range(1, 9)),
]


async def start_restore(scene, db, **fields):
    return await scene.api.post(f"/api/blast/databases/{db}/restore", json={**scene.api.body, **fields})


async def restored(scene, db, **fields) -> dict:
    """Restore to a good end; the result."""
    reply = await start_restore(scene, db, **fields)
    assert reply.status_code == 202, reply.text
    assert reply.headers["operation-location"].endswith(reply.json()["operation_id"])
    operation = await scene.ended(reply.json()["operation_id"])
    assert (operation["kind"], operation["status"]) == ("restore", "Succeeded"), operation
    return operation["result"]


async def refused(scene, db, status, code, **fields) -> dict:
    """Be refused before anything starts; the error."""
    scene.proxy.clear()
    reply = await start_restore(scene, db, **fields)
    assert reply.status_code == status, reply.text
    assert reply.json()["error"]["code"] == code
    assert [one for one in writes(scene.proxy.records) if db in one.blob] == []
    return reply.json()["error"]


async def texts(scene, db, sets=SETS) -> dict[str, str]:
    return await scene.blobs.texts(layout(db, sets))


async def shard_legacy(scene, db, number=1, presets=SETS) -> None:
    """Shard as an app with the other form of aliases would."""
    run = scene.run_of(db, number)
    given = ShardRun(run=run, number=number, account=ACCOUNT, db=db, presets=presets, legacy_alias=True)
    async with scene.client() as client:
        await client.schedule_new_orchestration("shard", instance_id=run, input=given.model_dump(mode="json"))
    assert (await scene.ended(run))["status"] == "Succeeded"


async def with_two_layouts(scene, db) -> tuple[dict, dict]:
    """A database whose layout was replaced while its volumes stayed: the texts before, and those after."""
    await scene.new(db, 3)
    await shard_legacy(scene, db)
    before = await texts(scene, db)
    assert (await scene.api.sharded(db, presets=SETS))["blobs_written"] == sum(SETS)
    after = await texts(scene, db)
    assert before != after
    return before, after


async def is_settled(scene, db, expected, sets=SETS) -> None:
    """Fail unless these are the texts, nothing is in progress, and neither a run nor a look finds anything to do."""
    assert await texts(scene, db, sets) == expected
    document = await scene.blobs.metadata(db)
    assert (document["shard_sets"], document["sharding_in_progress"]) == (list(sets), False)
    assert "sharding_error" not in document
    assert (await scene.lease(db))["operation_id"] is None
    shown = await scene.api.show(db)
    assert {one["shard_count"]: one["state"] for one in shown["layouts"] if one["listed"]} == dict.fromkeys(sets, "current")
    scene.proxy.clear()
    assert (await scene.api.sharded(db, presets=list(sets)))["outcome"] == "unchanged"
    assert [one for one in writes(scene.proxy.records) if db in one.blob] == []


async def test_replaced_layout_comes_back_byte_for_byte_and_stays(scene):
    db = "restore.form"
    before, after = await with_two_layouts(scene, db)
    (kept,) = (await scene.api.show(db))["previous_layouts"]
    assert (kept["shard_sets"], kept["restorable"], kept["volume_count"]) == ([1, 2, 3], True, 3)
    result = await restored(scene, db, digest=kept["digest"])
    assert (result["outcome"], result["blobs_written"], result["shard_sets"]) == ("restored", sum(SETS), [1, 2, 3])
    await is_settled(scene, db, before)
    assert (await scene.api.show(db))["shard_restored"] is True
    # What was replaced by that is kept in turn: the restore itself can be undone.
    assert len((await scene.blobs.metadata(db))["previous_layouts"]) == 1
    await restored(scene, db)
    await is_settled(scene, db, after)


async def test_restored_layout_is_repaired_as_it_is_and_ends_by_force(scene):
    db = "restore.pinned"
    before, after = await with_two_layouts(scene, db)
    await restored(scene, db)
    await scene.blobs.put(alias(db, 2, 1), b"damaged\n")
    assert (await scene.api.sharded(db, presets=SETS))["blobs_written"] == 1
    await is_settled(scene, db, before)
    await scene.api.sharded(db, presets=SETS, force=True)
    await is_settled(scene, db, after)
    assert (await scene.api.show(db))["shard_restored"] is False


async def test_set_that_the_layout_did_not_have_goes(scene):
    db = await scene.new("restore.fewer", 4)
    await shard_legacy(scene, db, presets=(1, 2))
    before = await texts(scene, db, (1, 2))
    await scene.api.sharded(db, presets=[1, 2, 4])
    assert (await restored(scene, db))["orphans_removed"] == 8
    assert await scene.stored_layout(db) == layout(db, (1, 2))
    await is_settled(scene, db, before, (1, 2))


async def updated(scene, db) -> tuple[dict, dict]:
    """A database that was updated as prepare-db does it, and sharded anew; its old files, and the texts they had."""
    old = database(db, 3, sizes=(100, 300, 100))
    await scene.blobs.upload(old)
    await scene.blobs.put_metadata(db, {"source_version": "2025-01-01"})
    await scene.api.sharded(db, presets=SETS)
    before = await texts(scene, db)
    new = database(db, 4, sizes=(300, 100, 100, 100), content=b"b")
    await scene.blobs.upload(new)
    await scene.blobs.put_metadata(db, {**await scene.blobs.metadata(db), "source_version": "2026-01-01"})
    await scene.api.sharded(db, presets=SETS)
    assert await texts(scene, db) != before
    return old, before


async def put_back(scene, db, old) -> None:
    await scene.blobs.delete(*(name for name in database(db, 4) if name not in old))
    await scene.blobs.upload(old)


async def test_layout_of_other_volumes_is_refused_and_they_are_named_until_they_are_back(scene):
    db = "restore.updated"
    old, before = await updated(scene, db)
    (kept,) = (await scene.api.show(db))["previous_layouts"]
    assert (kept["source_version"], kept["restorable"]) == ("2025-01-01", False)
    error = await refused(scene, db, 409, "VolumesDiffer")
    assert {detail["target"] for detail in error["details"]} == {f"{db}.00", f"{db}.01", f"{db}.02"}
    await scene.blobs.delete(f"{db}/{db}.01.nsq", f"{db}/{db}.01.nin", f"{db}/{db}.01.nhr")
    error = await refused(scene, db, 409, "VolumesDiffer", digest=kept["digest"])
    told = {detail["target"]: detail["message"] for detail in error["details"]}
    assert told[f"{db}.01"] == "This volume is missing."
    await put_back(scene, db, old)
    assert (await scene.api.show(db))["previous_layouts"][0]["restorable"] is True
    await restored(scene, db)
    await is_settled(scene, db, before)
    row = (await scene.api.rows())[db]
    assert (row["source_version"], row["shard_source_version"], row["shards_stale"]) == ("2025-01-01", "2025-01-01", False)
    # The new volumes are gone, and with them the way forward.
    await refused(scene, db, 409, "VolumesDiffer")


async def test_volumes_that_change_after_a_restore_are_sharded_as_ever(scene):
    db = "restore.outgrown"
    await with_two_layouts(scene, db)
    await restored(scene, db)
    await scene.grow(db, 5)
    await scene.api.sharded(db, presets=SETS)
    await scene.is_whole(db, 5, SETS)
    document = await scene.blobs.metadata(db)
    assert "shard_restored" not in document
    assert len(document["previous_layouts"]) == 2


async def test_old_volumes_that_are_sharded_again_need_no_restore(scene):
    db = "restore.again"
    old, before = await updated(scene, db)
    digest = (await scene.api.show(db))["previous_layouts"][0]["digest"]
    await put_back(scene, db, old)
    await scene.api.sharded(db, presets=SETS)
    assert await texts(scene, db) == before
    kept = (await scene.api.show(db))["previous_layouts"]
    assert digest not in {one["digest"] for one in kept}
    assert len(kept) == 1


async def test_only_the_newest_layouts_are_kept_and_repairs_are_not_counted(scene):
    db = await scene.new("restore.many", 3)
    for volumes in range(3, 11):
        await scene.grow(db, volumes)
        await scene.api.sharded(db, presets=[1])
        await scene.api.sharded(db, presets=[1], force=True)
    kept = (await scene.api.show(db))["previous_layouts"]
    assert [one["volume_count"] for one in kept] == [9, 8, 7, 6, 5]


async def test_what_is_not_there_cannot_be_put_back(scene):
    db = await scene.new("restore.nothing")
    await refused(scene, db, 404, "PreviousLayoutNotFound")
    await scene.api.sharded(db, presets=[1])
    await refused(scene, db, 404, "PreviousLayoutNotFound")
    await refused(scene, db, 404, "PreviousLayoutNotFound", digest="0" * 32)
    await refused(scene, "restore.nowhere", 404, "DatabaseNotFound")
    await refused(scene, db, 400, "InvalidField", digest="x")
    await refused(scene, db, 400, "UnknownField", generation="x")
    await refused(scene, db, 400, "CallbackNotAllowed", callback_url="https://hooks.example.org/")
    document = await scene.blobs.metadata(db)
    await scene.blobs.put_metadata(db, {**document, "previous_layouts": [{"sets": [[5, 1]]}, "x"]})
    await refused(scene, db, 404, "PreviousLayoutNotFound")


async def test_restore_and_shard_run_exclude_each_other(scene):
    db = "restore.held"
    before, _ = await with_two_layouts(scene, db)
    run = operation_id("restore", ACCOUNT, db, 3)
    stop = scene.crossroads.stop(run, Step("activity", "upload_shard_set"), "answered")
    assert (await start_restore(scene, db)).json()["operation_id"] == run
    await stop.reached()
    reply = await scene.api.start_shard(db)
    assert (reply.status_code, reply.json()["holder"]["operation_id"], reply.json()["holder"]["kind"]) == (409, run, "restore")
    assert (await start_restore(scene, db)).status_code == 409
    assert (await scene.lease(db))["kind"] == "restore"
    stop.go()
    assert (await scene.ended(run))["status"] == "Succeeded"
    await is_settled(scene, db, before)


async def test_volumes_that_change_during_a_restore_end_it_and_nothing_wrong_is_listed(scene):
    db = "restore.racing"
    await with_two_layouts(scene, db)
    run = operation_id("restore", ACCOUNT, db, 3)
    stop = scene.crossroads.stop(run, Step("activity", "upload_shard_set"), "answered")
    await start_restore(scene, db)
    await stop.reached()
    await scene.grow(db, 4)
    stop.go()
    operation = await scene.ended(run)
    assert (operation["status"], operation["error"]["code"]) == ("Failed", "VolumesDiffer")
    document = await scene.blobs.metadata(db)
    assert (document["shard_sets"], document["sharding_in_progress"]) == ([], False)
    await scene.api.sharded(db, presets=SETS)
    await scene.is_whole(db, 4, SETS)


async def test_volumes_that_change_before_a_restore_looks_leave_no_trace_in_the_metadata(scene):
    db = "restore.late"
    await with_two_layouts(scene, db)
    run = operation_id("restore", ACCOUNT, db, 3)
    stop = scene.crossroads.stop(run, Step("activity", "inspect_database"), "delivered")
    await start_restore(scene, db)
    await stop.reached()
    before = await scene.blobs.get(f"{db}-metadata.json")
    await scene.grow(db, 4)
    stop.go()
    operation = await scene.ended(run)
    assert (operation["status"], operation["error"]["code"]) == ("Failed", "VolumesDiffer")
    assert await scene.blobs.get(f"{db}-metadata.json") == before
    assert (await scene.lease(db))["operation_id"] is None


async def test_canceled_restore_is_undone_by_a_shard_run(scene):
    db = "restore.canceled"
    _, after = await with_two_layouts(scene, db)
    run = operation_id("restore", ACCOUNT, db, 3)
    stop = scene.crossroads.stop(run, Step("activity", "upload_shard_set"), "answered")
    await start_restore(scene, db)
    await stop.reached()
    assert (await scene.api.post(f"/api/operations/{run}/cancel")).status_code == 202
    stop.go()
    assert (await scene.ended(run))["status"] == "Canceled"
    assert (await scene.blobs.metadata(db))["shard_sets"] == []
    await scene.api.sharded(db, presets=SETS)
    await is_settled(scene, db, after)


async def test_restore_that_failed_in_part_can_be_repeated(scene):
    db = "restore.partial"
    before, _ = await with_two_layouts(scene, db)
    rule = scene.proxy.fail(putting(alias(db, 2, 0)), status=403, code="AuthorizationPermissionMismatch")
    reply = await start_restore(scene, db)
    operation = await scene.ended(reply.json()["operation_id"])
    rule.remove()
    assert operation["error"]["code"] == "PartialShardSets"
    assert (await scene.blobs.metadata(db))["shard_sets"] == [1, 3]
    await restored(scene, db)
    await is_settled(scene, db, before)
    assert len((await scene.blobs.metadata(db))["previous_layouts"]) == 1


@pytest.mark.parametrize("moment", ["delivered", "answered"])
async def test_restore_outlives_its_worker_at_every_step(scene, moment):
    databases = {step: f"restore.{moment}.{step.kind[0]}.{step}" for step in STEPS}
    before = dict(zip(STEPS, await asyncio.gather(*(with_orphan(scene, db) for db in databases.values())), strict=True))
    runs = {step: operation_id("restore", ACCOUNT, db, 3) for step, db in databases.items()}
    stops = []
    for step, db in databases.items():
        entity = f"@lease@{ACCOUNT}:{db}"
        instance = entity if step.kind == "entity" else runs[step]
        stops.append(scene.crossroads.stop(instance, step, moment, redeliver=moment == "answered"))
    await asyncio.gather(*(start_restore(scene, db) for db in databases.values()))
    await asyncio.gather(*(stop.reached() for stop in stops))
    scene.stack.host.worker.kill()
    for stop in stops:
        stop.go()
    await scene.stack.host.wait_worker_ready()
    for step, db in databases.items():
        operation = await scene.ended(runs[step])
        assert (operation["status"], operation["result"]["outcome"]) == ("Succeeded", "restored"), (step, operation)
        assert await scene.stored_layout(db) == layout(db, SETS)
        await is_settled(scene, db, before[step])
        assert len((await scene.blobs.metadata(db))["previous_layouts"]) == 1


async def with_orphan(scene, db) -> dict:
    before, _ = await with_two_layouts(scene, db)
    await scene.blobs.put(alias(db, 2, 1, "pal"), b"left behind\n")
    return before


async def test_restore_that_finds_all_as_it_should_be_writes_nothing(scene):
    db = "restore.done"
    before, _ = await with_two_layouts(scene, db)
    digest = (await scene.api.show(db))["generation"]["digest"]
    await restored(scene, db)
    document = await scene.blobs.metadata(db)
    await scene.blobs.put_metadata(db, {name: value for name, value in document.items() if name != "previous_layouts"})
    assert (await restored(scene, db, digest=digest))["outcome"] == "unchanged"
    await is_settled(scene, db, before)
