"""What stays as it is for long is said again and again: only recent reports are believed."""

from __future__ import annotations

LONG = {"SHARDWARM_AGAIN_SECONDS": "600", "SHARDWARM_TOUCH_SECONDS": "60"}


async def test_a_failure_is_said_again_until_all_is_tried_again(scene, store, mini):
    warmer = await scene.warmer(mini.assignment([0], store.url()), SHARDWARM_MEMORY_BYTES="1000", **LONG)
    await warmer.failed("MemoryTooSmall")

    report = await warmer.measured_again()

    assert (report["phase"], report["reason"]) == ("failed", "MemoryTooSmall")
    assert warmer.log.read_text().count("MemoryTooSmall") == 1


async def test_a_start_that_takes_long_is_said_again(scene, store, mini, storage_proxy):
    held = storage_proxy.hold(lambda _: True)
    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)), **LONG)
    await held.reached()

    assert (await warmer.measured_again())["phase"] == "starting"


async def test_a_node_that_nothing_is_assigned_to_says_so_again(scene, store, mini):
    warmer = await scene.warmer({**mini.assignment([0], store.url()), "nodes": {"another": [0]}}, **LONG)
    await warmer.until(lambda report: report["reason"] == "NotAssigned")

    assert (await warmer.measured_again())["reason"] == "NotAssigned"


async def test_a_node_that_gave_its_files_up_says_so_again(scene, store, mini):
    warmer = await scene.warmer(mini.assignment([0], store.url(), mode="evict"))
    await warmer.until(lambda report: report["phase"] == "completed")

    assert (await warmer.measured_again())["phase"] == "completed"
