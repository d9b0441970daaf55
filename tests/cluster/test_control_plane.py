from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys

import pytest
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config

from local import ROOT
from local.cluster import Cluster
from local.cluster.api import Api, ApiError
from local.cluster.binaries import programs
from tests.cluster.spaces import eventually, is_ready, until

BUILD = ROOT / "local/cluster/build"
SHARDWARM = "/api/v1/namespaces/shardwarm"
DAEMON_SETS = "/apis/apps/v1/namespaces/shardwarm/daemonsets"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
RESOURCES = ("daemonsets", "daemonsets/status", "configmaps", "pods", "pods/exec", "pods/log", "secrets", "nodes", "namespaces")
RIGHTS = {
    "app": {
        "daemonsets": "get list create patch delete",
        "configmaps": "get list create update delete",
        "pods": "list",
        "nodes": "list",
    },
    "agents": {"pods": "patch"},
}
"""What `shared/kube/agents.py` and `warmer/cluster.py` do."""


def daemon_set(name, **container):
    labels = {"app": name}
    main = {"name": "main", "image": "machine:local", "command": ["sleep", "1000"], **container}
    tolerations = [{"key": "workload", "operator": "Equal", "value": "blast", "effect": "NoSchedule"}]
    spec = {
        "nodeSelector": {"workload": "blast"},
        "tolerations": tolerations,
        "terminationGracePeriodSeconds": 1,
        "containers": [main],
    }
    template = {"metadata": {"labels": labels}, "spec": spec}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template}}


async def processes_under(folder):
    """Ids of processes that have this folder in their command line."""
    search = await asyncio.create_subprocess_exec("pgrep", "-f", f"={folder}", stdout=asyncio.subprocess.PIPE)
    found, _ = await search.communicate()
    return found.decode().split()


async def pods_of(api, name):
    listed = await api.get(f"{SHARDWARM}/pods", labelSelector=f"app={name}")
    return {pod["spec"]["nodeName"]: pod for pod in listed["items"] if "nodeName" in pod["spec"]}


@pytest.fixture
async def rolled_out(app):
    """Applies a DaemonSet as the app and waits until so many pods are ready; deletes it at the end."""
    names = []

    async def roll_out(name, count):
        names.append(name)
        await app.create(DAEMON_SETS, daemon_set(name))
        return await until(app, f"{DAEMON_SETS}/{name}", lambda item: item["status"].get("numberReady") == count)

    yield roll_out
    for name in names:
        await app.delete(f"{DAEMON_SETS}/{name}")
        await until(app, f"{SHARDWARM}/pods?labelSelector=app%3D{name}", lambda listed: not listed["items"])


@pytest.fixture
async def all_cordoned(cluster):
    """All nodes of the workload pool, cordoned until the test's end."""
    names = cluster.nodes.names
    for name in names:
        await cluster.nodes.cordon(name)
    yield names
    for name in names:
        await cluster.nodes.cordon(name, is_cordoned=False)


def conditions(pod):
    return pod["status"].get("conditions", [])


async def test_nodes_look_as_those_of_aks(cluster, app):
    nodes = {item["metadata"]["name"]: item for item in (await app.get("/api/v1/nodes"))["items"]}
    workload = [nodes[name] for name in cluster.nodes.names[:3]]

    labels = workload[0]["metadata"]["labels"]
    assert (
        labels.items()
        >= {
            "agentpool": "blastpool",
            "workload": "blast",
            "kubernetes.azure.com/mode": "user",
            "node.kubernetes.io/instance-type": "Standard_E16s_v5",
            "topology.kubernetes.io/zone": "koreacentral-1",
        }.items()
    )
    assert workload[0]["spec"]["taints"] == [{"key": "workload", "value": "blast", "effect": "NoSchedule"}]
    assert 120 * 2**20 < int(workload[0]["status"]["capacity"]["memory"].removesuffix("Ki")) < 128 * 2**20
    [system] = [item for item in nodes.values() if item["metadata"]["labels"]["agentpool"] == "systempool"]
    assert system["spec"]["taints"] == [{"key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule"}]


async def test_daemon_set_of_the_app_runs_on_every_node_of_the_workload_pool_and_nowhere_else(cluster, app, rolled_out):
    status = (await rolled_out("everywhere", 3))["status"]

    assert status["desiredNumberScheduled"] == 3
    assert sorted(await pods_of(app, "everywhere")) == cluster.nodes.names


