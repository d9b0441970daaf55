"""Each kind of damage is done for real, healed by one pass, and the second pass does nothing."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.fleet import sound
from tests.builders import alias, database, layout, manifest, papers
from tests.orchestrators.crossroads import Step
from tests.orchestrators.reconciling import IMPATIENT, actions, ago, begun, fire, is_idle, passes, reconciled
from tests.orchestrators.scene import Scene, until

UPLOAD = Step("activity", "upload_shard_set")
SETS = (1, 2, 3)


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """The app with impatient passes; whatever a test leaves must be well, or every later pass tells of it."""
    async with Scene(tmp_path_factory.mktemp("reconcile"), **IMPATIENT) as scene:
        yield scene


@pytest.fixture(autouse=True)
async def emptied(place):
    """Each test has the container to itself."""
    await place.blobs.clear()


async def test_pass_over_what_is_well_does_nothing_and_can_be_read(place):
    db = await place.new("well")
    await place.api.sharded(db)

    result = await is_idle(place)

    assert (result["outcome"], result["databases"], result["pages"]) == ("reconciled", 1, 1)
    assert actions(result, db) == []


async def test_database_that_no_event_told_of_is_sharded(place):
    db = await place.new("untold")

    result = await reconciled(place)

    assert actions(result, db) == [("shard", "never")]
    await place.is_whole(db, 3, SETS)
    await is_idle(place)


@pytest.fixture(scope="module")
async def pruning_stack(tmp_path_factory):
    """The app with passes that may remove ghosts."""
    async with Scene(tmp_path_factory.mktemp("prune"), **IMPATIENT, SHARDWARM_RECONCILE_GHOSTS="remove") as scene:
        yield scene


@pytest.fixture
async def pruning(pruning_stack):
    """That app, with an empty container."""
    await pruning_stack.blobs.clear()
    return pruning_stack


@pytest.fixture(scope="module")
async def two_a_pass_stack(tmp_path_factory):
    """The app with passes that heal two things at most."""
    async with Scene(tmp_path_factory.mktemp("two"), **IMPATIENT, SHARDWARM_RECONCILE_MOST="2") as scene:
        yield scene


@pytest.fixture
async def two_a_pass(two_a_pass_stack):
    """That app, with an empty container."""
    await two_a_pass_stack.blobs.clear()
    return two_a_pass_stack


async def test_database_that_is_being_uploaded_is_left_alone(tmp_path_factory):
    async with Scene(tmp_path_factory.mktemp("patient")) as scene:
        db = await scene.new("young")

        result = await reconciled(scene)

        assert actions(result, db) == []
        assert await scene.blobs.metadata(db) is None


async def test_database_of_which_a_part_is_missing_is_not_sharded_by_a_pass(place):
    files = database("partly", 3)
    last = {name: data for name, data in files.items() if ".02." in name or name.endswith(".njs")}
    papers = {"partly/partly-nucl-metadata.json": b'{"number-of-volumes": 3}'}
    await place.blobs.upload({name: data for name, data in files.items() if name not in last} | papers)

    result = await reconciled(place)

    assert actions(result, "partly") == [("shard", "never")]
    document = await place.blobs.metadata("partly")
    assert (document["sharded"], document["sharding_error"].partition(":")[0]) == (False, "VolumeGap")
    await place.blobs.upload(last)
    await reconciled(place)
    await place.is_whole("partly", 3, SETS)
    await is_idle(place)


DAMAGE = {
    "a text is missing": (lambda blobs, db: blobs.delete(manifest(db, 2, 1)), "missing"),
    "a text differs": (lambda blobs, db: blobs.put(alias(db, 3, 0), b"TITLE x\n"), "damaged"),
    "a text is too many": (lambda blobs, db: blobs.put(manifest(db, 2, 7), b"x\n"), "orphans"),
    "a volume was replaced": (lambda blobs, db: blobs.put(f"{db}/{db}.01.nsq", b"b" * 100), "stale"),
    "the metadata is gone": (lambda blobs, db: blobs.delete(f"{db}-metadata.json"), "never"),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_healed_by_a_run(place, name):
    damage, reason = DAMAGE[name]
    db = await place.new("damaged")
    await place.api.sharded(db)
    await damage(place.blobs, db)

    result = await reconciled(place)

    assert actions(result, db) == [("shard", reason)]
    await place.is_whole(db, 3, SETS)
    await is_idle(place)


@pytest.mark.parametrize(
    "change",
    [
        {"shard_sets": [2, 9]},
        {"sharded": False},
        {"total_bytes": 1},
        {"file_count": None},
        {"sharding_error": "x"},
        {"statistics": "x"},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_metadata_that_disagrees_with_storage_is_written_anew(place, change):
    db = await place.new("disagrees")
    await place.api.sharded(db)
    await place.blobs.put_metadata(db, {**await place.blobs.metadata(db), **change})

    result = await reconciled(place)

    assert actions(result, db) == [("shard", "metadata")]
    await place.is_whole(db, 3, SETS)
    await is_idle(place)


async def test_totals_in_metadata_that_are_not_those_of_the_database_are_written_anew(place):
    db = await place.new("totals")
    await place.api.sharded(db)
    right = await place.blobs.metadata(db)
    await place.blobs.put_metadata(db, {**right, "total_letters": 7})

    await reconciled(place)

    assert (await place.blobs.metadata(db))["total_letters"] == right["total_letters"]
    await place.is_whole(db, 3, SETS)
    await is_idle(place)


async def test_database_that_grew_gets_the_sets_that_it_was_too_small_for(place):
    db = await place.new("grows", 2)
    await place.api.sharded(db)
    await place.grow(db, 4)

    assert actions(await reconciled(place), db) == [("shard", "stale")]

    await place.is_whole(db, 4, (1, 2, 3, 4))
    await is_idle(place)


async def test_set_beyond_the_presets_outlives_a_refusal_of_its_database(place):
    db = await place.new("beyond", 8)
    await place.api.sharded(db, presets=[7])
    await place.blobs.upload(database(db, 10) | papers(db, 8))
    assert (await place.api.refused(db))["code"] == "GhostVolumes"
    assert (await place.blobs.metadata(db))["shard_sets"] == []
    await place.blobs.upload(papers(db, 10))

    reply = await place.api.verify(db)
    assert manifest(db, 7, 0) in {one["target"] for one in reply.json()["findings"]}
    assert actions(await reconciled(place), db) == [("shard", "stale")]

    await place.is_whole(db, 10, (1, 2, 3, 4, 5, 6, 7, 8, 10))
    await is_idle(place)


async def test_sets_that_nobody_asked_for_are_not_added(place):
    db = await place.new("chosen")
    await place.api.sharded(db, presets=[2])
    await place.blobs.delete(manifest(db, 2, 0))

    await reconciled(place)

    await place.is_whole(db, 3, (2,))
    await is_idle(place)


async def test_lease_of_a_dead_holder_is_freed_and_its_mark_taken_back(place):
    db = await place.new("orphaned")
    stop = place.stop(db, UPLOAD, "answered")
    run = await place.started(db)
    await stop.reached()
    await place.terminate(run)
    stop.go()

    result = await reconciled(place)

    assert actions(result, db)[:2] == [("release", "dead holder"), ("correct", "mark")]
    await place.is_whole(db, 3, SETS)
    await is_idle(place)


async def test_run_that_lives_is_left_alone_with_its_lease_and_its_mark(place):
    db = await place.new("alive")
    stop = place.stop(db, UPLOAD, "delivered")
    run = await place.started(db, presets=[2])
    await stop.reached()

    result = await reconciled(place)
    lease, marked = await place.lease(db), await place.blobs.metadata(db)
    stop.go()

    assert actions(result, db) == []
    assert (lease["operation_id"], marked["sharding_in_progress"]) == (run, True)
    assert (await place.ended(run))["status"] == "Succeeded"
    await place.is_whole(db, 3, (2,))
    await is_idle(place)


async def test_mark_is_left_alone_while_a_living_run_holds_the_lease(place):
    db = await place.new("held")
    mark = {"update_in_progress": True, "update_started_at": ago(hours=3)}
    await place.blobs.put_metadata(db, mark)
    stop = place.stop(db, Step("activity", "inspect_database"), "delivered")
    run = await place.started(db)
    await stop.reached()

    result = await is_idle(place)
    document = await place.blobs.metadata(db)
    stop.go()

    assert (actions(result, db), document) == ([], mark)
    await place.ended(run)


async def test_young_mark_of_a_run_that_only_another_task_hub_may_know_is_respected(place):
    db = await place.new("elsewhere")
    started = ago(minutes=5)
    mark = {"sharding_in_progress": True, "sharding_started_at": started, "shard_started_at": started}
    await place.blobs.put_metadata(db, {**mark, "shard_operation_id": place.run_of(db, 9), "shard_epoch": 9})

    assert actions(await is_idle(place), db) == []


async def test_promotion_that_is_lost_waits_for_a_person(place):
    db = await place.new("lost")
    mark = {"promoting_source_version": "v2", "copy_status": {"phase": "partial", "reason": "PromotionLost"}, "sharded": False}
    await place.blobs.put_metadata(db, mark)

    result = await is_idle(place)

    (told,) = result["actions"]
    assert (told["action"], told["reason"]) == ("tell", "promotion")
    assert told["outcome"] == "part of v2 is lost: prepare-db with the newest snapshot"
    assert await place.blobs.metadata(db) == mark


FOREIGN_MARKS = {
    "half an hour": {"sharding_in_progress": True, "sharding_started_at": ago(minutes=31)},
    "no time": {"sharding_in_progress": True},
    "unreadable": {"sharding_in_progress": True, "sharding_started_at": "yesterday"},
    "copy": {"update_in_progress": True, "update_started_at": ago(hours=2, minutes=1)},
    "copy without time": {"update_in_progress": True, "update_started_at": None},
}


@pytest.mark.parametrize("name", FOREIGN_MARKS)
async def test_abandoned_mark_of_the_replaced_system_is_taken_back(place, name):
    db = await place.new("abandoned")
    await place.api.sharded(db)
    await place.blobs.put_metadata(db, {**await place.blobs.metadata(db), **FOREIGN_MARKS[name], "other": "kept"})

    result = await reconciled(place)

    document = await place.blobs.metadata(db)
    assert actions(result, db)[0][0] == "correct"
    assert document["other"] == "kept"
    assert not document.get("update_in_progress")
    await place.is_whole(db, 3, SETS)
    await is_idle(place)


@pytest.mark.parametrize(
    "mark",
    [
        lambda: {"sharding_in_progress": True, "sharding_started_at": ago(minutes=25)},
        lambda: {"update_in_progress": True, "update_started_at": ago(hours=1, minutes=55)},
    ],
    ids=["sharding", "copy"],
)
async def test_young_mark_of_the_replaced_system_is_respected(place, mark):
    # As old as it is when the test begins, however long the others took.
    db, mark = await place.new("respected"), mark()
    await place.blobs.put_metadata(db, mark)

    await is_idle(place)

    assert await place.blobs.metadata(db) == mark


async def test_abandoned_copy_stays_unfinished_until_it_is_prepared_anew(place):
    db = await place.new("half_copied")
    mark = {"update_in_progress": True, "update_started_at": ago(hours=3), "copy_status": {"phase": "copying", "success": 4}}
    await place.blobs.put_metadata(db, mark)

    result = await reconciled(place)

    document = await place.blobs.metadata(db)
    assert actions(result, db) == [("correct", "copy")]
    assert document["copy_status"] == {"phase": "partial", "success": 4, "reconciled": True}
    assert "sharded" not in document
    assert actions(await is_idle(place), db) == [("tell", "refused")]


async def test_mark_of_a_former_task_hub_on_a_refused_database_is_taken_back(place):
    db = "former"
    await place.blobs.upload(database(db, 3) | papers(db, 2))
    started = ago(minutes=45)
    former = {
        "sharding_in_progress": True,
        "sharding_started_at": started,
        "shard_started_at": started,
        "shard_operation_id": place.run_of(db, 7),
        "shard_epoch": 7,
    }
    await place.blobs.put_metadata(db, former)
    assert (await place.api.refused(db))["code"] == "GhostVolumes"
    assert (await place.blobs.metadata(db))["sharding_in_progress"] is True

    await reconciled(place)

    document = await place.blobs.metadata(db)
    assert document["sharding_in_progress"] is False
    assert document["shard_epoch"] >= 7


async def test_refused_database_is_tried_once_a_generation(place):
    db = "ghosts"
    await place.blobs.upload(database(db, 3) | papers(db, 2))

    first, second = await reconciled(place), await is_idle(place)

    assert actions(first, db) == [("shard", "never")]
    assert actions(second, db) == [("tell", "refused")]
    await place.blobs.upload(papers(db, 3))
    assert actions(await reconciled(place), db) == [("shard", "never")]
    await place.is_whole(db, 3, SETS)


async def test_ghosts_are_removed_where_a_setting_allows_it_and_never_more_than_half(pruning):
    await pruning.blobs.upload(database("few", 4))
    await pruning.blobs.upload(database("most", 4))
    await pruning.blobs.upload(papers("few", 2) | papers("most", 1))
    refused = await reconciled(pruning)

    pruned = await reconciled(pruning)

    assert actions(refused, "few") == actions(refused, "most") == [("shard", "never")]
    assert actions(pruned, "few") == [("prune", "refused"), ("shard", "refused")]
    assert actions(pruned, "most") == [("tell", "refused")]
    await pruning.is_whole("few", 2, (1, 2))
    assert not await pruning.blobs.exists("few/few.02.nsq")
    assert await pruning.blobs.exists("most/most.03.nsq")
    await is_idle(pruning)


async def test_database_whose_ghosts_are_being_removed_is_held_by_the_pass(pruning):
    await pruning.blobs.upload(database("pruned", 4))
    await pruning.blobs.upload(papers("pruned", 3))
    await reconciled(pruning)
    name, _, number = (await passes(pruning))[0]["id"].rpartition("-")
    pass_id = f"{name}-{int(number) + 1}"
    stop = pruning.crossroads.stop(pass_id, Step("activity", "prune_ghosts"), "delivered")
    assert await begun(pruning) == pass_id
    await stop.reached()

    replies = [
        await pruning.api.start_shard("pruned"),
        await pruning.api.verify("pruned"),
    ]
    stop.go()

    for reply in replies:
        assert reply.status_code == 409, reply.text
        body = reply.json()
        assert (body["error"]["target"], body["holder"]["kind"], body["operation_id"]) == ("pruned", "reconcile", pass_id)
    await pruning.ended(pass_id)
    await pruning.is_whole("pruned", 3, SETS)


async def test_sets_of_a_database_that_lost_a_volume_are_withdrawn(place):
    db = await place.new("loses")
    await place.api.sharded(db)
    await place.blobs.delete(*[f"{db}/{db}.01.{extension}" for extension in ("nsq", "nin", "nhr")])

    await reconciled(place)

    document = await place.blobs.metadata(db)
    assert (document["sharded"], document["shard_sets"]) == (False, [])
    assert document["sharding_error"].startswith("VolumeGap")
    assert actions(await is_idle(place), db) == [("tell", "refused")]


async def test_metadata_of_a_database_that_is_gone_claims_nothing(place):
    db = await place.new("vanished", 1)
    await place.api.sharded(db)
    await place.blobs.delete(*database(db, 1))

    result = await reconciled(place)

    assert actions(result, db) == [("correct", "gone")]
    assert (await place.blobs.metadata(db))["sharded"] is False
    assert await place.blobs.exists(manifest(db, 1, 0))
    assert actions(await is_idle(place), db) == [("tell", "gone")]


async def test_database_that_came_back_while_a_pass_called_it_gone_keeps_its_sets(place):
    db = await place.new("returned", 1)
    await place.api.sharded(db)
    await place.blobs.delete(*database(db, 1))
    stop = place.crossroads.stop((await next_pass(place)), Step("activity", "correct_metadata"), "delivered")
    passing = asyncio.create_task(reconciled(place))
    await stop.reached()
    await place.blobs.upload(database(db, 1))
    stop.go()
    await passing

    document = await place.blobs.metadata(db)
    assert (document["sharded"], document["shard_sets"]) == (True, [1])
    await is_idle(place)


async def test_metadata_that_others_wrote_is_described_so_that_listings_need_not_read_it(place):
    db = await place.new("described")
    await place.api.sharded(db)
    foreign = {**await place.blobs.metadata(db), "other": "kept"}
    await place.blobs.put_metadata(db, foreign)

    assert actions(await reconciled(place), db) == [("correct", "headers")]

    assert await place.blobs.metadata(db) == foreign
    await is_idle(place)
    assert [record.method for record in place.proxy.records] == ["GET"]


async def test_unreadable_metadata_is_told_and_left_as_it_is(place):
    db = await place.new("unreadable")
    await place.blobs.put(f"{db}-metadata.json", b"{")

    assert actions(await is_idle(place), db) == [("tell", "refused")]


async def test_one_pass_heals_a_bounded_share(two_a_pass):
    for number in range(5):
        await two_a_pass.new(f"many_{number}", 1)

    results = [await reconciled(two_a_pass) for _ in range(3)]

    assert [(one["healed"], one.get("left", 0)) for one in results] == [(2, 3), (2, 1), (1, 0)]
    await is_idle(two_a_pass)


async def test_share_of_a_pass_counts_healings_of_every_kind(tmp_path_factory):
    async with Scene(tmp_path_factory.mktemp("one"), **IMPATIENT, SHARDWARM_RECONCILE_MOST="1") as scene:
        db = await scene.new("twice")
        stop = scene.stop(db, UPLOAD, "answered")
        run = await scene.started(db)
        await stop.reached()
        await scene.terminate(run)
        stop.go()

        first, second = await reconciled(scene), await reconciled(scene)

        assert actions(first, db) == [("release", "dead holder")]
        assert actions(second, db)[0] == ("correct", "mark")
        await is_idle(scene)


async def test_run_after_a_correction_that_was_not_needed_any_more_counts_into_the_share(two_a_pass):
    following = await next_pass(two_a_pass)
    for db in ("freed", "marked", "unmarked"):
        await two_a_pass.new(db, 1)
    upload = two_a_pass.stop("freed", UPLOAD, "answered")
    run = await two_a_pass.started("freed", presets=[1])
    await upload.reached()
    await two_a_pass.terminate(run)
    upload.go()
    await two_a_pass.blobs.delete("freed-metadata.json", *database("freed", 1), *layout("freed", [1]))
    await two_a_pass.blobs.put_metadata("marked", FOREIGN_MARKS["half an hour"])
    correcting = two_a_pass.crossroads.stop(following, Step("activity", "correct_metadata"), "delivered")
    passing = asyncio.create_task(reconciled(two_a_pass))
    await correcting.reached()
    await two_a_pass.blobs.put_metadata("marked", {})
    correcting.go()

    result = await passing

    assert [(one["action"], one["reason"]) for one in result["actions"]] == [("release", "dead holder"), ("shard", "mark")]
    assert result["left"] == 1


async def test_databases_that_are_well_cost_no_call_of_their_own(place):
    await asyncio.gather(*(put(place, f"sound_{number}") for number in range(40)))

    result = await is_idle(place)

    assert (result["databases"], result["told"], result["pages"]) == (40, 0, 1)
    assert [record.method for record in place.proxy.records] == ["GET"]
    await verified(place, "sound_7")


async def put(scene, db) -> None:
    """Write a database as a run leaves it, without a run."""
    for name, blob in sound(db).items():
        await scene.blobs.put(name, blob.data, metadata=blob.headers)


async def verified(scene, db) -> None:
    """Fail unless the certificate agrees that all is well."""
    reply = await scene.api.verify(db)
    assert reply.json()["drift"] == "current", reply.text


async def test_layout_that_was_put_back_is_the_right_one(place):
    db = await place.new("put_back", 4)
    await place.api.sharded(db, presets=[2])
    await place.blobs.put(f"{db}/{db}.00.nsq", b"c" * 5000)
    await place.api.sharded(db, presets=[2])
    await place.blobs.put(f"{db}/{db}.00.nsq", b"a" * 100)
    reply = await place.api.post(f"/api/blast/databases/{db}/restore", json=place.api.body)
    assert reply.status_code == 202, reply.text
    assert (await place.ended(reply.json()["operation_id"]))["status"] == "Succeeded"

    assert actions(await is_idle(place), db) == []
    await verified(place, db)


async def test_there_are_never_two_passes(place):
    stop = place.crossroads.stop((await next_pass(place)), Step("activity", "survey_account"), "answered")
    run = await begun(place)
    await stop.reached()
    before = len(await passes(place))
    await asyncio.gather(*(fire(place) for _ in range(3)))
    log = place.stack.logs / "worker.log"
    await until(lambda: log.read_text().count(f"still running: {run}") == 3)
    after = len(await passes(place))
    stop.go()

    assert (await place.ended(run))["status"] == "Succeeded"
    assert after == before


async def test_pass_whose_holder_was_terminated_hinders_nobody(place):
    stop = place.crossroads.stop((await next_pass(place)), Step("activity", "survey_account"), "answered")
    run = await begun(place)
    await stop.reached()
    await place.terminate(run)
    stop.go()

    await is_idle(place)


async def test_passes_can_be_turned_off(tmp_path_factory):
    async with Scene(tmp_path_factory.mktemp("off"), **IMPATIENT, SHARDWARM_RECONCILE="off") as scene:
        await scene.new("ignored")
        await fire(scene)
        await scene.api.sharded("ignored")

        assert await passes(scene) == []


async def test_runs_past_their_retention_are_forgotten(tmp_path_factory):
    async with Scene(tmp_path_factory.mktemp("purge"), **IMPATIENT, SHARDWARM_RETENTION_DAYS="0.0000001") as scene:
        db = await scene.new("forgotten")
        run = await scene.started(db)
        await scene.ended(run)

        result = await reconciled(scene)

        assert (await scene.api.get(f"/api/operations/{run}")).status_code == 404
        assert ("purge", "retention") in {(one["action"], one["reason"]) for one in result["actions"]}
        await scene.is_whole(db, 3, SETS)


async def next_pass(scene) -> str:
    """The id that the next pass will have."""
    known = await passes(scene)
    if not known:
        await reconciled(scene)
        known = await passes(scene)
    stem, _, number = known[0]["id"].rpartition("-")
    return f"{stem}-{int(number) + 1}"
