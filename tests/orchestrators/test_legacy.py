"""The replaced system's shard sets: listed as they are, kept by passes, replaced only when asked for, and restorable."""

from __future__ import annotations

import pytest

from tests.builders import database
from tests.driving import writes
from tests.orchestrators.crossroads import Step
from tests.orchestrators.reconciling import IMPATIENT, actions, is_idle, reconciled
from tests.orchestrators.scene import Scene
from tests.replaced import made, replaced_metadata, replaced_sets

VOLUMES = 13
SETS = made(VOLUMES)
CHANGED = [3, 4, 5]
"""Sets that the replaced system cuts otherwise than this app: 5, 5, 3 volumes in place of 5, 4, 4."""
MARK = Step("activity", "mark_started")


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """The app with impatient passes."""
    async with Scene(tmp_path_factory.mktemp("legacy"), **IMPATIENT) as scene:
        yield scene


@pytest.fixture(autouse=True)
async def emptied(place):
    """Each test has the container to itself."""
    await place.blobs.clear()


async def new(scene, db, **more) -> dict[str, bytes]:
    """A database as the replaced system sharded it; the texts of its sets."""
    texts = replaced_sets(db, VOLUMES)
    await scene.blobs.upload({**database(db, VOLUMES), **texts})
    await scene.blobs.put_metadata(db, replaced_metadata(db, VOLUMES, **more))
    return texts


async def stored(scene, texts) -> dict[str, bytes]:
    return {name: await scene.blobs.get(name) for name in texts}


async def test_whole_sets_are_listed_as_legacy_with_what_that_means(place):
    await new(place, "shown")

    row, document = (await place.api.rows())["shown"], await place.api.show("shown")
    certificate = (await place.api.verify("shown")).json()

    (said,) = row["warnings"]
    assert "are legacy" in said
    assert "inexact e-values" in said
    assert "Shard it to renew them" in said
    assert (row["sharded"], row["shard_sets"], row["shards_stale"]) == (True, SETS, False)
    assert document["warnings"] == certificate["warnings"] == [said]
    assert {one["shard_count"]: one["state"] for one in document["layouts"]} == dict.fromkeys(SETS, "legacy")
    sizes = next(one["shard_bytes"] for one in document["layouts"] if one["shard_count"] == 3)
    assert [size * 5 // sizes[0] for size in sizes] == [5, 5, 3]
    assert (certificate["drift"], certificate["findings"], certificate["shard_sets"]) == ("legacy", [], SETS)


async def test_certificate_names_the_set_that_is_not_whole(place):
    texts = await new(place, "torn")
    await place.blobs.put(next(name for name in texts if name.endswith(".manifest")), b"torn.00\n")

    document = await place.api.show("torn")
    certificate = (await place.api.verify("torn")).json()

    assert "legacy" not in {one["state"] for one in document["layouts"]}
    assert certificate["drift"] == "stale"


async def test_passes_keep_whole_sets_byte_for_byte(place):
    texts = await new(place, "kept")

    first = await reconciled(place)
    again = await is_idle(place)

    assert actions(first, "kept") == [("correct", "headers")]
    assert actions(again, "kept") == [("tell", "legacy")]
    assert await stored(place, texts) == texts
    assert await place.blobs.metadata("kept") == replaced_metadata("kept", VOLUMES)


async def test_setting_has_a_pass_renew_them(tmp_path):
    async with Scene(tmp_path, **IMPATIENT, SHARDWARM_RECONCILE_LEGACY="renew") as scene:
        await new(scene, "renewed")

        result = await reconciled(scene)

        assert [action for action, _ in actions(result, "renewed")] == ["shard"]
        assert (await scene.api.show("renewed"))["warnings"] == []
        await is_idle(scene)


async def test_run_that_a_person_asked_for_unlists_them_first_and_a_restore_brings_them_back(place):
    texts = await new(place, "asked")
    stop = place.stop("asked", MARK)
    run = await place.started("asked")
    await stop.reached()
    meanwhile = await place.blobs.metadata("asked")
    before = await stored(place, texts)
    stop.go()
    operation = await place.ended(run)

    # Where the cut points stay, only the form of the aliases changes; the other sets are read by nobody meanwhile.
    assert (meanwhile["sharding_in_progress"], meanwhile["shard_sets"]) == (True, [n for n in SETS if n not in CHANGED])
    assert before == texts
    assert operation["status"] == "Succeeded", operation
    document = await place.api.show("asked")
    assert {one["state"] for one in document["layouts"]} == {"current"}
    assert document["warnings"] == []
    (kept,) = document["previous_layouts"]
    assert (kept["operation_id"], kept["shard_sets"], kept["restorable"]) == ("replaced-system", SETS, True)
    assert kept["sharded_at"].startswith("2026-05-20T10:00:00")

    reply = await place.api.post("/api/blast/databases/asked/restore", json=place.api.body)
    assert reply.status_code == 202, reply.text
    restored = await place.ended(reply.json()["operation_id"])

    assert restored["status"] == "Succeeded", restored
    assert await stored(place, texts) == texts
    row = (await place.api.rows())["asked"]
    assert (row["shard_sets"], row["sharded"]) == (SETS, True)
    assert "two-line form" in row["warnings"][0]
    await is_idle(place)
    assert await stored(place, texts) == texts


async def test_run_that_is_cancelled_before_it_wrote_leaves_them_listed(place):
    texts = await new(place, "spared")
    stop = place.stop("spared", MARK)
    run = await place.started("spared")
    await stop.reached()
    unlisted = await place.blobs.metadata("spared")
    assert (await place.api.post(f"/api/operations/{run}/cancel")).status_code == 202
    stop.go()

    assert (await place.ended(run))["status"] == "Canceled"
    document = await place.blobs.metadata("spared")
    assert unlisted["shard_sets"] == [count for count in SETS if count not in CHANGED]
    assert (document["shard_sets"], document["sharded"], "shard_unlisted" in document) == (SETS, True, False)
    assert await stored(place, texts) == texts
    place.proxy.clear()
    assert actions(await reconciled(place), "spared") == [("tell", "legacy")]
    assert writes(place.proxy.records) == []
