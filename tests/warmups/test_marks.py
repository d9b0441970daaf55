"""The labels by which searches find a shard: on nodes that were found warm, where the app may label nodes, nowhere else."""

import pytest

from local.cluster.manifests import apply, roles

_ROLES = "/apis/rbac.authorization.k8s.io/v1"


@pytest.fixture
async def may_label(warmups):
    """The optional role for as long as the test lasts."""
    (app,) = (await warmups.admin.get(f"{_ROLES}/clusterrolebindings/shardwarm-nodes"))["subjects"]
    await apply(warmups.admin, roles(app["name"], may_label_nodes=True))
    yield
    for kind in ("clusterrolebindings", "clusterroles"):
        await warmups.admin.delete(f"{_ROLES}/{kind}/shardwarm-node-labels")


async def marks(warmups, db) -> dict[str, dict[str, str]]:
    """The labels of each node that has some of this database."""
    found = {}
    for node in (await warmups.admin.get("/api/v1/nodes"))["items"]:
        ours = {name: value for name, value in node["metadata"]["labels"].items() if name.startswith(f"shardwarm/{db}-")}
        if ours:
            found[node["metadata"]["name"]] = ours
    return found


def wanted(status) -> dict[str, dict[str, str]]:
    """What the status says of them."""
    nodes = {name: node["shards"] for name, node in status["nodes"].items()}
    return {name: {status["shard_marks"][shard]: status["digest"] for shard in shards} for name, shards in nodes.items()}


@pytest.mark.usefixtures("may_label")
async def test_warm_nodes_are_marked_with_their_shards_until_the_database_is_released(warmups, publish):
    await publish("marked")
    result = await warmups.warmed("marked")
    status = await warmups.status("marked")
    assert result["nodes_marked"]
    assert len(status["shard_marks"]) == 3
    assert await marks(warmups, "marked") == wanted(status)
    await warmups.released("marked")
    assert await marks(warmups, "marked") == {}


@pytest.mark.usefixtures("may_label")
async def test_marks_leave_a_node_before_its_shards_are_given_to_another(warmups, publish):
    await publish("moving")
    await warmups.warmed("moving")
    before = await warmups.status("moving")
    node = before["shard_nodes"]["00"]
    await warmups.nodes.cordon(node)
    try:
        async with warmups.holding("/moving/", ".nsq") as held:
            run = await warmups.started("moving")
            await held.reached(1)
            survivors = {name: labels for name, labels in wanted(before).items() if name != node}
            assert await marks(warmups, "moving") == survivors
        await warmups.ended(run)
        after = await warmups.status("moving")
        assert after["status"] == "Ready"
        assert await marks(warmups, "moving") == wanted(after)
        assert node not in wanted(after)
    finally:
        await warmups.nodes.cordon(node, is_cordoned=False)


async def test_without_the_right_the_warmup_is_one_without_marks(warmups, publish):
    await publish("unmarked")
    result = await warmups.warmed("unmarked")
    assert (result["outcome"], result["nodes_marked"]) == ("warm", False)
    assert await marks(warmups, "unmarked") == {}
