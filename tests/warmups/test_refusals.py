"""Warmups that cannot be: the status and code of each, and nothing written to the cluster."""

import pytest

from tests.builders import database
from tests.warmups.scene import held


async def is_refused(warmups, db, status, code, **fields):
    """Ask for a warmup that must be refused at once and leave nothing; returns the reply's body."""
    reply = await warmups.ask(db, **{"shard_count": 3, **fields})
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code), reply.text
    assert reply.headers["x-ms-error-code"] == code
    assert (await warmups.written(db)).is_nothing
    return reply.json()


async def fails(warmups, db, code, **fields):
    """Start a warmup that must fail and leave nothing; returns the error."""
    error = await warmups.refused(db, **fields)
    assert error["code"] == code, error
    assert (await warmups.written(db)).is_nothing
    # The lease is free: the next one is accepted, and fails by its own.
    assert (await warmups.refused(db, **fields))["code"] == code
    return error


@pytest.fixture(scope="module")
async def sham(warmups):
    return await warmups.sham("refused")


async def test_cluster_that_is_not_allowed_is_refused(warmups, sham):
    body = await is_refused(warmups, sham, 403, "ClusterNotAllowed", aks_cluster_name="aks-other")
    assert "SHARDWARM_CLUSTERS" in body["error"]["message"]


async def test_cluster_that_arm_does_not_know_is_refused(warmups, sham):
    await is_refused(warmups, sham, 404, "ClusterNotFound", aks_cluster_name="aks-gone")


async def test_stopped_cluster_is_refused(warmups, sham):
    warmups.cluster.managed_cluster.power_state = "Stopped"
    try:
        body = await is_refused(warmups, sham, 409, "ClusterStopped")
    finally:
        warmups.cluster.managed_cluster.power_state = "Running"
    assert "Stopped" in body["error"]["message"]


async def test_cluster_without_a_workload_pool_is_refused(warmups, sham):
    arm = warmups.cluster.managed_cluster
    all_pools = arm.pools
    arm.pools = lambda: [pool for pool in all_pools() if pool.is_system]
    try:
        body = await is_refused(warmups, sham, 409, "NoWorkloadPool")
    finally:
        arm.pools = all_pools
    assert "workload=blast" in body["error"]["message"]


async def test_database_that_is_not_there_is_refused(warmups):
    await is_refused(warmups, "nowhere", 404, "DatabaseNotFound")


async def test_account_that_is_not_allowed_is_refused(warmups, sham):
    await is_refused(warmups, sham, 403, "AccountNotAllowed", storage_account="othersaccount")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"shards": 3}, "UnknownField"),
        ({"shard_count": 0}, "InvalidField"),
        ({"shard_count": "3"}, "InvalidField"),
        ({"replicas": 0}, "InvalidField"),
        ({"aks_cluster_name": "a/b"}, "InvalidName"),
        ({"database_name": "../x"}, "InvalidName"),
    ],
)
async def test_field_that_is_wrong_is_refused_by_name(warmups, sham, fields, code):
    reply = await warmups.ask(sham, **fields)
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert code in {error["code"], *(detail["code"] for detail in error.get("details", ()))}, error
    assert next(iter(fields)) in reply.text
    assert (await warmups.written(sham)).is_nothing


async def test_shard_count_that_there_is_not_fails_with_those_that_there_are(warmups, sham):
    error = await fails(warmups, sham, "ShardSetNotFound", shard_count=7)
    assert "N = 7" in error["message"]
    assert "3" in error["message"]


async def test_more_replicas_than_nodes_fail_with_the_numbers(warmups, sham):
    error = await fails(warmups, sham, "TooFewNodes", replicas=4)
    assert "4 replicas" in error["message"]


async def test_pool_of_cordoned_nodes_fails(warmups, sham):
    names = warmups.nodes.names
    for name in names:
        await warmups.nodes.cordon(name)
    try:
        await fails(warmups, sham, "NoReadyNodes")
    finally:
        for name in names:
            await warmups.nodes.cordon(name, is_cordoned=False)


async def test_database_with_a_missing_volume_fails(warmups):
    files = database("gapped", 3)
    del files["gapped/gapped.01.nsq"]
    await warmups.blobs.upload(files)
    error = await warmups.refused("gapped")
    assert error["code"] in {"VolumeGap", "VolumesMissing"}
    assert (await warmups.written("gapped")).is_nothing


@pytest.mark.parametrize("phase", ["copying", "partial"])
async def test_database_whose_copy_is_not_complete_fails_with_the_phase(warmups, phase):
    db = await warmups.sham(f"copy_{phase}")
    copy_status = {"phase": phase, "mode": "server-side", "total_files": 9, "success": 4, "pending": 5}
    await warmups.blobs.put_metadata(db, {"db_name": db, "copy_status": copy_status})
    error = await fails(warmups, db, "DatabaseNotReady")
    assert phase in error["message"]
    assert "prepare-db" in error["message"]


async def test_database_with_a_volume_of_no_bytes_fails(warmups):
    files = database("hollow", 3)
    files["hollow/hollow.01.nsq"] = b""
    await warmups.blobs.upload(files)
    error = await fails(warmups, "hollow", "VolumeGap")
    assert "hollow.01.nsq" in error["message"]


@pytest.mark.parametrize("leaf", ["cold.00.nsq", "taxdb.btd"])
async def test_database_with_archived_files_fails_with_their_names(warmups, leaf):
    await warmups.blobs.upload({**database("cold", 3), "cold/taxdb.bti": b"i", "cold/taxdb.btd": b"d"})
    blob = warmups.blobs.container.get_blob_client(f"cold/{leaf}")
    await blob.set_standard_blob_tier("Archive")

    error = await fails(warmups, "cold", "BlobArchived")

    assert f"archive tier (1): cold/{leaf}. Rehydrate" in error["message"]
    await blob.delete_blob()


async def test_database_of_both_molecule_types_is_refused(warmups):
    await warmups.blobs.upload(database("mixed", 2) | database("mixed", 2, molecule="prot"))
    body = await is_refused(warmups, "mixed", 409, "MixedMoleculeTypes")
    assert "nucleotide" in body["error"]["message"]


async def test_second_warmup_is_told_who_holds_the_database_and_a_canceled_one_leaves_nothing(warmups):
    db = await warmups.sham("twice")
    waiting = warmups.stack.proxy.hold(lambda request: request.method == "PUT" and f"shards/{db}_shard_" in request.path)
    try:
        run = await warmups.started(db)
        await held(waiting)
        body = await is_refused(warmups, db, 409, "LeaseHeld")
        assert body["operation_id"] == body["holder"]["operation_id"] == run
        assert body["holder"]["kind"] == "warm_up"
        released = await warmups.ask(db, "release")
        assert (released.status_code, released.json()["operation_id"]) == (409, run)
        assert (await warmups.api.post(f"/api/operations/{run}/cancel")).status_code == 202
    finally:
        waiting.release()
    assert (await warmups.ended(run))["status"] == "Canceled"
    assert (await warmups.written(db)).is_nothing


async def test_database_whose_files_have_the_names_of_a_warm_ones_is_refused(warmups):
    await warmups.publish("meets")
    await warmups.warmed("meets", shard_count=3)
    await warmups.blobs.upload(database("meets.01", None))

    error = await fails(warmups, "meets.01", "FileNameTaken", shard_count=1)

    assert "meets.01.n" in error["message"]
    assert "release 'meets' first" in error["message"]
    await warmups.released("meets")
