"""A warmup that is canceled, or whose app, API server or agents die on the way; and what can be said meanwhile."""

import pytest

from local.cluster.manifests import NAMESPACE
from shared.runs.ids import operation_id
from tests.orchestrators.crossroads import Step
from tests.warmups.scene import eventually


async def test_canceled_warmup_takes_its_objects_away_and_frees_the_lease(warmups, publish):
    await publish("stopped")
    async with warmups.holding("/stopped/", ".nsq"):
        run = await warmups.started("stopped")
        await warmups.copying("stopped")
        assert not (await warmups.written("stopped")).is_nothing
        assert (await warmups.api.post(f"/api/operations/{run}/cancel")).status_code == 202
        operation = await warmups.ended(run)
    assert operation["status"] == "Canceled", operation
    assert operation["error"]["code"] == "Canceled"
    assert (await warmups.written("stopped")).is_nothing
    # The lease is free.
    assert (await warmups.released("stopped"))["outcome"] == "released"


async def test_warmup_ends_warm_although_app_api_server_and_agent_die_while_it_copies(warmups, publish):
    database = await publish("killed")
    async with warmups.holding("/killed/", ".nsq"):
        run = await warmups.started("killed")
        await warmups.copying("killed")
        warmups.stack.host.worker.kill()
        warmups.nodes.kill_pod(min((await warmups.pods("killed")).values()))
        await warmups.stack.host.wait_worker_ready()
        await warmups.cluster.restart_api_server(after_seconds=2)
    operation = await warmups.ended(run)
    assert operation["status"] == "Succeeded", operation
    assert (await warmups.status("killed"))["status"] == "Ready"
    assert (await warmups.compare(database)).holds

    async def nothing_is_unfinished():
        # Nor on a node whose shards were given to another meanwhile.
        incoming = [warmups.folder(node) / ".shardwarm/incoming/killed" for node in warmups.nodes.names]
        return not [file for folder in incoming if folder.exists() for file in folder.iterdir()]

    await eventually(nothing_is_unfinished)


async def test_warmup_started_right_after_a_canceled_one_ends_warm(warmups, publish):
    database = await publish("resumed")
    async with warmups.holding("/resumed/", ".nsq"):
        run = await warmups.started("resumed")
        await warmups.copying("resumed")
        assert (await warmups.api.post(f"/api/operations/{run}/cancel")).status_code == 202
        assert (await warmups.ended(run))["status"] == "Canceled"
        # The agents of the first one may still be ending.
        run = await warmups.started("resumed")
    operation = await warmups.ended(run)
    assert operation["status"] == "Succeeded", operation
    assert operation["result"]["changed"]
    assert (await warmups.status("resumed"))["status"] == "Ready"
    assert (await warmups.compare(database)).holds


async def test_warmup_whose_applying_was_answered_in_vain_knows_what_it_has_changed(warmups, publish):
    await publish("repeated")
    stop = warmups.stop("repeated", Step("activity", "apply_warmup"), "answered", redeliver=True)
    stop.go()
    result = await warmups.warmed("repeated")
    assert warmups.crossroads.delivered(operation_id("warm", warmups.key, "repeated", 1))["apply_warmup"] == 2
    assert result["changed"]
    assert 0 < result["bytes_moved"] <= result["bytes_total"]


async def test_status_is_neither_warm_nor_cold_while_the_api_server_is_away(warmups, warm_db):
    async with warmups.outage():
        seen = await warmups.summary()
    assert seen["error"].startswith("ClusterUnavailable: "), seen
    assert (seen["warm"], seen["databases"]) == (False, [])

    async def is_back():
        return (await warmups.summary())["error"] is None

    await eventually(is_back)
    assert (await warmups.ready(warm_db.name))["nodes_ready"] == 3


@pytest.fixture
async def is_blinded(warmups):
    """The app has no right to see the agents any more."""
    roles = "/apis/rbac.authorization.k8s.io/v1"
    paths = f"{roles}/namespaces/{NAMESPACE}/roles/shardwarm-app", f"{roles}/clusterroles/shardwarm-nodes"
    rules = {path: (await warmups.admin.get(path))["rules"] for path in paths}
    for path, before in rules.items():
        without = ({**rule, "resources": [one for one in rule["resources"] if one != "pods"]} for rule in before)
        await warmups.admin.patch(path, {"rules": [rule for rule in without if rule["resources"]]})
    yield
    for path, before in rules.items():
        await warmups.admin.patch(path, {"rules": before})


@pytest.mark.usefixtures("warm_db", "is_blinded")
async def test_status_is_neither_warm_nor_cold_while_the_agents_cannot_be_seen(warmups):
    async def is_blind():
        return (await warmups.summary())["error"] is not None

    await eventually(is_blind)
    seen = await warmups.summary()
    assert seen["error"].startswith("ClusterRefused: "), seen
    assert "pods" in seen["error"]
    assert (seen["warm"], seen["databases"]) == (False, [])
