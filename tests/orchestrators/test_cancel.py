"""Cancelling a run at every step: it ends between two steps, the lease is free, and metadata is true."""

import pytest
from durabletask.entities import EntityInstanceId

from shared.runs.ids import lease_key
from tests.builders import manifest
from tests.driving import writes
from tests.orchestrators.crossroads import Step
from tests.orchestrators.scene import ACCOUNT

SETS = (1, 2, 3)
IN_TIME = {
    "before its first turn": (Step("orchestrator", "shard"), "delivered"),
    "acquiring": (Step("entity", "lease", 1), "answered"),
    "inspecting": (Step("activity", "inspect_database"), "answered"),
    "marking": (Step("activity", "mark_started"), "answered"),
    "uploading": (Step("activity", "upload_shard_set"), "answered"),
    "renewing": (Step("entity", "lease", 2), "delivered"),
}
UPLOADED = {"uploading", "renewing"}
TOO_LATE = {
    "committing": (Step("activity", "commit_metadata"), "answered"),
    "releasing": (Step("entity", "lease", 3), "delivered"),
}


async def cancel_at(scene, db, step, *, number=1):
    """Start a run, cancel it while it stands at a step, and let it go on; the operation's end."""
    stop = scene.stop(db, step[0], step[1], number=number)
    run = await scene.started(db, presets=SETS)
    await stop.reached()
    reply = await scene.api.post(f"/api/operations/{run}/cancel")
    assert reply.status_code == 202, reply.text
    assert reply.headers["operation-location"].endswith(run)
    stop.go()
    return await scene.ended(run)


@pytest.mark.parametrize("phase", IN_TIME)
async def test_canceled_run_of_a_fresh_database_leaves_it_free_and_unlisted(scene, phase):
    db = await scene.new(f"cancel.fresh.{phase.replace(' ', '_')}")
    operation = await cancel_at(scene, db, IN_TIME[phase])
    assert operation["status"] == "Canceled", operation
    assert operation["error"]["code"] == "Canceled"
    assert (await scene.lease(db))["operation_id"] is None
    document = await scene.blobs.metadata(db) or {}
    assert not document.get("sharding_in_progress")
    assert not document.get("sharded")
    assert document.get("shard_sets", []) == []
    assert "sharding_error" not in document
    await scene.api.sharded(db, presets=SETS)
    await scene.is_whole(db, 3, SETS)


@pytest.mark.parametrize("phase", IN_TIME)
async def test_canceled_run_keeps_the_sets_listed_that_it_did_not_touch(scene, phase):
    db = await scene.new(f"cancel.known.{phase.replace(' ', '_')}")
    await scene.api.sharded(db, presets=SETS)
    await scene.blobs.put(manifest(db, 2, 1), b"damaged\n")
    operation = await cancel_at(scene, db, IN_TIME[phase], number=2)
    assert operation["status"] == "Canceled", operation
    document = await scene.blobs.metadata(db)
    assert document["sharding_in_progress"] is False
    assert document["shard_sets"] == ([1, 3] if phase in UPLOADED else [1, 2, 3])
    assert document["sharded"] is True
    assert (await scene.lease(db))["operation_id"] is None
    await scene.api.sharded(db, presets=SETS)
    await scene.is_whole(db, 3, SETS)


@pytest.mark.parametrize("phase", TOO_LATE)
async def test_cancel_that_comes_after_the_commit_lets_the_run_succeed(scene, phase):
    db = await scene.new(f"cancel.late.{phase}")
    operation = await cancel_at(scene, db, TOO_LATE[phase])
    assert operation["status"] == "Succeeded", operation
    await scene.is_whole(db, 3, SETS, epoch=1)


async def test_wish_to_cancel_that_reached_only_the_lease_is_honoured(scene):
    db = await scene.new("cancel.flag")
    stop = scene.stop(db, Step("activity", "upload_shard_set"), "answered")
    run = await scene.started(db, presets=[2])
    await stop.reached()
    async with scene.client() as client:
        await client.signal_entity(EntityInstanceId("lease", lease_key(ACCOUNT, db)), "cancel", {"run": run})
    stop.go()
    assert (await scene.ended(run))["status"] == "Canceled"
    assert (await scene.blobs.metadata(db))["shard_sets"] == []
    await scene.api.sharded(db, presets=[2])
    await scene.is_whole(db, 3, (2,))


async def test_run_that_was_canceled_before_it_started_shows_so_and_writes_nothing(scene):
    db = await scene.new("cancel.early")
    stop = scene.stop(db, Step("orchestrator", "shard"), "delivered")
    scene.proxy.clear()
    run = await scene.started(db)
    await stop.reached()
    assert (await scene.api.operation(run))["status"] == "NotStarted"
    assert (await scene.api.post(f"/api/operations/{run}/cancel")).status_code == 202
    stop.go()
    assert (await scene.ended(run))["status"] == "Canceled"
    assert [one for one in writes(scene.proxy.records) if db in one.blob] == []
    assert await scene.blobs.metadata(db) is None
