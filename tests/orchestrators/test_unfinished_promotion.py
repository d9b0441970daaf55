"""A promotion that died for good: the next pass finishes it, once, and leaves alone what somebody is at."""

from __future__ import annotations

import pytest

from tests.orchestrators.conftest import scene_log_is_clean
from tests.orchestrators.importing import SECOND, Importer
from tests.orchestrators.reconciling import actions, ago, is_idle, reconciled
from tests.orchestrators.scene import held


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """The app with a source of its own, where passes repeat at once what failed."""
    root = tmp_path_factory.mktemp("promotions")
    async with Importer(root, SHARDWARM_RECONCILE_AGAIN_SECONDS="0") as importer:
        yield importer
        scene_log_is_clean(importer.scene)


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


async def test_promotion_whose_staging_and_source_are_gone_keeps_its_mark(place):
    db = "lost_promotion"
    run, hold, files = await half_in_place(place, db)
    await place.scene.terminate(run)
    hold.release()
    await place.blobs.delete(*await place.staged(db))
    for leaf in files:
        await place.ncbi.delete(f"{SECOND}/{leaf}")

    result = await reconciled(place.scene)

    told = next(one for one in result["actions"] if one["action"] == "prepare")
    assert "SourceNotFound" in told["outcome"]
    assert (await place.blobs.metadata(db))["promoting_source_version"] == SECOND
    await place.publish(db, snapshot=SECOND, content=b"b")
    await place.prepared(db, source=SECOND)
