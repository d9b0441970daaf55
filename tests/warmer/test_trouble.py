"""Storage, disk, memory and signals that do not do what one hopes; several agents on one node."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from typing import NamedTuple

import pytest

from shared.blastdb.generations import digest_of
from tests.warmer.relays import ApiServer
from tests.warmer.scene import Node

BLOCK = 4096


class Disk(NamedTuple):
    size: int
    free: int


def disk(node) -> Disk:
    """The file system of a node's folder, in bytes."""
    status = os.statvfs(node.folder)
    return Disk(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)


def of_files(request) -> bool:
    return "/mini_nt/" in request.path


async def test_a_role_that_still_propagates_is_waited_for(scene, store, mini, storage_proxy):
    refusal = storage_proxy.fail(lambda _: True, status=403, code="AuthorizationPermissionMismatch")
    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)))
    while refusal.hits < 5:  # noqa: ASYNC110 - the condition is in another process
        await asyncio.sleep(0.01)
    assert warmer.report["phase"] == "starting"

    refusal.remove()

    assert (await warmer.warm())["reason"] is None


async def test_a_role_that_never_comes_is_a_failure(scene, store, mini, storage_proxy):
    storage_proxy.fail(lambda _: True, status=403, code="AuthorizationPermissionMismatch")
    env = {"SHARDWARM_FORBIDDEN_SECONDS": "0.3"}

    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)), **env)

    assert "AuthorizationPermissionMismatch" in (await warmer.failed("StorageForbidden"))["message"]


async def test_a_role_that_comes_late_is_asked_for_in_short_and_taken(scene, store, mini, storage_proxy):
    refusal = storage_proxy.fail(lambda _: True, status=403, code="AuthorizationPermissionMismatch")
    env = {"SHARDWARM_FORBIDDEN_SECONDS": "2", "SHARDWARM_AGAIN_SECONDS": "0.1"}
    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)), **env)
    await warmer.failed("StorageForbidden")
    asked, failures = refusal.hits, warmer.log.read_text().count("StorageForbidden")

    await warmer.until(lambda _: warmer.log.read_text().count("StorageForbidden") >= failures + 5)

    # One request each, of which a few more may have been made since.
    assert refusal.hits - asked <= 10
    refusal.remove()
    await warmer.warm()


async def test_a_storm_of_503_is_waited_out(scene, store, mini, storage_proxy):
    storm = storage_proxy.fail(lambda _: True, status=503, times=30)

    await (await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)))).warm()

    assert storm.hits == 30


async def test_cut_connections_are_waited_out(scene, store, mini, storage_proxy):
    storage_proxy.cut(of_files, times=12)

    await (await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)))).warm()


async def test_storage_that_is_gone_is_a_failure_until_it_is_back(scene, store, mini, storage_proxy):
    gone = storage_proxy.fail(lambda _: True, status=500, code="InternalError")
    env = {"SHARDWARM_UNAVAILABLE_SECONDS": "0.3"}
    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)), **env)
    await warmer.failed("StorageUnavailable")

    gone.remove()

    await warmer.warm()


async def tiered(store, tier, *names) -> None:
    for name in names:
        await store.container.get_blob_client(name).set_standard_blob_tier(tier)


async def test_archived_files_are_named_before_anything_is_copied_and_taken_once_rehydrated(scene, store, mini, storage_proxy):
    archived = [f"mini_nt/{name}.nsq" for name in sorted(mini.volume_names(0))]
    await tiered(store, "Archive", *archived)
    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)))

    report = await warmer.failed("BlobArchived")

    assert f"archive tier ({len(archived)}): {', '.join(archived)}. Rehydrate" in report["message"]
    assert report["bytes_moved"] == 0
    assert not warmer.node.leaves("mini_nt.*")
    assert not [record for record in storage_proxy.records if record.status == 409]
    await tiered(store, "Hot", *archived)
    await warmer.warm()


async def test_archived_files_of_other_shards_are_no_trouble(scene, store, mini):
    others = [f"mini_nt/{name}.nsq" for name in mini.volume_names(1, 2)]
    await tiered(store, "Archive", *others)

    await (await scene.warmer(mini.assignment([0], store.url()))).warm()


async def test_a_node_that_has_the_files_stays_warm_when_they_are_archived(scene, store, mini):
    first = await scene.warmer(mini.assignment([0], store.url()))
    await first.warm()
    await first.stop()
    await tiered(store, "Archive", *(f"mini_nt/{name}.nsq" for name in mini.volume_names(0)))

    await (await scene.warmer(mini.assignment([0], store.url()), first.node, name="second")).warm()


