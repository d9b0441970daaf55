"""Passes over warm databases: a warmup is started again when its nodes are not what they were, and only then."""

from __future__ import annotations

import json

import pytest
from durabletask.client import AsyncTaskHubGrpcClient

from local.cluster.manifests import NAMESPACE
from local.stack.warm import AGENTS
from shared.agent.assignment import ASSIGNMENT_FILE
from shared.kube.manifests import ASSIGNMENT_ANNOTATION, object_name
from shared.runs.ids import operation_id
from shared.runs.shard.payloads import ShardRun
from tests.orchestrators.crossroads import Step
from tests.orchestrators.reconciling import reconciled
from tests.warmups.conftest import app_on_cluster
from tests.warmups.scene import eventually

REWARMED = "warm"


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """A cluster of this module's own: a pass sees to every warm database that there is."""
    async with app_on_cluster(tmp_path_factory, SHARDWARM_RELEASE_AGAIN_SECONDS="60") as warmups:
        yield warmups


@pytest.fixture(scope="module")
async def warm(place):
    """A warm database; each test leaves it warm."""
    database = await place.publish("watched")
    await place.warmed("watched", shard_count=3)
    return database


@pytest.fixture(scope="module")
async def overdue(place):
    """A release by TTL that failed for want of the API server, and what a pass said of it before the next release was due."""
    await place.publish("overdue")
    run = await place.started("overdue", ttl_seconds=1)
    stop = place.crossroads.stop(f"{run}-ttl", Step("activity", "evict_warmup"), "delivered")
    assert (await place.ended(run))["status"] == "Succeeded"
    await stop.reached()
    async with place.outage():
        stop.go()
        release = await place.ended(f"{run}-ttl")
    return run, release, told_of(await reconciled(place), "overdue")


def told_of(result, db) -> list[dict]:
    return [one for one in result["actions"] if one["target"].endswith(f"/{db}")]


def rewarmed(result, db="watched") -> list[str]:
    """Why a pass started the warmup of a database again."""
    return [one["outcome"] for one in result["actions"] if one["action"] == REWARMED and one["target"].endswith(f"/{db}")]


async def assignment(place, db) -> dict:
    """What the cluster tells the agents of a database."""
    return json.loads((await place.written(db)).config_map["data"][ASSIGNMENT_FILE])


async def shard_with_two_lines(place, db) -> None:
    """Shard as an app with the other form of aliases would."""
    number = (await place.api.show(db))["lease"]["epoch"] + 1
    account = place.api.account
    run = operation_id("shard", account, db, number)
    given = ShardRun(run=run, number=number, account=account, db=db, presets=(3,), legacy_alias=True)
    async with AsyncTaskHubGrpcClient(host_address=place.stack.host.rpc_address, secure_channel=False) as client:
        await client.schedule_new_orchestration("shard", instance_id=run, input=given.model_dump(mode="json"))
    assert (await place.ended(run))["status"] == "Succeeded"


async def ends_warm(place, db="watched") -> None:
    """Wait until the warmups under way have ended, and fail unless the database is warm and the next pass does nothing."""
    active = (await place.api.get("/api/warmup/active")).json()["warmups"]
    for one in active:
        assert (await place.ended(one["instance_id"]))["status"] == "Succeeded"
    assert (await place.status(db))["status"] == "Ready"
    assert (await reconciled(place))["healed"] == 0


async def test_release_that_finds_the_api_server_away_fails_and_a_pass_tells_it(overdue):
    _, release, told = overdue
    assert (release["status"], release["error"]["code"]) == ("Failed", "ClusterUnavailable"), release
    assert [(one["action"], one["reason"]) for one in told] == [("tell", "release")]
    assert "releases started: 1; the last failed: ClusterUnavailable" in told[0]["outcome"]


async def test_warm_database_is_left_alone(place, warm):
    before = await place.written(warm.name)

    result = await reconciled(place)

    others = told_of(result, "overdue")
    assert [one for one in result["actions"] if one["action"] != "purge" and one not in others] == []
    assert (await place.written(warm.name)).versions == before.versions


async def test_another_interval_of_reports_alone_is_no_reason_to_warm_again(place, warm):
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/{object_name(warm.name)}"
    text = (await place.admin.get(path))["metadata"]["annotations"][ASSIGNMENT_ANNOTATION]
    document = json.loads(text)
    # The planner takes the agents' own interval as the least.
    assert document["report_seconds"] == float(AGENTS["SHARDWARM_PUBLISH_SECONDS"])

    async def announce(announced):
        await place.admin.patch(path, {"metadata": {"annotations": {ASSIGNMENT_ANNOTATION: announced}}})

    await announce(json.dumps(document | {"report_seconds": 160}))
    try:
        assert rewarmed(await reconciled(place)) == []
    finally:
        await announce(text)


async def test_replaced_node_is_warmed(place, warm):
    node = (await place.status(warm.name))["shard_nodes"]["01"]
    await place.nodes.lose(node)
    await place.nodes.replace(node)

    assert len(rewarmed(await reconciled(place))) == 1

    await ends_warm(place)
    assert node not in (await place.status(warm.name))["nodes"]
    assert (await place.compare(warm)).holds


async def test_database_that_was_taken_out_of_the_cluster_comes_back(place, warm):
    await place.drop(warm.name)

    assert rewarmed(await reconciled(place)) == ["the cluster has nothing of it any more"]

    await ends_warm(place)


async def test_other_texts_of_the_same_generation_are_warmed(place, warm):
    """A restore puts back aliases of the two-line form: other texts over the same files."""
    before = await assignment(place, warm.name)
    await shard_with_two_lines(place, warm.name)
    await place.api.sharded(warm.name, presets=[3])
    reply = await place.api.post(f"/api/blast/databases/{warm.name}/restore", json=place.api.body)
    assert reply.status_code == 202, reply.text
    assert (await place.ended(reply.json()["operation_id"]))["status"] == "Succeeded"

    assert rewarmed(await reconciled(place)) == ["its nodes hold older manifests and aliases"]

    await ends_warm(place)
    after = await assignment(place, warm.name)
    assert after["digest"] == before["digest"]
    assert after["texts"] != before["texts"]
    assert await place.strays(warm) == []


async def test_older_generation_on_the_nodes_is_replaced(place, warm):
    digest = (await place.status(warm.name))["digest"]
    await place.blobs.upload({f"{warm.name}/{warm.name}.aux": b"x"})

    assert rewarmed(await reconciled(place)) == ["its nodes hold an older generation"]

    await ends_warm(place)
    assert (await place.status(warm.name))["digest"] != digest


async def test_released_database_stays_released(place, warm):
    await place.released(warm.name)

    assert rewarmed(await reconciled(place)) == []
    assert (await place.written(warm.name)).is_nothing


async def test_release_that_failed_is_followed_by_one_that_does_not(place, overdue):
    run, _, _ = overdue

    async def is_followed():
        return (await place.api.get(f"/api/operations/{run}-ttl-2")).status_code == 200

    await eventually(is_followed)
    assert (await place.ended(f"{run}-ttl-2"))["status"] == "Succeeded"
    assert (await place.written("overdue")).is_nothing
    assert [file for node in place.nodes.names for file in place.files(node, "overdue")] == []
    assert told_of(await reconciled(place), "overdue") == []
