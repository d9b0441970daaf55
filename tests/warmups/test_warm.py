"""Warming: every shard verified and in memory on its node, searches equal to the whole's, and nothing done twice."""

import pytest


@pytest.mark.parametrize("molecule", ["nucl", "prot"])
async def test_search_on_warm_nodes_finds_what_the_search_of_the_whole_database_finds(warmups, warm_pair, molecule):
    database, result = warm_pair[molecule]
    assert result["outcome"] == "warm"
    assert (result["shard_count"], result["nodes"], result["resident_percent"]) == (3, 3, 100)
    assert result["changed"]
    assert 0 < result["bytes_moved"] <= result["bytes_total"]
    comparison = await warmups.compare(database)
    assert comparison.holds, comparison


@pytest.mark.parametrize("molecule", ["nucl", "prot"])
async def test_status_shows_every_node_and_shard_of_a_warm_database(warmups, warm_pair, molecule):
    database, _ = warm_pair[molecule]
    status = await warmups.status(database.name)
    assert (status["status"], status["mol_type"], status["error"]) == ("Ready", molecule, None)
    assert (status["nodes_ready"], status["total_jobs"], status["nodes_failed"], status["nodes_active"]) == (3, 3, 0, 0)
    assert status["shards"] == ["00", "01", "02"]
    assert sorted(status["shard_nodes"].values()) == warmups.nodes.names
    assert set(status["shard_host_paths"].values()) == {"/workspace/blast"}
    assert (status["progress_pct"], status["resident_pct"], status["shard_count"]) == (100, 100, 3)
    assert status["files_done"] == status["files_total"]
    assert sum(file.stat().st_size for file in database.files if file.stem in database.volumes) <= status["bytes_done"]
    assert status["bytes_done"] == status["bytes_total"]
    assert {node["state"] for node in status["nodes"].values()} == {"warm"}
    assert {shard["resident_pct"] for shard in status["shard_progress"].values()} == {100}
    assert {pod["node"] for pod in status["pod_statuses"]} == set(warmups.nodes.names)
    assert status["stale_shards"] == []


async def test_every_node_holds_the_volumes_of_its_own_shards_only(warmups, warm_pair):
    database, _ = warm_pair["nucl"]
    status = await warmups.status(database.name)
    held = [
        {file.stem for file in warmups.folder(node).glob(f"{database.name}.*.nsq")} for node in status["shard_nodes"].values()
    ]
    assert set.union(*held) == set(database.volumes)
    assert sum(map(len, held)) == len(database.volumes)
    assert all(held)


async def test_warming_what_is_warm_writes_nothing_and_moves_nothing(warmups, warm_pair):
    db = warm_pair["nucl"][0].name
    before, pods, status = await warmups.written(db), await warmups.pods(db), await warmups.status(db)
    warmups.stack.proxy.clear()
    result = await warmups.warmed(db)
    after = await warmups.written(db)
    assert (result["changed"], result["bytes_moved"]) == (False, 0)
    assert after.versions == before.versions
    assert await warmups.pods(db) == pods
    assert warmups.downloads(lambda path: f"/{db}" in path) == []
    assert (await warmups.status(db))["bytes_moved"] == status["bytes_moved"]


async def test_released_database_is_gone_from_the_cluster_and_may_be_released_again(warmups, publish):
    await publish("let_go")
    await warmups.warmed("let_go")
    assert (await warmups.released("let_go"))["outcome"] == "released"
    assert (await warmups.written("let_go")).is_nothing
    assert "let_go" not in await warmups.statuses()
    assert (await warmups.released("let_go"))["outcome"] == "released"


async def test_finished_warmup_has_the_replaced_systems_status_and_is_no_longer_active(warmups, warm_pair):
    database, _ = warm_pair["nucl"]
    run = await warmups.started(database.name)
    await warmups.ended(run)
    document = (await warmups.api.get(f"/api/warmup/{run}/status")).json()
    assert (document["instance_id"], document["runtime_status"], document["error"]) == (run, "Completed", None)
    assert document["output"]["outcome"] == "warm"
    assert document["custom_status"]["phase"] == "done"
    active = (await warmups.api.get("/api/warmup/active")).json()
    assert run not in {one["instance_id"] for one in active["warmups"]}
