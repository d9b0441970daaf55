"""What storage's failures become: passing ones are raised for the retry policy, lasting ones are said."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

import pytest

from activities.shard import commit_metadata, inspect_database, mark_started, record_failure, remove_orphans, upload_shard_set
from shared.errors import Code, TransientFailure
from tests.builders import alias, database, layout, manifest
from tests.driving import written
from tests.patience import patience

STEPS = ["inspect", "mark", "upload", "commit", "remove", "record"]


@pytest.fixture
async def step(bench):
    """Runs one activity by name on a database whose one set is written and beside which an orphan lies."""
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.sharded("db", (1,))
    await bench.blobs.put(manifest("db", 3, 0), b"x")
    more = await bench.look("db", (1, 2, 3))
    upload = bench.uploads("db", more)[1]
    bodies = {
        "inspect": lambda: inspect_database(bench.inspect("db"), bench.clients),
        "mark": lambda: mark_started(bench.mark("db"), bench.clients),
        "upload": lambda: upload_shard_set(upload, bench.clients),
        "commit": lambda: commit_metadata(bench.commit("db", inspection), bench.clients),
        "remove": lambda: remove_orphans(bench.removal("db", more, kept=(1,)), bench.clients),
        "record": lambda: record_failure(bench.failure("db"), bench.clients),
    }
    bench.proxy.clear()
    return lambda name: bodies[name]()


@pytest.mark.parametrize("name", STEPS)
async def test_an_account_that_was_taken_out_of_the_settings_meanwhile_is_said(step, bench, name):
    bench.clients = bench.with_settings(accounts=("othersaccount",))

    answer = await step(name)

    assert answer.problem.code is Code.ACCOUNT_NOT_ALLOWED
    assert not bench.proxy.records


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("status", [500, 503])
async def test_a_storm_is_raised_as_a_passing_failure(bench, step, name, status):
    rule = bench.proxy.fail(lambda _: True, status=status)

    with pytest.raises(TransientFailure) as caught:
        await step(name)

    assert caught.value.problem.code is Code.STORAGE_UNAVAILABLE
    assert "devstoreaccount1" in caught.value.problem.message
    rule.remove()
    assert (await step(name)).problem is None


@pytest.mark.parametrize("name", STEPS)
async def test_a_storm_that_is_soon_over_is_not_even_noticed(bench, step, name):
    bench.proxy.fail(lambda _: True, times=2)

    assert (await step(name)).problem is None


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refusal_is_a_problem_that_names_the_role(bench, step, name, status):
    bench.proxy.fail(lambda _: True, status=status, code="AuthorizationPermissionMismatch")

    reply = await step(name)

    assert reply.problem.code is Code.STORAGE_REFUSED
    assert "Storage Blob Data Contributor" in reply.problem.message
    assert len(reply.problem.message) <= 400


@pytest.mark.parametrize("name", STEPS)
async def test_a_connection_that_is_cut_again_and_again_is_a_passing_failure(bench, step, name):
    bench.proxy.cut(lambda _: True, times=None)

    with pytest.raises(TransientFailure):
        await step(name)


async def test_an_upload_whose_answers_were_lost_is_recognised_as_right(bench):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.look("db", (2,))
    (request,) = bench.uploads("db", inspection)
    rule = bench.proxy.cut(lambda request: request.method == "PUT", times=3)

    receipt = await upload_shard_set(request, bench.clients)

    assert rule.hits == 3
    assert receipt.problem is None
    assert await bench.blobs.layout("db") == layout("db", [2])
    assert (await bench.look("db", (2,))).writes == 0


async def test_a_repair_whose_answer_was_lost_is_recognised_as_right(bench):
    await bench.blobs.upload(database("db", 2))
    await bench.sharded("db", (2,))
    right = await bench.blobs.get(alias("db", 2, 1))
    await bench.blobs.put(alias("db", 2, 1), b"damaged")
    inspection = await bench.look("db", (2,))
    (request,) = bench.uploads("db", inspection)
    bench.proxy.cut(lambda request: request.method == "PUT", times=1)

    receipt = await upload_shard_set(request, bench.clients)

    assert receipt.problem is None
    assert await bench.blobs.get(alias("db", 2, 1)) == right


async def test_a_commit_whose_answer_was_lost_is_made_once_and_keeps_what_others_wrote(bench):
    await bench.blobs.upload(database("db", 2))
    await bench.blobs.put_metadata("db", {"foreign": 1})
    inspection = await bench.sharded("db")
    etag = (await mark_started(bench.mark("db"), bench.clients)).etag
    bench.proxy.cut(lambda request: request.method == "PUT", times=1)

    reply = await commit_metadata(bench.commit("db", inspection, etag=etag), bench.clients)

    document = await bench.blobs.metadata("db")
    assert reply.problem is None
    assert (document["foreign"], document["shard_sets"], document["sharding_in_progress"]) == (1, [1, 2], False)


async def test_a_removal_whose_answer_was_lost_is_no_failure(bench, step):
    bench.proxy.cut(lambda request: request.method == "DELETE", times=1)

    reply = await step("remove")

    assert reply.problem is None
    assert not await bench.blobs.exists(manifest("db", 3, 0))


async def test_one_blob_that_fails_does_not_keep_the_others_from_being_written(bench):
    await bench.blobs.upload(database("db", 3))
    inspection = await bench.look("db", (3,))
    (request,) = bench.uploads("db", inspection)
    bench.proxy.fail(lambda request: request.path.endswith("db_shard_01.nal"), status=403, code="AuthorizationFailure")

    receipt = await upload_shard_set(request, bench.clients)

    assert receipt.problem.code is Code.STORAGE_REFUSED
    assert receipt.problem.target == alias("db", 3, 1)
    assert written(bench.proxy.records) >= layout("db", [3]) - {alias("db", 3, 1)}


async def test_an_absent_container_is_a_problem_that_names_the_setting(bench):
    clients = bench.with_settings()
    await bench.blobs.container.delete_container()

    reply = await inspect_database(bench.inspect("db"), clients)

    assert reply.problem.code is Code.CONTAINER_NOT_FOUND
    assert "SHARDWARM_CONTAINER" in reply.problem.message


async def test_a_statistics_file_that_changes_under_the_look_is_looked_at_again(bench):
    await bench.blobs.upload(database("db", 2))
    held = bench.proxy.hold(lambda request: request.path.endswith("/db.njs"))
    looking = asyncio.create_task(inspect_database(bench.inspect("db"), bench.clients))
    async with patience():
        await held.reached()
        while not any("prefix=db/" in unquote(record.query) for record in bench.proxy.records):  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0)
    await bench.blobs.upload(database("db", 3))
    held.release()

    with pytest.raises(TransientFailure) as caught:
        await looking

    assert caught.value.problem.code is Code.DATABASE_CHANGED
