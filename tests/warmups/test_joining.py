"""A warmup that finds a shard run under way, or one that fails."""

from shared.runs.ids import operation_id
from tests.warmups.scene import eventually, held


def writing_layout(db):
    """Matches the writing of any layout blob of a database."""
    return lambda request: request.method == "PUT" and f"shards/{db}_shard_" in request.path


async def test_warmup_waits_for_a_shard_run_under_way_and_goes_on_when_it_ends(warmups, publish):
    await publish("joined")
    waiting = warmups.stack.proxy.hold(writing_layout("joined"))
    try:
        reply = await warmups.api.start_shard("joined")
        assert reply.status_code == 202, reply.text
        await held(waiting)
        run = await warmups.started("joined")
        children = [f"{run}-shard-{number}" for number in range(3)]

        async def has_asked_again():
            return warmups.crossroads.delivered(run)["inspect_database"] == len(children)

        await eventually(has_asked_again)
        assert (await warmups.api.operation(run))["progress"]["phase"] == "sharding"
        assert (await warmups.written("joined")).is_nothing
    finally:
        waiting.release()
    assert (await warmups.ended(reply.json()["operation_id"]))["status"] == "Succeeded"
    operation = await warmups.ended(run)
    assert operation["status"] == "Succeeded", operation
    assert (await warmups.status("joined"))["status"] == "Ready"
    for child in children:
        # While the database is held, none of them is started.
        assert not warmups.crossroads.delivered(child)
    assert (await warmups.blobs.metadata("joined"))["shard_epoch"] == 1


async def test_warmup_fails_with_the_reason_of_its_shard_run(warmups):
    db = await warmups.sham("unshardable")
    refusing = warmups.stack.proxy.fail(writing_layout(db), status=403, code="AuthorizationPermissionMismatch")
    try:
        error = await warmups.refused(db)
    finally:
        refusing.remove()
    assert error["code"] == "PartialShardSets", error
    assert "StorageRefused" in error["message"]
    assert (await warmups.written(db)).is_nothing
    child = f"{operation_id('warm', warmups.key, db, 1)}-shard-0"
    assert warmups.crossroads.delivered(child)["upload_shard_set"] >= 1
    # Nothing is held any more, neither the database nor the database on the cluster.
    assert (await warmups.api.show(db))["lease"]["operation_id"] is None
    assert (await warmups.released(db))["outcome"] == "released"
