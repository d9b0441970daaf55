from __future__ import annotations

import asyncio
import json
import ssl

import aiohttp
import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.containerservice import ContainerServiceClient
from azure.mgmt.containerservice.aio import ContainerServiceClient as AsyncContainerServiceClient

from local.cluster.access import AKS_SERVER_APPLICATION, Access
from local.cluster.arm import Arm
from local.cluster.arm_documents import ManagedCluster, Pool
from local.credentials import AsyncStaticCredential, StaticCredential

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
POOLS = [Pool("blastpool", 3, "Standard_E16s_v5"), Pool("systempool", 1, "Standard_D2s_v3", is_system=True)]


def kubeconfig():
    return Access("https://127.0.0.1:6443", b"PEM").entra_kubeconfig("rg", "aks1", "tenant")


@pytest.fixture
async def arm(tmp_path):
    cluster = ManagedCluster(SUBSCRIPTION, "rg", "aks1", lambda: POOLS, kubeconfig)
    other = ManagedCluster(SUBSCRIPTION, "elsewhere", "aks2", lambda: POOLS, kubeconfig, power_state="Stopped")
    async with Arm(tmp_path, [cluster, other]) as arm:
        yield arm


@pytest.fixture
async def client(arm):
    credential = AsyncStaticCredential("token")
    async with AsyncContainerServiceClient(
        credential, SUBSCRIPTION, base_url=arm.url, connection_verify=str(arm.certificate), retry_total=0
    ) as client:
        yield client


async def test_cluster_is_found_with_its_power_state_and_pools(client):
    found = await client.managed_clusters.get("RG", "aks1")

    assert (found.name, found.location, found.power_state.code) == ("aks1", "koreacentral", "Running")
    assert [(pool.name, pool.count, pool.vm_size, pool.mode) for pool in found.agent_pool_profiles] == [
        ("blastpool", 3, "Standard_E16s_v5", "User"),
        ("systempool", 1, "Standard_D2s_v3", "System"),
    ]


async def test_synchronous_sdk_works_too(arm):
    def names():
        credential = StaticCredential("token")
        with ContainerServiceClient(credential, SUBSCRIPTION, base_url=arm.url, connection_verify=str(arm.certificate)) as client:
            return [cluster.name for cluster in client.managed_clusters.list()]

    assert await asyncio.to_thread(names) == ["aks1", "aks2"]


async def test_clusters_are_listed_by_subscription_and_by_group(client):
    assert [cluster.name async for cluster in client.managed_clusters.list()] == ["aks1", "aks2"]
    assert [cluster.name async for cluster in client.managed_clusters.list_by_resource_group("elsewhere")] == ["aks2"]


async def test_pools_are_listed_and_found(client):
    assert [pool.name async for pool in client.agent_pools.list("rg", "aks1")] == ["blastpool", "systempool"]
    pool = await client.agent_pools.get("rg", "aks1", "blastpool")
    assert (pool.vm_size, pool.node_taints, pool.node_labels) == (
        "Standard_E16s_v5",
        ["workload=blast:NoSchedule"],
        {"workload": "blast"},
    )


async def test_users_kubeconfig_holds_no_secret_and_asks_for_kubelogin(client):
    found = await client.managed_clusters.list_cluster_user_credentials("rg", "aks1")

    [only] = found.kubeconfigs
    config = json.loads(bytes(only.value))
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"
    [user] = config["users"]
    assert user["user"].keys() == {"exec"}
    assert AKS_SERVER_APPLICATION in user["user"]["exec"]["args"]


async def test_stopped_cluster_starts_by_a_long_running_operation(client):
    poller = await client.managed_clusters.begin_start("elsewhere", "aks2", polling_interval=0)
    assert (await client.managed_clusters.get("elsewhere", "aks2")).provisioning_state == "Starting"

    await poller.result()

    found = await client.managed_clusters.get("elsewhere", "aks2")
    assert (found.power_state.code, found.provisioning_state) == ("Running", "Succeeded")


@pytest.mark.parametrize(("group", "name", "code"), [("rg", "none", "ResourceNotFound"), ("none", "aks1", "ResourceNotFound")])
async def test_unknown_cluster_is_reported_as_arm_does(client, group, name, code):
    with pytest.raises(ResourceNotFoundError) as caught:
        await client.managed_clusters.get(group, name)

    assert caught.value.error.code == code


async def test_unknown_group_and_subscription_have_their_own_codes(arm, client):
    with pytest.raises(ResourceNotFoundError) as caught:
        [cluster async for cluster in client.managed_clusters.list_by_resource_group("none")]
    assert caught.value.error.code == "ResourceGroupNotFound"
    async with AsyncContainerServiceClient(
        AsyncStaticCredential("t"), "none", base_url=arm.url, connection_verify=str(arm.certificate)
    ) as stranger:
        with pytest.raises(HttpResponseError) as caught:
            [cluster async for cluster in stranger.managed_clusters.list()]
    assert caught.value.error.code == "SubscriptionNotFound"


async def test_stand_in_fails_when_told(arm, client):
    arm.fail(403, "AuthorizationFailed")

    with pytest.raises(HttpResponseError) as caught:
        await client.managed_clusters.get("rg", "aks1")

    assert (caught.value.status_code, caught.value.error.code) == (403, "AuthorizationFailed")
    assert (await client.managed_clusters.get("rg", "aks1")).name == "aks1"


@pytest.mark.parametrize(
    ("headers", "query", "status", "code"),
    [
        ({}, {"api-version": "2026-08-01"}, 401, "AuthenticationFailed"),
        ({"Authorization": "Bearer t"}, {}, 400, "MissingApiVersionParameter"),
    ],
)
async def test_token_and_api_version_are_required(arm, headers, query, status, code):
    trusted = ssl.create_default_context(cafile=arm.certificate)
    url = f"{arm.url}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/managedClusters"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, params=query, ssl=trusted) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (status, code)


async def test_certificate_of_another_run_is_refused(arm, tmp_path):
    async with Arm(tmp_path / "other", []) as other:
        client = AsyncContainerServiceClient(
            AsyncStaticCredential("t"), SUBSCRIPTION, base_url=arm.url, connection_verify=str(other.certificate), retry_total=0
        )
        async with client:
            with pytest.raises(Exception, match="certificate verify failed"):
                await client.managed_clusters.get("rg", "aks1")


async def test_credential_notes_what_it_was_asked_for():
    credential = StaticCredential("token", lifetime_seconds=5000)

    assert credential.get_token("a/.default").token == "token"
    assert credential.get_token_info("b/.default").expires_on == pytest.approx(credential.get_token("c").expires_on, abs=60)
    assert credential.requests == [("a/.default",), ("b/.default",), ("c",)]


async def test_chain_from_arm_to_the_api_server_holds(cluster):
    async with AsyncContainerServiceClient(
        AsyncStaticCredential(cluster.app_token),
        cluster.subscription_id,
        base_url=cluster.arm_url,
        connection_verify=str(cluster.arm_certificate),
    ) as client:
        pools = [pool async for pool in client.agent_pools.list(cluster.resource_group, cluster.cluster_name)]
        handed = await client.managed_clusters.list_cluster_user_credentials(cluster.resource_group, cluster.cluster_name)

    assert ("blastpool", len(cluster.nodes.names)) in [(pool.name, pool.count) for pool in pools]
    config = json.loads(bytes(handed.kubeconfigs[0].value))
    assert config["clusters"][0]["cluster"]["server"] == cluster.server
