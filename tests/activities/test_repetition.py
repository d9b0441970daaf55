"""Each activity twice equals once: the engine may run any of them again."""

from __future__ import annotations

import pytest

from activities.shard import commit_metadata, inspect_database, mark_started, record_failure, remove_orphans, upload_shard_set
from shared.errors import Code, Problem
from shared.runs.shard.payloads import Removed
from tests.builders import alias, database, layout, manifest
from tests.driving import writes, written

FAILURE = Problem(code=Code.VOLUME_GAP, message="'x' lacks a volume.")


async def test_inspecting_twice_gives_the_same_and_writes_nothing(bench):
    await bench.blobs.upload(database("db", 3))

    first = await inspect_database(bench.inspect("db"), bench.clients)
    second = await inspect_database(bench.inspect("db"), bench.clients)

    assert first.inspection is not None
    same = {"last_change": None}
    assert first.inspection.model_copy(update=same) == second.inspection.model_copy(update=same)
    assert not writes(bench.proxy.records)


async def test_uploading_twice_writes_once(bench):
    await bench.blobs.upload(database("db", 3))
    inspection = await bench.look("db", (3,))
    (request,) = bench.uploads("db", inspection)

    first = await upload_shard_set(request, bench.clients)
    texts = await bench.blobs.texts(layout("db", [3]))
    bench.proxy.clear()
    second = await upload_shard_set(request, bench.clients)

    assert (first.written, first.already_right, first.problem) == (6, 0, None)
    assert (second.written, second.already_right, second.problem) == (0, 0, None)
    assert not written(bench.proxy.records)
    assert await bench.blobs.texts(layout("db", [3])) == texts


async def test_repairing_twice_leaves_the_same_bytes(bench):
    await bench.blobs.upload(database("db", 3))
    await bench.sharded("db", (3,))
    right = await bench.blobs.texts(layout("db", [3]))
    await bench.blobs.put(manifest("db", 3, 1), b"damaged")
    inspection = await bench.look("db", (3,))
    (request,) = bench.uploads("db", inspection)

    receipts = [await upload_shard_set(request, bench.clients) for _ in range(2)]

    assert (receipts[0].written, receipts[0].already_right) == (1, 5)
    assert receipts[1].problem is None
    assert await bench.blobs.texts(layout("db", [3])) == right


async def test_marking_twice_leaves_one_mark(bench):
    await bench.blobs.upload(database("db", 1))
    await bench.blobs.put_metadata("db", {"foreign": 1})

    await mark_started(bench.mark("db"), bench.clients)
    first = await bench.blobs.metadata("db")
    await mark_started(bench.mark("db"), bench.clients)

    assert await bench.blobs.metadata("db") == first
    assert first["sharding_in_progress"] is True
    assert first["foreign"] == 1


async def test_committing_twice_leaves_one_result(bench):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.sharded("db")
    etag = (await mark_started(bench.mark("db"), bench.clients)).etag
    request = bench.commit("db", inspection, etag=etag)

    replies = [await commit_metadata(request, bench.clients)]
    first = await bench.blobs.metadata("db")
    replies.append(await commit_metadata(request, bench.clients))

    assert [reply.problem for reply in replies] == [None, None]
    assert await bench.blobs.metadata("db") == first
    assert (first["sharded"], first["shard_sets"], first["sharding_in_progress"]) == (True, [1, 2], False)


async def test_recording_a_failure_twice_leaves_one_record(bench):
    await bench.blobs.put_metadata("db", {"shard_sets": [1, 2, 3], "sharded": True, "foreign": 1})
    request = bench.failure("db", damaged_sets=(2,), problem=FAILURE)

    await record_failure(request, bench.clients)
    first = await bench.blobs.metadata("db")
    await record_failure(request, bench.clients)

    assert await bench.blobs.metadata("db") == first
    assert (first["shard_sets"], first["sharding_in_progress"], first["foreign"]) == ([1, 3], False, 1)
    assert first["sharding_error"] == "VolumeGap: 'x' lacks a volume."


