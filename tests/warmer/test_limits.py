"""How much the agent takes: memory, bandwidth, connections."""

from __future__ import annotations

import asyncio
from pathlib import Path

from azure.storage.blob import BlobServiceClient

BIG = 320 * 1024**2


async def test_memory_does_not_grow_with_the_files(scene, store, nucleotide):
    # An extension that BLAST+ does not open: a real database stays one.
    await asyncio.to_thread(upload, store, "mini_nt/mini_nt.00.nxm")
    published = await store.publish(nucleotide, 3)
    warmer = await scene.warmer(published.assignment([0], store.url()), SHARDWARM_PART_BYTES=str(8 * 1024**2))

    report = await warmer.warm()

    assert report["bytes_moved"] > BIG
    assert peak_mib(warmer.child.pid) < 200


def upload(store, name) -> None:
    # In one request: then the emulator keeps an MD5. Not by aiohttp, which warns of bodies beyond 1 MiB.
    with BlobServiceClient.from_connection_string(store.account.connection_string, max_single_put_size=BIG) as service:
        service.get_blob_client(store.name, name).upload_blob(bytes(BIG))


def peak_mib(pid) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


async def test_bandwidth_is_bounded(scene, store, mini):
    limit = 1_000_000
    warmer = await scene.warmer(mini.assignment([0, 1, 2], store.url()), SHARDWARM_DOWNLOAD_BYTES_PER_SECOND=str(limit))

    report = await warmer.warm()

    seconds = float(warmer.log.read_text().partition("copied ")[2].partition(" in ")[2].split()[0])
    assert seconds >= report["bytes_moved"] / limit * 0.7


async def test_connections_are_bounded(scene, store, mini, storage_proxy):
    held = storage_proxy.hold(lambda request: request.path.endswith(".nsq"))
    assignment = mini.assignment([0, 1, 2], store.url(storage_proxy.port))
    warmer = await scene.warmer(assignment, SHARDWARM_DOWNLOAD_CONCURRENCY="3")
    await held.reached(3)
    await warmer.until(lambda report: report["phase"] == "copying_files")

    await warmer.until(lambda report: report["updated_at"] > report["started_at"])

    assert held.hits == 3
    held.release()
    await warmer.warm()


async def test_another_assignment_interrupts_a_copy(scene, store, mini, storage_proxy):
    held = storage_proxy.hold(lambda request: request.path.endswith(".nsq"))
    url = store.url(storage_proxy.port)
    warmer = await scene.warmer(mini.assignment([0], url))
    await held.reached()

    warmer.assign(mini.assignment([1], url))
    await warmer.until(lambda report: list(report["shards"]) == ["01"])
    held.release()

    await warmer.warm()
    assert warmer.node.volumes("mini_nt") == mini.volume_names(1)
    assert not list(warmer.node.folder.glob(".shardwarm/incoming/mini_nt/*"))
