"""What is not right is noticed, named, and mended where the agent can; warm is never claimed meanwhile."""

from __future__ import annotations

import os
import shutil
from types import SimpleNamespace

import pytest

from shared.blastdb.blobs import alias_blob, manifest_blob
from tests.blast import fasta, makeblastdb
from tests.warmer.relays import Corrupting


def truncate(folder):
    os.truncate(folder / "mini_nt.00.nsq", 1000)


def swap(folder):
    # With sizes and times of the right one: only the content differs.
    right = folder / "mini_nt.00.nsq"
    status = right.stat()
    other = bytearray(right.read_bytes())
    other[500] ^= 255
    (folder / "new").write_bytes(other)
    os.utime(folder / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / "new").rename(right)


def remove_companion(folder):
    (folder / "mini_nt.ndb").unlink()


def change_alias(folder):
    alias = folder / "mini_nt_shard_00.nal"
    alias.write_text(alias.read_text().replace("STATS_NSEQ", "NSEQ"))


DAMAGES = [truncate, swap, remove_companion, change_alias]


@pytest.mark.parametrize("damage", DAMAGES)
async def test_damage_on_disk_is_noticed_and_mended(scene, store, mini, damage, nucleotide):
    warmer = await scene.warmer(mini.assignment([0], store.url()))
    moved = (await warmer.warm())["bytes_moved"]

    damage(warmer.node.folder)

    await warmer.until(lambda report: not report["warm"] or "another program changed" in warmer.log.read_text())
    report = await warmer.until(lambda report: report["warm"] and intact(warmer.node.folder, nucleotide))
    assert report["bytes_moved"] - moved < 200_000


async def test_damage_that_nobody_watched_is_noticed_and_mended(scene, store, mini, nucleotide):
    assignment = mini.assignment([0], store.url())
    first = await scene.warmer(assignment)
    total = (await first.warm())["bytes_total"]
    await first.stop()

    for damage in DAMAGES:
        damage(first.node.folder)

    report = await (await scene.warmer(assignment, first.node, name="second")).warm()
    assert intact(first.node.folder, nucleotide)
    assert 0 < report["bytes_moved"] < total


def intact(folder, database) -> bool:
    aliases = [file.read_text() for file in folder.glob("*.nal")]
    return all("STATS_NSEQ" in alias for alias in aliases) and all(
        (folder / file.name).read_bytes() == file.read_bytes()
        for file in database.files
        if file.name.startswith(("mini_nt.00.", "mini_nt.n")) and file.suffix != ".nal"
    )


async def test_a_warm_report_is_not_believed_for_another_assignment(scene, store, mini):
    assignment = mini.assignment([0], store.url())
    warmer = await scene.warmer(assignment)
    await warmer.warm()
    assert await warmer.ready() == (0, "")
    warmer.child.kill()

    for change in (
        {"shard_count": 2},
        {"digest": "0" * 32},
        {"nodes": {"aks-blastpool-0": [0, 1]}},
        {"nodes": {"aks-blastpool-0": [1]}},
        {"nodes": {}},
        {"mode": "evict"},
        {"db": "other"},
    ):
        warmer.assign({**assignment, **change})
        status, reason = await warmer.ready()
        assert status == 1
        assert reason


async def test_an_old_report_is_not_believed(scene, store, mini):
    warmer = await scene.warmer(mini.assignment([0], store.url()))
    await warmer.warm()
    await warmer.child.wait() if warmer.child.kill() else None
    report = warmer.run_dir / "report.json"

    os.utime(report, (0, 0))

    status, reason = await warmer.ready()
    assert status == 1
    assert "old" in reason


async def test_another_generation_in_storage_is_refused(scene, store, mini):
    await store.put("mini_nt/mini_nt.00.nsq", b"another generation's")

    report = await (await scene.warmer(mini.assignment([0], store.url()))).failed("GenerationMismatch")

    assert mini.digest in report["message"]
    assert not report["warm"]


async def test_a_companion_that_storage_lacks_is_named(scene, store, mini):
    await store.delete("mini_nt/mini_nt.ndb")

    report = await (await scene.warmer(mini.assignment([0], store.url()))).failed("MissingFile")

    assert "mini_nt.ndb" in report["message"]


async def test_a_shard_set_that_storage_lacks_is_named(scene, store, mini):
    assignment = {**mini.assignment([0], store.url()), "shard_count": 2}

    report = await (await scene.warmer(assignment)).failed("MissingFile")

    assert "2shards/" in report["message"]


