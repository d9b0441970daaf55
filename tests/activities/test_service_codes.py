"""Storage's own error codes, as a run meets them: which are races, which pass, and which a person must mend."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from azure.core.exceptions import ResourceNotFoundError

from activities.reconcile import prune_ghosts
from activities.shard import inspect_database, mark_started, record_failure, remove_orphans, upload_shard_set
from shared.errors import Code, ShardwarmError, TransientFailure
from shared.runs.reconcile.payloads import PruneGhosts
from shared.storage.container import Absent, Matching
from shared.storage.errors import ConditionFailedError, translated
from tests.activities.conftest import ACCOUNT
from tests.builders import alias, database, manifest, papers
from tests.driving import writes
from tests.storage_codes import documented_codes

CONTROL = "db-metadata.json"


async def outcome_of(call) -> str:
    """What a call that storage refuses comes to, in the words of the list of documented codes."""
    with pytest.raises((ResourceNotFoundError, ConditionFailedError, ShardwarmError)) as caught:
        await call
    error = caught.value
    if not isinstance(error, ShardwarmError):
        return "missing" if isinstance(error, ResourceNotFoundError) else "raced"
    code = error.problem.code
    assert isinstance(error, TransientFailure) is (code in {Code.STORAGE_UNAVAILABLE, Code.COPY_PENDING})
    assert len(error.problem.message) <= 400
    return code.value


@pytest.fixture
async def container(bench):
    return bench.clients.accounts.container(ACCOUNT)


@pytest.mark.parametrize(("code", "status", "outcome"), documented_codes())
async def test_each_documented_code_becomes_what_it_means(bench, container, code, status, outcome):
    rule = bench.proxy.fail(lambda _: True, status=status, code=code)

    assert await outcome_of(container.write("db/x", b"x", Absent())) == outcome
    assert await outcome_of(properties(container)) == outcome
    assert rule.hits >= 2


async def properties(container) -> None:
    """A HEAD request: its answer has no body, and the code only in a header."""
    async with translated(container.account, "db/x"):
        await container.blob("db/x").get_blob_properties()


@pytest.mark.parametrize("status", [409, 412])
async def test_a_lease_of_another_client_is_said_after_one_request(bench, status):
    bench.proxy.fail(lambda request: request.method == "PUT", status=status, code="LeaseIdMissing")

    reply = await mark_started(bench.mark("db"), bench.clients)

    assert (reply.problem.code, reply.problem.target) == (Code.BLOB_LEASED, CONTROL)
    assert len(writes(bench.proxy.records)) == 1


async def test_a_control_blob_under_a_real_lease_is_left_alone(bench):
    await bench.blobs.put_metadata("db", {"x": 1})
    lease = await bench.blobs.container.get_blob_client(CONTROL).acquire_lease()

    for reply in (
        await mark_started(bench.mark("db"), bench.clients),
        await record_failure(bench.failure("db"), bench.clients),
    ):
        assert reply.problem.code is Code.BLOB_LEASED
        assert "lease break" in reply.problem.message
    assert await bench.blobs.metadata("db") == {"x": 1}
    await lease.release()


async def test_a_layout_blob_under_a_lease_is_named(bench):
    await bench.blobs.upload(database("db", 2))
    await bench.sharded("db", (2,))
    await bench.blobs.put(alias("db", 2, 1), b"damaged")
    await bench.blobs.container.get_blob_client(alias("db", 2, 1)).acquire_lease()
    (request,) = bench.uploads("db", await bench.look("db", (2,)))

    receipt = await upload_shard_set(request, bench.clients)

    assert (receipt.problem.code, receipt.problem.target) == (Code.BLOB_LEASED, alias("db", 2, 1))


async def test_an_immutable_blob_is_no_race(bench):
    await bench.blobs.upload(database("db", 2))
    (request,) = bench.uploads("db", await bench.look("db", (2,)))
    bench.proxy.fail(lambda request: request.method == "PUT", status=409, code="BlobImmutableDueToPolicy")

    receipt = await upload_shard_set(request, bench.clients)

    assert receipt.problem.code is Code.BLOB_IMMUTABLE
    assert "policy" in receipt.problem.message


async def test_an_archived_control_blob_is_said(bench):
    await bench.blobs.upload(database("db", 2))
    await bench.blobs.put_metadata("db", {})
    await bench.blobs.container.get_blob_client(CONTROL).set_standard_blob_tier("Archive")

    inspected = await inspect_database(bench.inspect("db"), bench.clients)

    assert (inspected.problem.code, inspected.problem.target) == (Code.BLOB_ARCHIVED, CONTROL)
    assert "hot or cool" in inspected.problem.message


async def test_a_copy_onto_the_blob_is_waited_for(bench):
    rule = bench.proxy.fail(lambda request: request.method == "PUT", status=409, code="PendingCopyOperation")

    with pytest.raises(TransientFailure, match=f"CopyPending: A copy onto '{CONTROL}'"):
        await mark_started(bench.mark("db"), bench.clients)
    rule.remove()

    assert (await mark_started(bench.mark("db"), bench.clients)).problem is None


async def test_an_orphan_goes_with_its_snapshots(bench):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.sharded("db", (1, 2))
    orphan = manifest("db", 3, 0)
    await bench.blobs.put(orphan, b"x")
    await bench.blobs.container.get_blob_client(orphan).create_snapshot()
    more = await bench.look("db", (1, 2, 3))

    removed = await remove_orphans(bench.removal("db", more, kept=(1, 2)), bench.clients)

    assert inspection.volumes == more.volumes
    assert (removed.problem, removed.blobs) == (None, 1)
    assert not await bench.blobs.exists(orphan)


async def test_a_blob_that_changed_keeps_its_snapshots(bench, container):
    await bench.blobs.put("db/x", b"x")
    await bench.blobs.container.get_blob_client("db/x").create_snapshot()

    assert await container.delete("db/x", Matching('"0x1"')) is False

    listed = [blob async for blob in bench.blobs.container.list_blobs(include=["snapshots"])]
    assert len(listed) == 2


async def test_a_ghost_with_snapshots_stays_until_a_person_has_deleted_them(bench):
    await bench.blobs.upload(database("db", 4))
    await bench.blobs.upload(papers("db", 3))
    ghost = bench.blobs.container.get_blob_client("db/db.03.nsq")
    await ghost.create_snapshot()
    refused = (await inspect_database(bench.inspect("db"), bench.clients)).refused
    write_before = datetime.now(UTC) + timedelta(minutes=1)

    reply = await prune_ghosts(PruneGhosts(account=ACCOUNT, db="db", write_before=write_before, refused=refused), bench.clients)

    assert (reply.problem.code, reply.problem.target) == (Code.SNAPSHOTS_PRESENT, "db/db.03.nsq")
    assert await ghost.exists()
