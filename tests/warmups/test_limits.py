"""What a start request may limit: how long a database stays warm, and whether every node must be."""

import asyncio

import pytest

from shared.runs.ids import lease_key
from tests.warmups.scene import eventually

TTL_SECONDS = 5
LONGER_TTL_SECONDS = 30
"""Long enough for a second warmup to come in between."""


@pytest.fixture(scope="module")
async def limited(warmups):
    """Two databases with a limit, of which the second was warmed again; their runs, and a wait for what the second is told."""
    entity = f"@expiry@{lease_key(warmups.key, 'renewed')}"

    async def has_heard(times: int) -> None:
        async def is_so():
            notes = [note for note in warmups.crossroads.notes if (note.instance_id, note.moment) == (entity, "recorded")]
            return len(notes) >= times

        await eventually(is_so)

    await asyncio.gather(*(warmups.publish(db) for db in ("short", "renewed")))
    ttls = {"short": TTL_SECONDS, "renewed": LONGER_TTL_SECONDS}
    first, renewed = await asyncio.gather(*(warmups.started(db, ttl_seconds=ttl) for db, ttl in ttls.items()))
    ends = [await warmups.ended(run) for run in (first, renewed)]
    assert [end["status"] for end in ends] == ["Succeeded", "Succeeded"], ends
    # Each warmup notes itself, and the first one's end comes by a delayed signal.
    await has_heard(1)
    await warmups.warmed("renewed", ttl_seconds=3600)
    await has_heard(2)
    yield first, renewed, has_heard
    for db in ("short", "renewed"):
        await warmups.drop(db)


async def test_warm_database_is_released_by_itself_when_its_time_is_over(warmups, limited):
    release = f"{limited[0]}-ttl"

    async def is_released():
        return (await warmups.api.get(f"/api/operations/{release}")).status_code == 200

    await eventually(is_released)
    operation = await warmups.ended(release)
    assert (operation["kind"], operation["status"]) == ("release_warmup", "Succeeded"), operation
    assert operation["result"]["nodes"] == 3
    assert (await warmups.written("short")).is_nothing
    assert "short" not in await warmups.statuses()
    assert [file for node in warmups.nodes.names for file in warmups.files(node, "short")] == []


@pytest.fixture(scope="module")
async def handicapped(warmups):
    """A database that one node's agent cannot take care of: a folder lies where its lock is to be. Each shard is on two nodes."""
    await warmups.publish("half")
    node = warmups.nodes.names[1]
    obstacle = warmups.folder(node) / ".shardwarm/half.lock"
    obstacle.mkdir(parents=True)
    yield node
    obstacle.rmdir()
    await warmups.drop("half")


async def test_node_that_fails_for_good_fails_the_warmup_and_is_named(warmups, handicapped):
    error = await warmups.refused("half", replicas=2)
    assert error["code"] == "WarmupFailed"
    assert handicapped in error["message"]
    assert error["details"][0]["target"] == handicapped


async def test_node_that_fails_for_good_is_done_without_if_asked(warmups, handicapped):
    result = await warmups.warmed("half", replicas=2, require_all_nodes=False)
    assert (result["outcome"], result["nodes"]) == ("warm", 2)
    status = await warmups.status("half")
    assert (status["status"], status["nodes"][handicapped]["state"]) == ("Failed", "failed")
    warm = {node for node, one in status["nodes"].items() if one["state"] == "warm"}
    assert all(warm & set(holders) for holders in status["shard_replicas"].values())


async def test_database_that_was_warmed_again_outlives_the_end_that_it_had_before(warmups, limited):
    # The end that it had at first comes while the tests above run.
    await limited[2](3)
    assert (await warmups.api.get(f"/api/operations/{limited[1]}-ttl")).status_code == 404
    assert (await warmups.status("renewed"))["status"] == "Ready"