async def test_removing_orphans_twice_removes_them_once(bench):
    await bench.blobs.upload(database("db", 2))
    await bench.sharded("db")
    strays = {manifest("db", 3, 0), alias("db", 3, 0), alias("db", 2, 1, "pal")}
    await bench.blobs.upload(dict.fromkeys(strays, b"x"))
    inspection = await bench.look("db", (1, 2, 3))
    request = bench.removal("db", inspection, kept=(1, 2))

    first = await remove_orphans(request, bench.clients)
    bench.proxy.clear()
    second = await remove_orphans(request, bench.clients)

    assert inspection.orphans == (2, 3)
    assert (first, second) == (Removed(blobs=3), Removed())
    assert not writes(bench.proxy.records)
    assert await bench.blobs.layout("db") == layout("db", [1, 2])


async def test_a_whole_run_by_hand_leaves_nothing_to_do(bench):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.sharded("db")
    await commit_metadata(bench.commit("db", inspection), bench.clients)

    again = await bench.look("db", clients=bench.with_settings())

    assert again.is_done
    assert not inspection.is_done


@pytest.mark.parametrize("step", ["mark", "commit", "failure"])
async def test_a_lower_epoch_writes_nothing_once_a_higher_one_was_there(bench, step):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.sharded("db")
    await mark_started(bench.mark("db", epoch=5, run="run-5"), bench.clients)
    before = await bench.blobs.get("db-metadata.json")
    bench.proxy.clear()

    match step:
        case "mark":
            reply = await mark_started(bench.mark("db", epoch=4), bench.clients)
        case "commit":
            reply = await commit_metadata(bench.commit("db", inspection, epoch=4), bench.clients)
        case "failure":
            reply = await record_failure(bench.failure("db", epoch=4, problem=FAILURE), bench.clients)

    assert reply.problem.code is Code.LEASE_LOST
    assert "epoch 5" in reply.problem.message
    assert not written(bench.proxy.records)
    assert await bench.blobs.get("db-metadata.json") == before


async def test_a_remembered_document_does_not_let_a_lower_epoch_through(bench):
    await bench.blobs.upload(database("db", 2))
    sleeper, successor = bench.with_settings(), bench.with_settings()
    inspection = await bench.look("db", clients=sleeper)
    etag = (await mark_started(bench.mark("db", epoch=1), sleeper)).etag
    await mark_started(bench.mark("db", epoch=2, run="run-2"), successor)

    reply = await commit_metadata(bench.commit("db", inspection, epoch=1, etag=etag), sleeper)

    assert reply.problem.code is Code.LEASE_LOST
    assert (await bench.blobs.metadata("db"))["shard_operation_id"] == "run-2"


async def test_a_database_that_changed_is_not_committed(bench):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.sharded("db")
    await bench.blobs.upload(database("db", 3))
    bench.proxy.clear()

    reply = await commit_metadata(bench.commit("db", inspection), bench.clients)

    assert reply.problem.code is Code.DATABASE_CHANGED
    assert not writes(bench.proxy.records)


async def test_a_database_whose_version_moved_is_not_committed(bench):
    await bench.blobs.upload(database("db", 2))
    await bench.blobs.put_metadata("db", {"source_version": "one"})
    inspection = await bench.sharded("db")
    await bench.blobs.put_metadata("db", {"source_version": "two"})

    reply = await commit_metadata(bench.commit("db", inspection), bench.clients)

    assert reply.problem.code is Code.DATABASE_CHANGED
    assert await bench.blobs.metadata("db") == {"source_version": "two"}


@pytest.mark.parametrize("content", [b"{", b"[]", b""])
@pytest.mark.parametrize("step", ["mark", "commit", "failure"])
async def test_metadata_that_cannot_be_read_is_left_as_it_is(bench, step, content):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.sharded("db")
    await bench.blobs.put("db-metadata.json", content)
    bench.proxy.clear()

    match step:
        case "mark":
            reply = await mark_started(bench.mark("db"), bench.clients)
        case "commit":
            reply = await commit_metadata(bench.commit("db", inspection), bench.clients)
        case "failure":
            reply = await record_failure(bench.failure("db", problem=FAILURE), bench.clients)

    assert reply.problem.code is Code.UNREADABLE_METADATA
    assert not written(bench.proxy.records)
    assert await bench.blobs.get("db-metadata.json") == content
