"""Nodes that cannot take an agent: the plan says so at once, and leaves them out if it may. Spot nodes are like any other."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from local.cluster.api import STRATEGIC_MERGE

OWN = {"key": "workload", "value": "blast", "effect": "NoSchedule"}
SPOT = {"key": "kubernetes.azure.com/scalesetpriority", "value": "spot", "effect": "NoSchedule"}
GPU = {"key": "sku", "value": "gpu", "effect": "NoSchedule"}


@asynccontextmanager
async def tainted(warmups, taint, *nodes):
    """Give nodes a taint as long as this lasts."""

    async def set_to(*taints):
        for node in nodes:
            await warmups.admin.patch(f"/api/v1/nodes/{node}", {"spec": {"taints": [OWN, *taints]}}, STRATEGIC_MERGE)

    await set_to(taint)
    try:
        yield
    finally:
        await set_to()


@pytest.fixture(scope="module")
async def sham(warmups):
    return await warmups.sham("unplaced")


async def test_tainted_node_fails_the_plan_at_once_and_is_named_with_the_taint(warmups, sham):
    node = warmups.nodes.names[1]
    async with tainted(warmups, GPU, node):
        error = await warmups.refused(sham)
    assert error["code"] == "NodesUnfit"
    assert node in error["message"]
    assert [(one["target"], one["message"]) for one in error["details"]] == [
        (node, "NodeTainted: has the taint sku=gpu:NoSchedule, which agents do not tolerate")
    ]
    assert (await warmups.written(sham)).is_nothing


async def test_pool_that_is_tainted_as_a_whole_fails_the_plan_whatever_was_asked_for(warmups, sham):
    async with tainted(warmups, GPU, *warmups.nodes.names):
        error = await warmups.refused(sham, require_all_nodes=False)
    assert error["code"] == "NodesUnfit"
    assert "None of the 3 nodes" in error["message"]
    assert {one["target"] for one in error["details"]} == set(warmups.nodes.names)
    assert (await warmups.written(sham)).is_nothing


async def test_pool_without_a_node_is_told_from_one_whose_nodes_are_unfit(warmups, sham):
    names = warmups.nodes.names
    for name in names:
        await warmups.label(name, "workload", None)
    try:
        error = await warmups.refused(sham)
    finally:
        for name in names:
            await warmups.label(name, "workload", "blast")
    assert error["code"] == "NoReadyNodes"
    assert error["message"].startswith("No node has the label workload=blast.")


async def test_node_of_another_architecture_is_planned_around_if_not_all_are_required(warmups, publish):
    await publish("placed")
    node = warmups.nodes.names[2]
    await warmups.label(node, "kubernetes.io/arch", "arm64")
    try:
        result = await warmups.warmed("placed", require_all_nodes=False)
        status = await warmups.status("placed")
        assert (result["outcome"], status["status"]) == ("warm", "Ready")
        assert node not in status["nodes"]
        # No pod of an image for other processors is started there to crash.
        assert node not in await warmups.pods("placed")
    finally:
        await warmups.label(node, "kubernetes.io/arch", "amd64")


async def test_spot_nodes_take_agents(warmups, publish):
    await publish("spotted")
    async with tainted(warmups, SPOT, *warmups.nodes.names):
        result = await warmups.warmed("spotted")
        assert (result["outcome"], result["nodes"]) == ("warm", 3)
