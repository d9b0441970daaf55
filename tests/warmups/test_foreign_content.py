"""What is of another generation, of another N or for other shards never counts as warm, wherever it is found."""

import json
import os
import signal

import pytest

from tests.warmups.scene import held


@pytest.fixture
async def frozen(warmups, warm_db):
    """The database with agents that stand still: what they have reported is all that there is. The assignment is restored."""
    db = warm_db.name
    # Before they stand still: kubelet's probe soon finds their reports too old.
    await warmups.ready(db)
    written = (await warmups.written(db)).config_map["data"]["assignment.json"]
    processes = [process for pod in (await warmups.pods(db)).values() for process in warmups.nodes.processes(pod)]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    yield db, json.loads(written)
    await warmups.replace_assignment(db, written)
    for process in processes:
        os.kill(process, signal.SIGCONT)
    await warmups.ready(db)


def more_shards(assignment):
    return {"shard_count": assignment["shard_count"] + 1}


def other_generation(assignment):
    del assignment
    return {"digest": "0" * 32}


def other_shards(assignment):
    nodes = assignment["nodes"]
    return {"nodes": dict(zip(nodes, [*nodes.values()][1:] + [*nodes.values()][:1], strict=True))}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (more_shards, "ShardCountMismatch"),
        (other_generation, "GenerationMismatch"),
        (other_shards, "AssignmentMismatch"),
    ],
)
async def test_report_about_something_else_never_counts(warmups, frozen, change, reason):
    db, assignment = frozen
    await warmups.replace_assignment(db, json.dumps({**assignment, **change(assignment)}))
    status = await warmups.status(db)
    assert status["status"] != "Ready"
    assert (status["nodes_ready"], status["total_jobs"], status["resident_pct"]) == (0, 3, 0)
    assert {node["reason"] for node in status["nodes"].values()} == {reason}
    assert all(node["message"] for node in status["nodes"].values())


async def test_database_warm_with_one_shard_count_is_not_warm_with_another_until_every_shard_is(warmups, warm_db):
    db = warm_db.name
    seen = []

    def copies(status):
        seen.append(status)
        return status["shard_count"] == 2 and status["phase_counts"] == {"copying_files": 2}

    async with warmups.holding(f"/{db}/") as files:
        run = await warmups.started(db, shard_count=2)
        await warmups.until(db, copies)
        await held(files)
    since = [(status["status"], status["nodes_ready"]) for status in seen if status["shard_count"] == 2]
    assert [one for one in since if one[0] == "Ready" or one[1]] == []
    operation = await warmups.ended(run)
    assert (operation["status"], operation["result"]["shard_count"]) == ("Succeeded", 2), operation
    status = await warmups.status(db)
    assert (status["status"], status["shard_count"], status["shards"]) == ("Ready", 2, ["00", "01"])
    for label, node in status["shard_nodes"].items():
        assert [file.name for file in warmups.folder(node).glob(f"{db}_shard_*")] == [f"{db}_shard_{label}.nal"]
    assert (await warmups.compare(warm_db)).holds


async def test_new_generation_in_storage_is_never_taken_for_the_warm_one(warmups, publish):
    await publish("renewed")
    await warmups.warmed("renewed")
    before = await warmups.status("renewed")
    await warmups.blobs.delete(*[name async for name in warmups.blobs.container.list_blob_names(name_starts_with="renewed/")])
    database = await publish("renewed", seed=42)

    # What is warm is the old one, and the status says so.
    old = await warmups.status("renewed")
    assert (old["status"], old["digest"]) == ("Ready", before["digest"])

    # An agent that has to look at storage again does not take the new one for it.
    node = before["shard_nodes"]["01"]
    warmups.nodes.kill_pod((await warmups.pods("renewed"))[node])
    status = await warmups.until("renewed", lambda status: status["nodes"][node]["reason"] == "GenerationMismatch")
    assert (status["status"], status["nodes"][node]["state"], status["digest"]) == ("Failed", "failed", before["digest"])
    assert before["digest"] in status["nodes"][node]["message"]

    async with warmups.holding("/renewed/", ".nsq"):
        run = await warmups.started("renewed")
        status = await warmups.copying("renewed")
        assert status["digest"] != before["digest"]
    assert (await warmups.ended(run))["status"] == "Succeeded"
    after = await warmups.status("renewed")
    assert (after["status"], after["digest"]) == ("Ready", status["digest"])
    assert (await warmups.compare(database)).holds
