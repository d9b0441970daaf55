"""The way to warm, and staying there."""

from __future__ import annotations

import subprocess

import pytest

from local.demo.blast import merge, ordinals, search


async def test_shards_become_warm(scene, store, mini):
    warmer = await scene.warmer(mini.assignment([1, 2], store.url()))

    report = await warmer.warm()

    assert report["phase"] == "completed"
    assert (report["db"], report["digest"], report["shard_count"]) == ("mini_nt", mini.digest, 3)
    assert sorted(report["shards"]) == ["01", "02"]
    assert report["files_done"] == report["files_total"] > 0
    assert report["bytes_done"] == report["bytes_total"] > 0
    assert report["bytes_moved"] <= report["bytes_total"]
    assert report["resident_bytes"] >= 0.999 * report["resident_total"]
    assert warmer.node.volumes("mini_nt") == mini.volume_names(1, 2)
    assert await warmer.ready() == (0, "")


async def test_files_beside_the_database_that_are_not_blasts_stay_in_storage(scene, store, mini):
    foreign = [f"mini_nt.{rest}" for rest in ("fasta", "zip", "md5", "00.md5", "00.fa", "00.tar.gz")]
    await store.upload({f"mini_nt/{leaf}": b"not BLAST's" for leaf in foreign})

    warmer = await scene.warmer(mini.assignment([0], store.url()))
    await warmer.warm()

    assert not warmer.node.leaves() & set(foreign)


@pytest.mark.parametrize("molecule", ["nucl", "prot"])
async def test_searches_of_the_nodes_own_folder_equal_the_whole_search(scene, store, nucleotide, protein, molecule):
    made = nucleotide if molecule == "nucl" else protein
    how = made.specimen.searches[0]
    count = made.specimen.shard_counts[0]
    published = await store.publish(made, count)
    warmer = await scene.warmer(published.assignment(range(count), store.url()))
    await warmer.warm()

    shards = []
    for index in range(count):
        name = f"{made.name}_shard_{index:02d}"
        shards.append(await search(how, name, made.queries, warmer.node.searchable(name)))
    whole = await search(how, made.name, made.queries, made.folder)

    queries = [line[1:].strip() for line in made.queries.read_text().splitlines() if line.startswith(">")]
    merged = merge(shards, await ordinals(made.name, made.folder), queries)
    assert [hit.line for hit in merged] == [hit.line for hit in whole]
    assert whole


async def test_running_again_moves_nothing(scene, store, mini):
    assignment = mini.assignment([0], store.url())
    first = await scene.warmer(assignment)
    await first.warm()
    await first.stop()
    before = {file: file.stat().st_mtime_ns for file in first.node.folder.glob("*")}

    again = await scene.warmer(assignment, first.node)
    report = await again.warm()

    assert report["bytes_moved"] == 0
    assert {file: file.stat().st_mtime_ns for file in first.node.folder.glob("*")} == before


async def test_evicted_pages_are_touched_again_without_a_download(scene, store, mini, storage_proxy):
    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)))
    moved = (await warmer.warm())["bytes_moved"]
    storage_proxy.clear()

    evict(warmer.node.folder)
    await warmer.until(lambda _: "touching 1" in warmer.log.read_text() or warmer.log.read_text().count("touching") > 1)
    report = await warmer.warm()

    assert report["bytes_moved"] == moved
    assert not storage_proxy.records


async def test_a_node_without_assignment_waits(scene, store, mini):
    warmer = await scene.warmer({**mini.assignment([0], store.url()), "nodes": {"another": [0]}})

    report = await warmer.until(lambda report: report["reason"] == "NotAssigned")

    assert report["phase"] == "waiting"
    assert (await warmer.ready())[0] == 1
    assert not warmer.node.leaves()


async def test_a_node_that_is_left_out_keeps_what_is_whole_and_nothing_unfinished(scene, store, mini):
    warmer = await scene.warmer(mini.assignment([0], store.url()))
    await warmer.warm()
    whole = warmer.node.volumes("mini_nt")
    unfinished = warmer.node.folder / ".shardwarm/incoming/mini_nt/mini_nt.01.nsq.0123456789ab.part"
    unfinished.write_bytes(b"?")

    warmer.assign({**mini.assignment([0], store.url()), "nodes": {"another": [0]}})

    await warmer.until(lambda report: report["reason"] == "NotAssigned")
    assert warmer.node.volumes("mini_nt") == whole
    assert not unfinished.exists()


async def test_bytes_are_counted_for_the_warmup_that_asked_for_them(scene, store, mini):
    warmer = await scene.warmer(mini.assignment([0], store.url()) | {"run": "warm-1"})
    first = await warmer.warm()
    assert (first["run"], first["bytes_moved"] > 0) == ("warm-1", True)

    warmer.assign(mini.assignment([0], store.url()) | {"run": "warm-2"})
    second = await warmer.until(lambda report: report["run"] == "warm-2")
    assert (second["warm"], second["bytes_moved"]) == (True, 0)


async def test_mode_disk_is_ready_without_memory(scene, store, mini):
    warmer = await scene.warmer(mini.assignment([0], store.url(), mode="disk"))
    await warmer.until(lambda report: report["phase"] == "completed")
    evict(warmer.node.folder)

    report = await warmer.measured_again()

    assert not report["warm"]
    assert report["resident_bytes"] < report["resident_total"]
    assert await warmer.ready() == (0, "")


async def test_mode_evict_removes_everything_and_is_never_ready(scene, store, mini):
    warmer = await scene.warmer(mini.assignment([0, 1], store.url()))
    await warmer.warm()
    (warmer.node.folder / "other.nsq").write_bytes(b"another's")

    warmer.assign(mini.assignment([0, 1], store.url(), mode="evict"))
    await warmer.until(lambda report: report["mode"] == "evict" and report["phase"] == "completed")

    assert warmer.node.leaves() == {"other.nsq"}
    assert (await warmer.ready())[0] == 1


async def test_the_consumers_markers_stand_while_all_is_verified(scene, store, mini, storage_proxy):
    node = scene.node()
    for leftover in (".azDownload-77-mini_nt.00.nsq", ".azDownload-77-other.00.nsq"):
        (node.folder / leftover).write_bytes(b"half")
    (node.folder / ".download-complete").write_text("ok")
    held = storage_proxy.hold(lambda request: request.path.endswith(".nsq"))
    warmer = await scene.warmer(mini.assignment([0], store.url(storage_proxy.port)), node)
    await held.reached()

    assert not (node.folder / ".download-complete").exists()

    held.release()
    await warmer.warm()
    assert (node.folder / ".download-complete").read_text() == "ok"
    assert (node.folder / ".download-source-version").read_text() == "2026-05-09-01-05-02"
    assert node.leaves(".azDownload-*") == {".azDownload-77-other.00.nsq"}


async def test_files_that_somebody_staged_are_taken_over(scene, store, mini, nucleotide):
    node = scene.node()
    for file in nucleotide.files:
        (node.folder / file.name).write_bytes(file.read_bytes())

    report = await (await scene.warmer(mini.assignment([0, 1, 2], store.url()), node)).warm()

    assert report["bytes_moved"] == 0


def evict(folder) -> None:
    """Drop the files' pages as anybody could."""
    subprocess.run(["sync"], check=True)
    subprocess.run(["vmtouch", "-q", "-e", str(folder)], check=True)