async def test_an_archived_alias_is_named(scene, store, mini):
    alias = "3shards/mini_nt_shard_00/mini_nt_shard_00.nal"
    await tiered(store, "Archive", alias)

    warmer = await scene.warmer(mini.assignment([0], store.url()))

    assert f"'{alias}' is in the archive tier" in (await warmer.failed("BlobArchived"))["message"]


async def test_an_append_blob_is_named(scene, store, mini, nucleotide):
    leaf = f"{min(mini.volume_names(0))}.nsq"
    await store.delete(f"mini_nt/{leaf}")
    await store.container.upload_blob(f"mini_nt/{leaf}", (nucleotide.folder / leaf).read_bytes(), blob_type="AppendBlob")
    digest = digest_of((await store.inventory("mini_nt")).files)

    warmer = await scene.warmer(mini.assignment([0], store.url(), digest=digest))

    assert f"(1): mini_nt/{leaf}" in (await warmer.failed("WrongBlobType"))["message"]


@pytest.mark.parametrize(
    ("code", "reason"), [("BlobBeingRehydrated", "BlobArchived"), ("BlobUsesCustomerSpecifiedEncryption", "BlobEncrypted")]
)
async def test_a_blob_that_storage_will_not_read_is_asked_for_once_an_attempt(scene, store, mini, storage_proxy, code, reason):
    leaf = f"{min(mini.volume_names(0))}.nsq"
    refusal = storage_proxy.fail(lambda request: request.path.endswith(leaf), status=409, code=code)
    env = {"SHARDWARM_AGAIN_SECONDS": "600", "SHARDWARM_DOWNLOAD_CONCURRENCY": "1"}

    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)), **env)

    assert f"'mini_nt/{leaf}' is" in (await warmer.failed(reason))["message"]
    assert refusal.hits == 1


async def test_a_blob_that_changes_during_the_copy_is_noticed(scene, store, mini, storage_proxy):
    held = storage_proxy.hold(lambda request: request.path.endswith("mini_nt.00.nsq"))
    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)))
    await held.reached()
    await store.put("mini_nt/mini_nt.00.nsq", b"new")

    held.release()

    await warmer.failed("GenerationMismatch")
    assert "mini_nt.00.nsq" not in warmer.node.leaves()


async def test_a_killed_agent_does_not_move_anything_twice(scene, store, mini, storage_proxy):
    assignment = mini.assignment([0, 1, 2], store.url(storage_proxy.port))
    slow = {"SHARDWARM_DOWNLOAD_BYTES_PER_SECOND": "400000"}
    first = await scene.warmer(assignment, **slow)
    before = await first.until(lambda report: report["bytes_moved"] > 250_000)
    first.child.kill()
    await first.child.wait()
    assert not first.node.leaves("*.nal")
    storage_proxy.clear()

    second = await scene.warmer(assignment, first.node, name="second")
    report = await second.warm()

    # What was under way in four threads is lost, in parts of 64 KiB.
    assert report["bytes_moved"] <= report["bytes_total"] - before["bytes_moved"] + 5 * 65_536
    assert not list(first.node.folder.glob(".shardwarm/incoming/mini_nt/*"))


async def test_parts_that_a_power_cut_lost_are_noticed(scene, store, mini, nucleotide):
    assignment = mini.assignment([0], store.url())
    slow = {"SHARDWARM_DOWNLOAD_BYTES_PER_SECOND": "100000"}
    first = await scene.warmer(assignment, **slow)
    await first.until(lambda report: report["bytes_moved"] > 100_000)
    first.child.kill()
    await first.child.wait()
    parts = [file for file in first.node.folder.glob(".shardwarm/incoming/mini_nt/*.part") if "nsq" in file.name]
    for file in parts:
        file.write_bytes(bytes(file.stat().st_size))

    await (await scene.warmer(assignment, first.node, name="second")).warm()

    assert parts
    for name in first.node.leaves("*.nsq"):
        assert (first.node.folder / name).read_bytes() == (nucleotide.folder / name).read_bytes()


async def test_sigterm_takes_readiness_first_and_waits_for_no_download(scene, store, mini, storage_proxy):
    held = storage_proxy.hold(lambda request: request.path.endswith(".nsq"))
    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)), SHARDWARM_DOWNLOAD_CONCURRENCY="1")
    await held.reached()

    os.kill(warmer.child.pid, signal.SIGTERM)
    while warmer.report is not None:
        assert warmer.child.returncode is None
        await asyncio.sleep(0.001)
    status = await warmer.child.wait()

    assert status == 0
    assert held.hits == 1
    assert not warmer.node.leaves("*.nsq")
    assert (await warmer.ready())[0] == 1


