"""What nodes have left: a database that does not fit beside what pods request there is refused at once, and never hangs."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from shared.kube.agents import Agents
from tests.warmups.scene import api_server, eventually

PODS = "/api/v1/namespaces/default/pods"
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/shardwarm-nodes"


@asynccontextmanager
async def crowded(warmups, *nodes):
    """Pods that request all the memory that the scheduler may give away on these nodes, as long as this lasts."""
    names = [f"crowd-{node}" for node in nodes]
    for name, node in zip(names, nodes, strict=True):
        memory = (await warmups.admin.get(f"/api/v1/nodes/{node}"))["status"]["allocatable"]["memory"]
        container = {"name": "main", "image": "absent:local", "resources": {"requests": {"memory": memory}}}
        spec = {"nodeName": node, "tolerations": [{"operator": "Exists"}], "containers": [container]}
        await warmups.admin.create(PODS, {"metadata": {"name": name}, "spec": spec})
    try:
        yield names
    finally:
        for name in names:
            await warmups.admin.delete(f"{PODS}/{name}", {"gracePeriodSeconds": 0})


async def test_nodes_that_have_given_their_memory_away_refuse_a_database_at_once(warmups):
    db = await warmups.sham("homeless")
    async with crowded(warmups, *warmups.nodes.names):
        error = await warmups.refused(db)
    assert error["code"] == "MachineTooSmall"
    assert "shards may fill 0.00 GiB, as pods request the rest" in error["message"]
    assert (await warmups.written(db)).is_nothing


async def test_database_goes_to_the_nodes_that_have_room(warmups, publish):
    await publish("roomy")
    node = warmups.nodes.names[0]
    async with crowded(warmups, node):
        result = await warmups.warmed("roomy")
        status = await warmups.status("roomy")
        assert (result["nodes"], status["status"]) == (2, "Ready")
        assert node not in status["nodes"]


async def test_warm_database_keeps_its_nodes_when_others_want_them_too(warmups, publish):
    database = await publish("settled")
    before = await warmups.warmed(database.name)
    written = await warmups.written(database.name)
    pod = {"metadata": {"name": "latecomer"}}
    memory = (await warmups.admin.get(f"/api/v1/nodes/{warmups.nodes.names[0]}"))["status"]["allocatable"]["memory"]
    fields = [{"key": "metadata.name", "operator": "In", "values": [warmups.nodes.names[0]]}]
    affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": fields}]}}
    container = {"name": "main", "image": "absent:local", "resources": {"requests": {"memory": memory}}}
    spec = {"affinity": {"nodeAffinity": affinity}, "tolerations": [{"operator": "Exists"}], "containers": [container]}
    await warmups.admin.create(PODS, {**pod, "spec": spec})
    try:
        again = await warmups.warmed(database.name)
    finally:
        await warmups.admin.delete(f"{PODS}/latecomer", {"gracePeriodSeconds": 0})
    assert (before["nodes"], again["nodes"], again["changed"]) == (3, 3, False)
    assert (await warmups.written(database.name)).versions == written.versions


# The Kubernetes client's own.
@pytest.mark.filterwarnings("ignore:HTTPResponse.getheaders:DeprecationWarning")
@pytest.mark.usefixtures("warm_db")
async def test_app_that_may_not_list_every_pod_counts_the_agents_alone(warmups):
    api = api_server(warmups.cluster.app)
    agents = Agents(api, "shardwarm")
    role = await warmups.admin.get(ROLE)
    async with crowded(warmups, warmups.nodes.names[0]):
        try:
            every = await agents.requests()
            await warmups.admin.patch(ROLE, {"rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]})

            async def only_agents():
                return all(one.database for one in await agents.requests())

            await eventually(only_agents)
            agents_alone = await agents.requests()
        finally:
            await warmups.admin.patch(ROLE, {"rules": role["rules"]})
            api.close()
    assert {one.node for one in every if one.database is None} == {warmups.nodes.names[0]}
    assert {one.node for one in agents_alone} == set(warmups.nodes.names)
