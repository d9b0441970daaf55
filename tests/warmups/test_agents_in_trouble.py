"""Agents that cannot: a warmup ends by naming node and cause, and what was in their way gone, they go on by themselves."""

import re
from dataclasses import replace

import pytest
from azure.storage.blob import ContentSettings

from local.stack.warm import IMAGE
from tests.warmups.scene import eventually, held

SMALL_DISK_BYTES = 32 * 2**20


async def fails(warmups, run, db, reason, *nodes):
    """Wait for the end of a warmup that must fail for one reason, on these nodes at least; what is said of them, by node."""
    operation = await warmups.ended(run)
    error = operation["error"]
    assert (operation["status"], error["code"], error["target"]) == ("Failed", "WarmupFailed", db), operation
    shards = {node: ", ".join(one["shards"]) for node, one in (await warmups.status(db))["nodes"].items()}
    said = {detail["target"]: detail["message"] for detail in error["details"]}
    named = {node: message for node, message in said.items() if message.startswith(f"{reason} (shard {shards[node]}): ")}
    assert named, error
    assert named.keys() >= {*nodes}, error
    first = next(iter(said))
    assert first in named
    assert f"{first}: {said[first]}" in error["message"]
    return named


async def failed(warmups, db, reason):
    """Wait until the status names this reason; the nodes with it, none of which is warm."""
    status = await warmups.until(
        db, lambda status: status["status"] == "Failed" and reason in {one["reason"] for one in status["nodes"].values()}
    )
    nodes = {name: one for name, one in status["nodes"].items() if one["reason"] == reason}
    assert all(one["state"] != "warm" and one["message"] for one in nodes.values())
    assert status["nodes_failed"] > 0
    return nodes


def of_agents(db):
    """Says yes to the requests of a database's agents; they are known by their SAS."""
    return lambda request: "sig=" in request.query and db in f"{request.path}?{request.query}"


@pytest.fixture
async def small(warmups):
    """A node with a little disk of its own, which stands in for one of the others."""
    other = warmups.nodes.names[0]
    spec = replace(warmups.nodes.new_spec(), disk_bytes=SMALL_DISK_BYTES)
    await warmups.nodes.cordon(other)
    await warmups.nodes.add(spec)
    yield spec.name
    await warmups.nodes.remove(spec.name)
    await warmups.nodes.cordon(other, is_cordoned=False)


async def test_image_that_no_node_can_pull_fails_the_warmup_and_agents_start_once_it_is_there(warmups, publish):
    await publish("imageless")
    image = warmups.cluster.images.pop(IMAGE)
    try:
        run = await warmups.started("imageless")
        nodes = await failed(warmups, "imageless", "ImageProblem")
        assert all(IMAGE in one["message"] for one in nodes.values())
        said = await fails(warmups, run, "imageless", "ImageProblem", *warmups.nodes.names)
        assert all("ImagePull" in message for message in said.values())
    finally:
        warmups.cluster.images[IMAGE] = image
    await warmups.ready("imageless")


async def test_disk_without_room_fails_the_warmup_before_a_byte_is_moved(warmups, small, publish):
    database = await publish("roomless")
    filler = warmups.nodes.fill_disk(small, leave_bytes=100_000)
    run = await warmups.started("roomless")
    nodes = await failed(warmups, "roomless", "DiskFull")
    assert [*nodes] == [small]
    assert nodes[small]["bytes_moved"] == 0
    said = await fails(warmups, run, "roomless", "DiskFull", small)
    assert "needs" in said[small]
    assert [*warmups.folder(small).glob("roomless*")] == []
    filler.unlink()
    await warmups.ready("roomless")
    assert (await warmups.compare(database)).holds


async def test_disk_that_fills_up_during_the_copy_is_named_and_no_file_is_half_there(warmups, small, publish):
    database = await publish("filled")
    async with warmups.holding("/filled/", ".nsq"):
        run = await warmups.started("filled")
        await warmups.copying("filled")
        filler = warmups.nodes.fill_disk(small)
    assert [*await failed(warmups, "filled", "DiskFull")] == [small]
    await fails(warmups, run, "filled", "DiskFull", small)
    right = {file.name: file.read_bytes() for file in database.files}
    there = [file for file in warmups.folder(small).glob("filled.*") if file.is_file()]
    assert [file.name for file in there if file.read_bytes() != right[file.name]] == []
    assert [*warmups.folder(small).glob("filled_shard_*")] == []
    filler.unlink()
    await warmups.ready("filled")
    assert (await warmups.compare(database)).holds