async def test_a_disk_without_room_is_named_before_anything_is_copied(scene, store, mini, small_disk, storage_proxy):
    node = Node(small_disk(300_000))
    warmer = await scene.warmer(mini.assignment([0, 1, 2], store.url(storage_proxy.port)), node)

    report = await warmer.failed("DiskFull")

    assert str(report["bytes_total"])[:2] in report["message"]
    assert report["bytes_moved"] == 0


async def test_a_copy_leaves_the_reserve_of_the_disk_free(scene, store, mini, small_disk, nucleotide):
    size = sum(file.stat().st_size for file in nucleotide.files)
    # The disk holds the files, but kubelet would then evict pods.
    node = Node(small_disk(3 * size // 2))

    warmer = await scene.warmer(mini.assignment([0, 1, 2], store.url()), node, SHARDWARM_DISK_RESERVE_PERCENT="50")

    report = await warmer.failed("DiskFull")
    assert f"leaves {disk(node).size // 2} free" in report["message"]
    assert report["bytes_moved"] == 0


async def test_a_disk_that_another_program_fills_during_the_copy_keeps_its_reserve(
    scene, store, mini, small_disk, storage_proxy, nucleotide
):
    node = Node(small_disk(3 * sum(file.stat().st_size for file in nucleotide.files)))
    held = storage_proxy.hold(lambda request: request.path.endswith(".nsq"))
    settings = {"SHARDWARM_DISK_RESERVE_PERCENT": "20", "SHARDWARM_DOWNLOAD_CONCURRENCY": "1"}
    warmer = await scene.warmer(mini.assignment([0, 1, 2], store.url(storage_proxy.port)), node, **settings)
    await held.reached()
    before = disk(node)
    other = node.folder / "other"
    # The agent keeps small records of its own beside the files.
    other.write_bytes(bytes(before.free - before.size // 5 - 16 * BLOCK))

    held.release()

    await warmer.failed("DiskFull")
    assert disk(node).free >= before.size // 5
    other.unlink()
    await warmer.warm()


async def test_a_disk_that_fills_up_during_the_copy_is_named(scene, store, mini):
    # Files may not grow beyond 64 KiB: the kernel refuses as a full disk does.
    limit = ["prlimit", f"--fsize={65_536}", "--"]

    warmer = await scene.warmer(mini.assignment([0], store.url()), before=limit)

    await warmer.failed("DiskFull")
    assert not warmer.node.leaves("*.nsq")


async def test_a_folder_that_cannot_be_written_is_named(scene, store, mini):
    node = scene.node()
    # As root writes everywhere, a file stands where a folder is to be.
    (node.folder / ".shardwarm").write_text("")

    warmer = await scene.warmer(mini.assignment([0], store.url()), node)

    assert ".shardwarm" in (await warmer.failed("VerificationFailed"))["message"]
    (node.folder / ".shardwarm").unlink()
    await warmer.warm()


@pytest.fixture
def small_disk(tmp_path):
    """Makes a file system of so many bytes."""
    mounted = []

    def mount(size) -> str:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


async def test_memory_that_is_too_small_is_named(scene, store, mini):
    warmer = await scene.warmer(mini.assignment([0], store.url()), SHARDWARM_MEMORY_BYTES="1000")

    report = await warmer.failed("MemoryTooSmall")

    assert " 1000 bytes" in report["message"]
    assert report["bytes_moved"] == 0


async def test_another_assignment_is_taken_up(scene, store, mini, nucleotide):
    warmer = await scene.warmer(mini.assignment([0], store.url()))
    moved = (await warmer.warm())["bytes_moved"]

    warmer.assign(mini.assignment([0, 1], store.url()))
    more = await warmer.until(lambda report: report["warm"] and len(report["shards"]) == 2)
    assert more["bytes_moved"] - moved < more["shards"]["01"]["bytes_total"] + 1000
    assert warmer.node.volumes("mini_nt") == mini.volume_names(0, 1)

    warmer.assign(mini.assignment([1], store.url()))
    less = await warmer.until(lambda report: report["warm"] and list(report["shards"]) == ["01"])
    assert less["bytes_moved"] == more["bytes_moved"]
    assert warmer.node.volumes("mini_nt") == mini.volume_names(1)
    assert warmer.node.leaves("*.nal") == {"mini_nt_shard_01.nal"}

    two = await store.shard(nucleotide, 2)
    warmer.assign(two.assignment([1], store.url()))
    await warmer.until(lambda report: report["warm"] and report["shard_count"] == 2)
    assert warmer.node.volumes("mini_nt") == two.volume_names(1)
    assert "2shards" not in str(warmer.node.leaves())


async def test_an_assignment_for_others_disturbs_nobody(scene, store, mini):
    assignment = mini.assignment([0], store.url())
    warmer = await scene.warmer(assignment)
    started = (await warmer.warm())["started_at"]

    warmer.assign({**assignment, "nodes": {**assignment["nodes"], "aks-blastpool-7": [1]}})
    warmer.assign("{")
    await warmer.until(lambda _: "is not an assignment" in warmer.log.read_text())

    assert (await warmer.measured_again())["started_at"] == started


async def test_two_databases_on_a_node_leave_each_other_alone(scene, store, mini, protein):
    other = await store.publish(protein, 2)
    taxonomy = {"taxdb.btd": b"btd", "taxdb.bti": b"bti", "taxonomy4blast.sqlite3": b"sql"}
    await store.upload({f"mini_nt/{leaf}": data + b" old" for leaf, data in taxonomy.items()})
    # Last-Modified has whole seconds.
    while await store.modified("mini_prot/taxdb.btd") <= await store.modified("mini_nt/taxonomy4blast.sqlite3"):
        await store.upload({f"mini_prot/{leaf}": data + b" new" for leaf, data in taxonomy.items()})
    node = scene.node()
    first, second = await asyncio.gather(
        scene.warmer(mini.assignment([0], store.url()), node),
        scene.warmer(other.assignment([1], store.url()), node, name="second"),
    )
    await asyncio.gather(first.warm(), second.warm())

    reports = await asyncio.gather(first.measured_again(), second.measured_again())

    assert all(report["warm"] for report in reports)
    assert node.volumes("mini_nt") == mini.volume_names(0)
    assert node.volumes("mini_prot") == other.volume_names(1)
    assert (node.folder / "taxdb.btd").read_bytes() == b"btd new"
    assert (node.folder / ".download-complete").exists()

    second.assign(other.assignment([1], store.url(), mode="evict"))
    await second.until(lambda report: report["mode"] == "evict" and report["phase"] == "completed")

    assert not node.leaves("mini_prot*")
    assert (node.folder / "taxdb.btd").read_bytes() == b"btd new"
    assert (node.folder / ".download-complete").exists()
    assert (await first.measured_again())["warm"]


async def test_the_report_is_published_and_a_renewed_token_is_used(scene, store, mini, tmp_path):
    async with ApiServer(tmp_path / "api") as api:
        warmer = await scene.warmer(mini.assignment([0], store.url()), **api.env)
        await warmer.warm()
        await api.until(lambda: published(api)["warm"])

        (tmp_path / "api" / "token").write_text("second-token")
        warmer.assign(mini.assignment([0], store.url(), mode="disk"))
        await api.until(lambda: published(api)["mode"] == "disk")

        line, headers, document = api.patches[-1]
        assert line == "PATCH /api/v1/namespaces/shardwarm/pods/warm-x HTTP/1.1"
        assert headers["content-type"] == "application/merge-patch+json"
        assert headers["authorization"] == "bearer second-token"
        assert len(document["metadata"]["annotations"]["shardwarm/report"]) < 4096


async def test_the_assignment_spaces_out_reports_of_progress_and_holds_no_news_back(scene, store, mini, tmp_path):
    assignment = mini.assignment([0], store.url()) | {"report_seconds": 3600}
    async with ApiServer(tmp_path / "api") as api:
        # The copy takes seconds, in which an interval of one second alone would let several reports through.
        warmer = await scene.warmer(assignment, **api.env, SHARDWARM_DOWNLOAD_BYTES_PER_SECOND="100000")
        await warmer.warm()
        await api.until(lambda: published(api)["warm"])

        reports = [json.loads(patch[2]["metadata"]["annotations"]["shardwarm/report"]) for patch in api.patches]
    news = [(report["db"], report["phase"], report["warm"]) for report in reports]
    assert len(set(news)) == len(news)
    assert ("mini_nt", "copying_files", False) in news


async def test_a_report_that_cannot_be_published_holds_nothing_up(scene, store, mini, tmp_path):
    async with ApiServer(tmp_path / "api", status=403) as api:
        warmer = await scene.warmer(mini.assignment([0], store.url()), **api.env)

        await warmer.warm()
        await api.until(lambda: api.patches)

        assert await warmer.ready() == (0, "")


def published(api) -> dict:
    return json.loads(api.patches[-1][2]["metadata"]["annotations"]["shardwarm/report"])