async def test_changed_daemon_set_rolls_over_all_nodes(app, rolled_out):
    await rolled_out("rolls", 3)

    change = {"spec": {"template": {"metadata": {"annotations": {"generation": "2"}}}}}
    await app.patch(f"{DAEMON_SETS}/rolls", change)

    await until(
        app,
        f"{DAEMON_SETS}/rolls",
        lambda item: (
            (status := item["status"])["observedGeneration"] == 2
            and status.get("updatedNumberScheduled") == status.get("numberReady") == 3
        ),
    )


async def test_lost_node_is_not_ready_and_comes_back_with_its_pods(cluster, app, admin, rolled_out):
    name = cluster.nodes.names[0]
    await rolled_out("survives", 3)
    [process] = cluster.nodes.processes((await pods_of(app, "survives"))[name]["metadata"]["name"])

    await cluster.nodes.lose(name)

    with pytest.raises(ProcessLookupError):
        os.killpg(process, 0)
    await until(app, f"{DAEMON_SETS}/survives", lambda item: item["status"]["numberReady"] == 2)
    taints = (await admin.get(f"/api/v1/nodes/{name}"))["spec"]["taints"]
    assert "node.kubernetes.io/unreachable" in {taint["key"] for taint in taints}
    await cluster.nodes.recover(name)
    await until(app, f"{DAEMON_SETS}/survives", lambda item: item["status"]["numberReady"] == 3)
    assert (await pods_of(app, "survives"))[name]["status"]["containerStatuses"][0]["restartCount"] == 1


async def test_replaced_node_has_a_new_name_an_empty_disk_and_gets_a_pod(cluster, app, admin, rolled_out):
    old = cluster.nodes.names[-1]
    await rolled_out("follows", 3)
    (cluster.nodes.folder(old) / "workspace").mkdir(exist_ok=True)

    new = await cluster.nodes.replace(old)

    await until(app, f"{DAEMON_SETS}/follows", lambda item: item["status"].get("numberReady") == 3)
    assert new != old
    assert sorted(await pods_of(app, "follows")) == cluster.nodes.names
    assert not (cluster.nodes.folder(new) / "workspace").exists()
    with pytest.raises(ApiError, match="404"):
        await admin.get(f"/api/v1/nodes/{old}")


async def test_cordoned_node_takes_no_ordinary_pods_until_it_is_uncordoned(cluster, space, all_cordoned):
    names = (f"waits-{number}" for number in range(100))

    async def waits_in_vain() -> bool:
        # The scheduler hears of a cordoned node a moment later; pods until then still find a place.
        await space.run(name := next(names), "exec sleep 1000")
        pod = await space.until(name, conditions)
        waiting.append(name)
        return any(item.get("reason") == "Unschedulable" for item in conditions(pod))

    waiting: list[str] = []
    await eventually(waits_in_vain)

    await cluster.nodes.cordon(all_cordoned[0], is_cordoned=False)

    pod = await space.until(waiting[-1], is_ready)
    assert pod["spec"]["nodeName"] == all_cordoned[0]


@pytest.mark.parametrize("who", RIGHTS)
async def test_roles_that_ship_grant_what_is_used_and_nothing_else(admin, who):
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    [app] = (await admin.get(f"{bindings}/shardwarm-nodes"))["subjects"]
    user = app["name"] if who == "app" else "system:serviceaccount:shardwarm:shardwarm-warmer"

    async def may(verb, resource):
        kind, _, part = resource.partition("/")
        place = {} if kind in {"nodes", "namespaces"} else {"namespace": "shardwarm"}
        group = {"group": "apps"} if kind == "daemonsets" else {}
        asked = {"verb": verb, "resource": kind, "subresource": part, **place, **group}
        spec = {"user": user, "groups": ["system:authenticated"], "resourceAttributes": asked}
        reply = await admin.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", {"spec": spec})
        return reply["status"]["allowed"]

    granted = {resource: {verb for verb in VERBS if await may(verb, resource)} for resource in RESOURCES}

    assert granted == {resource: set(RIGHTS[who].get(resource, "").split()) for resource in RESOURCES}


async def test_app_may_do_nothing_elsewhere_but_see_which_pods_take_a_nodes_memory(app):
    await app.get("/api/v1/pods")
    for path in ("/api/v1/secrets", "/api/v1/namespaces/kube-system/configmaps", "/apis/apps/v1/namespaces/default/daemonsets"):
        with pytest.raises(ApiError, match="403"):
            await app.get(path)


async def test_python_client_works_with_the_apps_kubeconfig(cluster):
    def names():
        with kubernetes_config.new_client_from_config(str(cluster.app_kubeconfig)) as api:
            return sorted(node.metadata.name for node in kubernetes_client.CoreV1Api(api).list_node().items)

    assert set(cluster.nodes.names) <= set(await asyncio.to_thread(names))


