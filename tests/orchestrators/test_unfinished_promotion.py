"""A promotion that died for good: the next pass finishes it, once, and leaves alone what somebody is at."""

from __future__ import annotations

import pytest

from tests.orchestrators.importing import FIRST, SECOND, Importer, files_of, reading
from tests.orchestrators.reconciling import actions, ago, is_idle, reconciled
from tests.orchestrators.scene import held, until


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """The app with a source of its own, where passes repeat at once what failed."""
    root = tmp_path_factory.mktemp("promotions")
    async with Importer(root, SHARDWARM_RECONCILE_AGAIN_SECONDS="0") as importer:
        yield importer


async def half_in_place(place, db):
    """Hold up the promotion of a second generation in its middle; the run, what holds it, and the files."""
    await place.publish(db, content=b"a")
    await place.prepared(db)
    files = await place.publish(db, snapshot=SECOND, content=b"b")
    hold = place.scene.proxy.hold(lambda request: "x-ms-copy-source" in request.headers and f"/{db}.02." in request.path)
    run = await place.start(db, source=SECOND)
    await held(hold)
    return run, hold, files


async def test_promotion_that_died_is_finished_by_the_next_pass_without_the_source(place):
    db = "dead_promotion"
    run, hold, files = await half_in_place(place, db)
    await place.scene.terminate(run)
    hold.release()
    assert (await place.blobs.metadata(db))["promoting_source_version"] == SECOND
    place.proxy.clear()

    result = await reconciled(place.scene)

    assert actions(result, db) == [("release", "dead holder"), ("prepare", "promotion")]
    assert place.bytes_read(db) == 0
    await place.is_in_place(db, files, version=SECOND)
    assert actions(await is_idle(place.scene), db) == []


async def test_promotion_that_somebody_is_at_is_left_alone(place):
    db = "living_promotion"
    run, hold, _ = await half_in_place(place, db)
    before = await place.blobs.metadata(db)

    assert actions(await reconciled(place.scene), db) == []

    assert await place.blobs.metadata(db) == before
    hold.release()
    assert (await place.scene.ended(run))["status"] == "Succeeded"


@pytest.mark.parametrize(("age", "acts"), [({"minutes": 5}, []), ({"hours": 3}, [("prepare", "promotion")])])
async def test_promotion_of_a_run_that_only_another_task_hub_may_know_is_finished_after_two_hours(place, age, acts):
    db = f"foreign_promotion_{len(acts)}"
    run, hold, _ = await half_in_place(place, db)
    await place.scene.terminate(run)
    hold.release()
    assert (await place.api.refused(db))["code"] == "DatabaseNotReady"  # and leaves no dead holder
    started = ago(**age)
    mark = {"prepare_operation_id": "prepare-other-9", "update_started_at": started, "prepare_started_at": started}
    await place.blobs.put_metadata(db, {**await place.blobs.metadata(db), **mark})

    result = await reconciled(place.scene)

    assert actions(result, db) == acts
    assert ("promoting_source_version" in await place.blobs.metadata(db)) is not bool(acts)
    await place.prepared(db, source=SECOND)


async def died(place, db):
    """A promotion that died, and all that it had on its way is there; its files."""
    run, hold, files = await half_in_place(place, db)
    await place.scene.terminate(run)
    hold.release()
    await until(lambda: place.scene.crossroads.at_work(run) == 0)
    return files


async def lose(place, db, *leaves):
    """Lose staged files, and have others in the places that they were to be put in."""
    await place.blobs.delete(*(name for name in await place.staged(db) if name.endswith(leaves)))
    await place.blobs.put(f"{db}/{db}.02.nsq", b"a")


LOSSES = {"all that was staged": ("",), "one staged file": (".02.nsq",), "the plan": ("/plan.json",)}


@pytest.mark.parametrize("loss", LOSSES)
async def test_promotion_of_which_staged_files_are_gone_is_finished_from_the_source(place, loss):
    db = f"thinned_promotion_{list(LOSSES).index(loss)}"
    files = await died(place, db)
    await lose(place, db, *LOSSES[loss])
    place.proxy.clear()

    result = await reconciled(place.scene)

    assert actions(result, db) == [("release", "dead holder"), ("prepare", "promotion")]
    read = {one.path.rpartition("/")[2] for one in place.reads(db) if one.method == "GET"}
    assert read == ({f"{db}.02.nsq"} if loss != "the plan" else set())
    await place.is_in_place(db, files, version=SECOND)
    assert actions(await is_idle(place.scene), db) == []


@pytest.mark.parametrize("loss", list(LOSSES)[:2])
async def test_promotion_that_can_never_be_finished_is_told_of_until_another_snapshot_takes_its_place(place, loss):
    db = f"lost_promotion_{list(LOSSES).index(loss)}"
    files = await died(place, db)
    await lose(place, db, *LOSSES[loss])
    for leaf in files:
        await place.ncbi.delete(f"{SECOND}/{leaf}")

    result = await reconciled(place.scene)

    tried = next(one for one in result["actions"] if one["action"] == "prepare")
    assert "PromotionLost" in tried["outcome"]
    document = await place.blobs.metadata(db)
    assert (document["promoting_source_version"], document["update_in_progress"]) == (SECOND, False)
    assert document["update_error"].startswith("PromotionLost: ")
    row = (await place.api.rows())[db]
    assert (row["sharded"], row["shard_sets"], row["copy_status"]["reason"]) == (False, [], "PromotionLost")
    for shown in (row, await place.api.show(db)):
        assert shown["problem"].startswith("PromotionLost: ")
        assert "newest snapshot" in shown["problem"]
    for _ in range(2):
        idle = await is_idle(place.scene)
        assert actions(idle, db) == [("tell", "promotion")]
        assert {"action": "tell", "reason": "promotion", "times": 1} in idle["counts"]

    await is_replaced(place, db)


async def is_replaced(place, db):
    """Ask for the newest snapshot, and see that nothing is claimed before all of it is in place."""
    hold = place.proxy.hold(reading(".02.nsq"))
    run = await place.start(db)
    await held(hold)
    document = await place.blobs.metadata(db)
    assert (document["promoting_source_version"], document["sharded"], document["shard_sets"]) == (SECOND, False, [])
    assert (await place.api.rows())[db]["sharded"] is False
    hold.release()
    assert (await place.scene.ended(run))["result"]["source_version"] == FIRST
    await place.is_in_place(db, files_of(db, content=b"a"), version=FIRST)
    assert actions(await is_idle(place.scene), db) == []


async def test_promotion_that_died_is_finished_at_a_clients_wish_while_the_source_is_out_of_reach(place):
    db = "asked_promotion"
    files = await died(place, db)
    rule = place.proxy.fail(lambda _: True)

    reply = await place.post(db)

    assert (reply.status_code, reply.json().get("source_version")) == (202, SECOND)
    assert (await place.scene.ended(reply.json()["operation_id"]))["status"] == "Succeeded"
    rule.remove()
    await place.is_in_place(db, files, version=SECOND)


async def test_promotion_whose_files_are_all_there_is_finished_first_though_the_source_has_lost_it(place):
    db = "kept_promotion"
    files = await died(place, db)
    for leaf in files:
        await place.ncbi.delete(f"{SECOND}/{leaf}")
    place.proxy.clear()

    result = await place.prepared(db, source=FIRST)

    assert (result["source_version"], place.bytes_read(db)) == (SECOND, 0)
    await place.is_in_place(db, files, version=SECOND)