async def test_an_alias_that_disagrees_is_refused(scene, store, mini):
    name = alias_blob("mini_nt", 3, 0, "nucl")
    await store.put(name, (await store.get(name)).replace(b"STATS_NSEQ ", b"STATS_NSEQ 9"))
    mini.texts = await store.texts("mini_nt", 3)

    report = await (await scene.warmer(mini.assignment([0], store.url()))).failed("AliasMismatch")

    assert "mini_nt_shard_00" in report["message"]


async def test_an_alias_is_compared_with_totals_that_stand_behind_a_long_title(scene, store, tmp_path):
    folder = makeblastdb(tmp_path, fasta(5), "-title", "x" * 20_000, "-max_file_sz", "1GB", out="titled")
    files = [file for file in folder.iterdir() if file.suffix != ".njs"]
    published = await store.publish(SimpleNamespace(name="titled", folder=folder, files=files), 1)
    name = alias_blob("titled", 1, 0, "nucl")
    await store.put(name, (await store.get(name)).replace(b"NSEQ ", b"NSEQ 9"))
    published.texts = await store.texts("titled", 1)

    report = await (await scene.warmer(published.assignment([0], store.url()))).failed("AliasMismatch")

    assert "the database 5 and" in report["message"]


async def test_a_manifest_that_disagrees_is_refused(scene, store, mini):
    await store.put(manifest_blob("mini_nt", 3, 0), b"mini_nt.99\n")
    mini.texts = await store.texts("mini_nt", 3)

    await (await scene.warmer(mini.assignment([0], store.url()))).failed("ManifestMismatch")


async def test_what_a_damaged_transfer_brought_is_fetched_again(scene, store, mini, azurite):
    async with Corrupting(azurite.port, times=2) as relay:
        warmer = await scene.warmer(mini.assignment([0], store.url(relay.port)))

        report = await warmer.warm()

        assert relay.times == 0
        assert report["bytes_moved"] > report["bytes_total"] - 2000


async def test_a_transfer_that_is_always_damaged_fails(scene, store, mini, azurite):
    async with Corrupting(azurite.port, times=10**9) as relay:
        warmer = await scene.warmer(mini.assignment([0], store.url(relay.port)))

        await warmer.failed("CorruptFile")

        assert not warmer.node.leaves("*.nsq")


async def test_a_file_without_md5_is_checked_by_its_ranges(scene, store, nucleotide):
    published = await store.publish(nucleotide, 3)
    blob = store.container.get_blob_client("mini_nt/mini_nt.00.nsq")
    data = (nucleotide.folder / "mini_nt.00.nsq").read_bytes()
    await blob.stage_block("AAAA", data[:50_000])
    await blob.stage_block("AAAB", data[50_000:])
    await blob.commit_block_list(["AAAA", "AAAB"])
    published = await store.shard(nucleotide, 3)
    assignment = published.assignment([0], store.url())

    warmer = await scene.warmer(assignment)
    await warmer.warm()
    await warmer.stop()

    assert (warmer.node.folder / "mini_nt.00.nsq").read_bytes() == data
    again = await scene.warmer(assignment, warmer.node, name="again")
    assert (await again.warm())["bytes_moved"] == 0


async def test_nothing_secret_is_written_down(scene, store, mini):
    await store.delete("mini_nt/mini_nt.ndb")
    warmer = await scene.warmer(mini.assignment([0], store.url()))
    await warmer.failed("MissingFile")
    await warmer.stop()

    signature = warmer.sas.partition("sig=")[2].partition("&")[0]
    written = [file.read_text(errors="replace") for file in scene.place.rglob("*") if file.is_file()]
    assert signature
    assert not [text for text in written if signature in text]
    shutil.rmtree(warmer.node.folder)


async def test_file_that_shrinks_while_it_is_measured_is_not_taken_for_a_want_of_memory(scene, store, mini, tmp_path):
    now, fincore = tmp_path / "now", tmp_path / "bin" / "fincore"
    fincore.parent.mkdir()
    shrink = f"if [ -e {now} ]; then rm {now}; truncate -s 1000 mini_nt.00.nsq; fi"
    fincore.write_text(f'#!/bin/sh\n{shrink}\nexec {shutil.which("fincore")} "$@"\n')
    fincore.chmod(0o755)
    path = f"{fincore.parent}:{os.environ['PATH']}"  # noqa: TID251 - what a child inherits
    warmer = await scene.warmer(mini.assignment([0], store.url()), PATH=path)
    moved = (await warmer.warm())["bytes_moved"]

    now.touch()
    await warmer.until(lambda report: report["warm"] and report["bytes_moved"] > moved)

    log = warmer.log.read_text()
    assert "another program changed files of mini_nt" in log
    assert "MemoryTooSmall" not in log
