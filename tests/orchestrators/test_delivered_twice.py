"""A host that delivers every activity twice, as queues may: the outcome is that of one delivery."""

from collections import Counter

from shared.blastdb.blobs import PRESETS
from tests.builders import layout, manifest
from tests.driving import sent, writes
from tests.orchestrators.scene import held, nth, putting, until


async def test_run_whose_steps_all_come_twice_writes_each_layout_blob_once(doubled):
    db = await doubled.new("twice", 10)
    await doubled.blobs.put(manifest(db, 2, 5), b"left by a larger set\n")
    doubled.proxy.clear()
    operation = await doubled.api.shard(db)
    assert operation["status"] == "Succeeded", operation
    done = Counter((one.method, one.blob) for one in writes(doubled.proxy.records) if one.status < 300)
    assert {blob for method, blob in done if method == "PUT"} == layout(db, PRESETS) | {f"{db}-metadata.json"}
    assert {count for (_, blob), count in done.items() if blob != f"{db}-metadata.json"} == {1}
    await doubled.is_whole(db, 10, PRESETS, epoch=1)


async def test_second_run_writes_nothing_even_if_every_step_comes_twice(doubled):
    db = await doubled.new("twice.again", 3)
    await doubled.api.sharded(db)
    doubled.proxy.clear()
    assert (await doubled.api.sharded(db))["outcome"] == "unchanged"
    # A late twin of the first run's may still be refused.
    assert [one for one in writes(doubled.proxy.records) if one.status < 300] == []


async def test_damage_is_repaired_once_even_if_every_step_comes_twice(doubled):
    db = await doubled.new("twice.damaged", 3)
    await doubled.api.sharded(db)
    await doubled.blobs.put(manifest(db, 3, 1), b"damaged\n")
    assert (await doubled.api.shard(db))["status"] == "Succeeded"
    await doubled.is_whole(db, 3, (1, 2, 3))


async def test_twin_that_is_late_does_not_mark_a_finished_run_as_begun(doubled):
    db = await doubled.new("twice.late", 3)
    late = doubled.proxy.hold(nth(2, putting(f"{db}-metadata.json")))
    operation = await doubled.api.shard(db)
    assert operation["status"] == "Succeeded", operation
    await held(late)
    before = await doubled.blobs.get(f"{db}-metadata.json")
    doubled.proxy.clear()
    late.release()
    # Its write fails on the ETag; it reads again, and must now see that there is nothing left to say.
    await until(lambda: ("GET", f"{db}-metadata.json") in [(one.method, one.blob) for one in sent(doubled.proxy.records)])
    await doubled.lease(db)
    assert await doubled.blobs.get(f"{db}-metadata.json") == before
    await doubled.is_whole(db, 3, (1, 2, 3), epoch=1)