async def test_role_that_still_propagates_is_waited_for(warmups, publish):
    database = await publish("propagating")
    refusal = warmups.stack.proxy.fail(of_agents("propagating"), status=403, code="AuthorizationPermissionMismatch", times=9)
    result = await warmups.warmed("propagating")
    assert refusal.hits == 9
    assert result["outcome"] == "warm"
    logs = [warmups.nodes.log(pod, "warmer") for pod in (await warmups.pods("propagating")).values()]
    assert len(logs) == 3
    assert [log for log in logs if "StorageForbidden" in log] == []
    assert (await warmups.compare(database)).holds


async def test_role_that_does_not_come_fails_the_warmup_and_agents_go_on_when_it_is_there(warmups, publish):
    await publish("forbidden")
    refusal = warmups.stack.proxy.fail(of_agents("forbidden"), status=403, code="AuthorizationPermissionMismatch")
    try:
        run = await warmups.started("forbidden")
        nodes = await failed(warmups, "forbidden", "StorageForbidden")
        for one in nodes.values():
            assert "AuthorizationPermissionMismatch" in one["message"]
            assert "Storage Blob Data Reader" in one["message"]
        said = await fails(warmups, run, "forbidden", "StorageForbidden")
        assert all("AuthorizationPermissionMismatch" in message for message in said.values())
        # The time counts from the first refusal: no attempt after the first one waits anew.
        for pod in (await warmups.pods("forbidden")).values():
            waited = [int(seconds) for seconds in re.findall(r"has refused '.*?' for (\d+) s", warmups.nodes.log(pod, "warmer"))]
            assert len(waited) > 1
            assert waited == sorted(set(waited))
    finally:
        refusal.remove()
    await warmups.ready("forbidden")


async def test_file_in_storage_that_is_not_what_its_md5_says_fails_the_warmup_by_name(warmups, publish):
    database = await publish("corrupt")
    blob = warmups.blobs.container.get_blob_client("corrupt/corrupt.01.nsq")
    right = (await blob.get_blob_properties()).content_settings
    await blob.set_http_headers(ContentSettings(content_md5=bytearray(16)))
    run = await warmups.started("corrupt")
    nodes = await failed(warmups, "corrupt", "CorruptFile")
    assert len(nodes) == 1
    said = await fails(warmups, run, "corrupt", "CorruptFile", *nodes)
    assert all("corrupt/corrupt.01.nsq" in message for message in said.values())
    assert [node for node in warmups.nodes.names if (warmups.folder(node) / "corrupt.01.nsq").exists()] == []
    await blob.set_http_headers(right)
    await warmups.warmed("corrupt")
    assert (await warmups.compare(database)).holds


async def test_memory_that_cannot_hold_the_shards_fails_the_warmup_with_the_numbers(warmups, publish):
    await publish("squeezed")
    async with warmups.holding("squeezed") as requests:
        run = await warmups.started("squeezed")
        await held(requests)
        await warmups.tell_agents("squeezed", SHARDWARM_MEMORY_BYTES="1000")

        async def are_new() -> bool:
            pods = await warmups.admin.get("/api/v1/namespaces/shardwarm/pods")
            told = [pod for pod in pods["items"] if "SHARDWARM_MEMORY_BYTES" in str(pod["spec"])]
            return len(told) == len(warmups.nodes.names)

        await eventually(are_new)
    nodes = await failed(warmups, "squeezed", "MemoryTooSmall")
    assert all(" 1000 bytes" in one["message"] and one["bytes_moved"] == 0 for one in nodes.values())
    await fails(warmups, run, "squeezed", "MemoryTooSmall")
    await warmups.tell_agents("squeezed", SHARDWARM_MEMORY_BYTES=None)
    await warmups.ready("squeezed")
