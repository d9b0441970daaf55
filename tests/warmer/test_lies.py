"""What could make a node look warm that is not: one test for each lie, against the real agent. None reads as warm."""

from __future__ import annotations

import os
import shutil
import signal
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from shared.agent.assignment import AssignmentDocument
from shared.agent.report import AgentReport
from shared.blastdb.blobs import alias_blob
from shared.runs.warmup.facts import Limits, NodeFacts, PodFacts, Readings, RolloutFacts
from shared.runs.warmup.status import status_of
from tests.blast import fasta, makeblastdb
from tests.warmer.scene import NODE

VOLUME = "mini_nt.00.nsq"


def truncated(folder):
    os.truncate(folder / VOLUME, 1000)


def other_volumes_bytes(folder):
    shutil.copy(folder / "mini_nt.01.nsq", folder / VOLUME)


def same_size_other_bytes(folder):
    # Sizes and times of the right one, under the right name: only the inode and its change time tell.
    right = folder / VOLUME
    status, content = right.stat(), bytearray(right.read_bytes())
    content[500] ^= 255
    (folder / "new").write_bytes(content)
    os.utime(folder / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / "new").rename(right)


def stale_alias(folder):
    alias = folder / "mini_nt_shard_00.nal"
    alias.write_text("".join(line for line in alias.read_text().splitlines(keepends=True) if not line.startswith("NSEQ")))


def alias_of_another_count(folder):
    (folder / "mini_nt_shard_00.nal").write_text("TITLE mini_nt_shard_00\nDBLIST /blast/blastdb/mini_nt.00\n")


def missing_companion(folder):
    (folder / "mini_nt.ndb").unlink()


def hard_link_replaced(folder):
    os.link(folder / "mini_nt.01.nsq", folder / "link")
    (folder / "link").rename(folder / VOLUME)


def folder_replaced_by_a_link(folder):
    copy = folder.parent / "elsewhere"
    shutil.copytree(folder, copy)
    shutil.move(folder, folder.parent / "before")
    folder.symlink_to(copy)