async def test_api_server_restarts_and_pods_live_through_it(cluster, app, rolled_out):
    await rolled_out("outlives", 3)
    before = {name: pod["metadata"]["uid"] for name, pod in (await pods_of(app, "outlives")).items()}

    restart = asyncio.create_task(cluster.restart_api_server(after_seconds=0.5))
    await eventually(lambda: _refuses(app))
    await restart

    after = await pods_of(app, "outlives")
    assert {name: pod["metadata"]["uid"] for name, pod in after.items()} == before
    # The kubelet still hears of changes: a pod deleted now is ended and replaced.
    name = next(iter(after.values()))["metadata"]["name"]
    async with Api(cluster.admin) as admin:
        await admin.delete(f"{SHARDWARM}/pods/{name}")
    await until(
        app,
        f"{SHARDWARM}/pods?labelSelector=app%3Doutlives",
        lambda listed: name not in {pod["metadata"]["name"] for pod in listed["items"]} and len(listed["items"]) == 3,
    )


async def test_given_kubeconfig_is_used_and_nothing_is_started(cluster, tmp_path):
    async with Cluster(tmp_path, kubeconfig=cluster.kubeconfig) as given:
        assert given.is_given
        assert given.server == cluster.server
        assert {(pool["name"], pool["count"]) for pool in _pools(given)} >= {("systempool", 1)}
        async with Api(given.app) as api:
            assert (await api.get("/api/v1/nodes"))["items"]
            with pytest.raises(ApiError, match="403"):
                await api.get("/api/v1/secrets")
        with pytest.raises(RuntimeError, match="given"):
            _ = given.nodes
    assert not (tmp_path / "control-plane").exists()


async def test_second_cluster_beside_the_first_may_let_the_app_label_nodes_and_leaves_only_logs(cluster, tmp_path):
    root = tmp_path / "other"
    async with Cluster(root, nodes=1, system_nodes=0, may_label_nodes=True) as other, Api(other.app) as app:
        assert other.server != cluster.server
        await app.patch(f"/api/v1/nodes/{other.nodes.names[0]}", {"metadata": {"labels": {"a": "b"}}})

    assert not await processes_under(root)
    assert sorted(entry.name for entry in root.iterdir()) == ["app.kubeconfig", "arm", "kubeconfig", "logs"]


@pytest.mark.usefixtures("cluster")
async def test_command_says_where_the_cluster_is_and_ends_without_a_trace_when_asked(tmp_path):
    words = ["-m", "local.cluster", "--root", str(tmp_path), "--nodes", "1"]
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    addresses = tmp_path / "cluster.json"

    async def is_up():
        assert process.returncode is None
        return bool(await processes_under(tmp_path)) and addresses.exists()

    await eventually(is_up, 60)
    assert json.loads(addresses.read_text()).keys() >= {"kubeconfig", "app_kubeconfig", "arm_url", "arm_certificate", "pid"}

    process.terminate()
    said, _ = await process.communicate()

    assert b"The cluster is up" in said
    assert (process.returncode, addresses.exists()) == (0, False)
    assert not await processes_under(tmp_path)


@pytest.fixture
def few_programs(tmp_path):
    """Makes a PATH with these programs alone, for somebody who is not root."""

    def make(*names):
        for name in ("bash", "awk", "echo", "sed", "xargs", *names):
            (tmp_path / name).symlink_to(shutil.which(name))
        (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
        (tmp_path / "id").chmod(0o755)
        return str(tmp_path)

    return make


@pytest.mark.parametrize(
    ("there", "missing"), [((), "only where apt knows Debian 12"), (("apt-get",), "missing go rsync jq make")]
)
async def test_where_it_cannot_be_built_the_script_says_why_and_what_to_do(few_programs, tmp_path, there, missing):
    env = {"PATH": few_programs(*there), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = await asyncio.create_subprocess_exec(str(BUILD), "--check", env=env, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert process.returncode == 1
    assert missing in said.decode()
    assert "KUBECONFIG" in said.decode()


@pytest.mark.usefixtures("cluster")
async def test_build_script_has_nothing_to_do_once_it_is_built():
    process = await asyncio.create_subprocess_exec(str(BUILD), stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    assert (process.returncode, said) == (0, b"")
    assert {entry.name for entry in programs().iterdir()} == {
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
    }


def _pools(cluster):
    return [{"name": pool.name, "count": pool.count} for pool in cluster.managed_cluster.pools()]


async def _refuses(api):
    return not await api.is_ready()