LIES = [
    truncated,
    other_volumes_bytes,
    same_size_other_bytes,
    stale_alias,
    alias_of_another_count,
    missing_companion,
    hard_link_replaced,
    folder_replaced_by_a_link,
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
async def test_no_report_that_says_warm_is_younger_than_a_change_of_the_files(scene, store, mini, storage_proxy, lie):
    # The next look is a minute away, so the agent sees the change by watching; without storage it cannot mend it at once.
    url = store.url(storage_proxy.port)
    warmer = await scene.warmer(mini.assignment([0, 1], url), SHARDWARM_TOUCH_SECONDS="60")
    await warmer.warm()
    storage_proxy.fail(lambda _: True)

    lie(warmer.node.folder)
    changed_at = datetime.now(UTC)
    while (report := warmer.report)["warm"]:
        assert datetime.fromisoformat(report["updated_at"]) < changed_at

    assert report["reason"]
    assert "mini_nt" in report["message"]
    assert (await warmer.ready())[0] == 1


async def test_other_texts_under_the_same_generation_are_refused(scene, store, mini):
    assignment = mini.assignment([0, 1], store.url())
    name = alias_blob("mini_nt", 3, 1, "nucl")
    lines = (await store.get(name)).splitlines(keepends=True)
    await store.put(name, b"".join(line for line in lines if not line.startswith((b"NSEQ", b"LENGTH"))))

    report = await (await scene.warmer(assignment)).failed("TextsMismatch")

    assert "N = 3 are not those of the assignment" in report["message"]


async def test_report_about_other_texts_is_not_believed(scene, store, mini):
    assignment = mini.assignment([0], store.url())
    warmer = await scene.warmer(assignment)
    await warmer.warm()
    assert (await warmer.ready())[0] == 0
    os.kill(warmer.child.pid, signal.SIGSTOP)

    warmer.assign({**assignment, "texts": "0" * 32})

    status, reason = await warmer.ready()
    os.kill(warmer.child.pid, signal.SIGCONT)
    assert status == 1
    assert "texts" in reason


async def test_evicted_pages_are_measured_and_read_again(scene, store, mini):
    warmer = await scene.warmer(mini.assignment([0], store.url()))
    moved = (await warmer.warm())["bytes_moved"]
    touched = warmer.log.read_text().count("touching")
    descriptor = os.open(warmer.node.folder / VOLUME, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)

    report = await warmer.until(lambda report: report["warm"] and warmer.log.read_text().count("touching") > touched)

    assert report["bytes_moved"] == moved


def judged(report, assignment, *, now=None, pod=None):
    """The app's judgement of one node that reports this."""
    document = AssignmentDocument.model_validate({**assignment, "nodes": {NODE: assignment["nodes"][NODE]}})
    facts = PodFacts(name=report.pod, node=NODE, phase="Running", ready=True, report=report.model_dump_json())
    readings = Readings(
        rollout=RolloutFacts(generation=1, observed_generation=1, desired=1, updated=1, ready=1),
        pods=(facts.model_copy(update=pod or {}),),
        nodes=(NodeFacts(name=NODE, ready=True, schedulable=True),),
    )
    return status_of(document, readings, now or datetime.now(UTC), Limits())


async def test_app_believes_the_agent_and_nothing_that_differs_from_its_word(scene, store, mini):
    assignment = mini.assignment([0], store.url())
    warmer = await scene.warmer(assignment)
    report = AgentReport.model_validate(await warmer.warm())

    assert judged(report, assignment).nodes[NODE].state == "warm"
    lies = {
        "GenerationMismatch": judged(report, {**assignment, "digest": "0" * 32}),
        "TextsMismatch": judged(report, {**assignment, "texts": "0" * 32}),
        "ShardCountMismatch": judged(report, {**assignment, "shard_count": 2}),
        "AssignmentMismatch": judged(report, {**assignment, "nodes": {NODE: [1]}}),
        "ReportTooOld": judged(report, assignment, now=datetime.now(UTC) + timedelta(hours=1)),
        "ReportOfAnother": judged(report, assignment, pod={"name": "warm-after-it"}),
        "PodFailed": judged(report, assignment, pod={"phase": "Failed"}),
        "AgentNotReady": judged(report, assignment, pod={"ready": False}),
        "PodTerminating": judged(report, assignment, pod={"deleting": True}),
    }
    for reason, status in lies.items():
        assert (status.nodes[NODE].reason, status.nodes[NODE].state == "warm") == (reason, False), status.nodes[NODE]
    clock_back = judged(report, assignment, now=datetime.now(UTC) - timedelta(hours=1))
    assert clock_back.nodes[NODE].reason == "ReportTooOld"


async def test_databases_whose_files_would_meet_on_a_node_are_never_warm_together(scene, store, tmp_path):
    twelve = makeblastdb(tmp_path, fasta(12), "-max_file_sz", "1B", out="release")
    one = makeblastdb(tmp_path, fasta(3), "-max_file_sz", "1GB", out="release.10")
    first = await store.publish(SimpleNamespace(name="release", folder=twelve, files=list(twelve.iterdir())), 2)
    second = await store.publish(SimpleNamespace(name="release.10", folder=one, files=list(one.iterdir())), 1)
    warm = await scene.warmer(first.assignment([0, 1], store.url()))
    await warm.warm()
    content = (warm.node.folder / "release.10.nsq").read_bytes()

    other = await scene.warmer(second.assignment([0], store.url()), warm.node, name="other")
    report = await other.failed("FileNameTaken")

    assert "release.10.n" in report["message"]
    assert "'release'" in report["message"]
    other.assign(second.assignment([0], store.url(), mode="evict"))
    await other.until(lambda report: report["mode"] == "evict" and report["phase"] == "completed")
    assert (warm.node.folder / "release.10.nsq").read_bytes() == content
    assert (await warm.measured_again())["warm"]
