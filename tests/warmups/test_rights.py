"""The roles that ship are enough and no wider, and what is applied is what Kubernetes knows."""

import json
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from urllib.parse import urlencode

import pytest

from local.cluster.api import APPLY, ApiError
from local.cluster.api import Api as Kubernetes
from local.cluster.manifests import NAMESPACE
from shared.agent.assignment import AssignmentDocument
from shared.errors import Misconfigured
from shared.kube.agents import Agents
from shared.kube.manifests import WarmerSpec, config_map, daemon_set
from tests.warmups.scene import api_server, eventually

SPEC = WarmerSpec(
    namespace=NAMESPACE,
    db="Sample.DB_1",
    account="elbstg01",
    shard_count=10,
    digest="0123456789abcdef0123456789abcdef",
    image="registry.example/shardwarm-warmer:1",
    memory_request_bytes=30 * 2**30,
)
OBJECTS = {
    "with a workload identity": daemon_set(SPEC.model_copy(update={"client_id": "00000000-0000-0000-0000-000000000002"})),
    "with a SAS": daemon_set(SPEC.model_copy(update={"sas_secret": "storage-sas", "environment": {"SHARDWARM_PART_BYTES": "1"}})),
    "assignment": config_map(NAMESPACE, SPEC.db, "{}"),
}
CORE = f"/api/v1/namespaces/{NAMESPACE}"


@pytest.fixture
async def app(warmups):
    """The API server with the app's rights."""
    async with Kubernetes(warmups.cluster.app) as api:
        yield api


def path_of(item) -> str:
    root = f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets" if item["kind"] == "DaemonSet" else f"{CORE}/configmaps"
    return f"{root}/{item['metadata']['name']}"


@pytest.mark.parametrize("name", OBJECTS)
async def test_manifest_passes_todays_schema_without_a_warning(tmp_path, name):
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(OBJECTS[name]))
    program = Path(sys.executable).with_name("kubernetes-validate")
    process = await create_subprocess_exec(program, "-k", "1.33", "--strict", file, stdout=PIPE, stderr=STDOUT)
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b"WARN" not in output, output.decode()


@pytest.mark.parametrize("name", OBJECTS)
async def test_api_server_takes_the_manifest_from_the_app_in_a_dry_run(app, name):
    item, strictly = OBJECTS[name], {"dryRun": "All", "fieldValidation": "Strict"}
    if item["kind"] == "DaemonSet":
        reply = await app.patch(path_of(item), item, APPLY, fieldManager="shardwarm", **strictly)
    else:
        reply = await app.create(f"{CORE}/configmaps?{urlencode(strictly)}", item)
    assert reply["metadata"]["name"] == item["metadata"]["name"]


@pytest.mark.parametrize(
    "path",
    [
        f"{CORE}/secrets",
        f"{CORE}/secrets/storage-sas",
        "/api/v1/namespaces/kube-system/configmaps",
        "/apis/apps/v1/namespaces/default/daemonsets",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    ],
)
async def test_app_may_not_read_what_it_does_not_need(app, path):
    with pytest.raises(ApiError) as error:
        await app.get(path)
    assert error.value.status == 403


async def test_app_may_neither_change_nodes_nor_make_pods(warmups, app):
    node = f"/api/v1/nodes/{warmups.nodes.names[0]}"
    pod = {"metadata": {"name": "intruder"}, "spec": {"containers": [{"name": "main", "image": "x"}]}}
    for forbidden in (
        app.delete(node),
        app.patch(node, {"spec": {"unschedulable": True}}),
        app.create(f"{CORE}/pods", pod),
        app.create("/api/v1/namespaces", {"metadata": {"name": "another"}}),
    ):
        with pytest.raises(ApiError) as error:
            await forbidden
        assert error.value.status == 403


async def test_preflight_names_the_right_that_a_role_lacks_and_nothing_once_it_has_it(warmups):
    role = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/shardwarm-app"
    whole = (await warmups.admin.get(role))["rules"]
    less = [{**rule, "verbs": [verb for verb in rule["verbs"] if verb != "update"]} for rule in whole]

    async def said() -> list[str]:
        return [probe["message"] for probe in (await warmups.preflight())["probes"] if not probe["ok"]]

    async def is_named() -> bool:
        return await said() == ["Kubernetes in 'aks-local' does not let the app update configmaps."]

    async def is_in_order() -> bool:
        return await said() == []

    await eventually(is_in_order)
    await warmups.admin.patch(role, {"rules": less})
    try:
        await eventually(is_named)
    finally:
        await warmups.admin.patch(role, {"rules": whole})
    await eventually(is_in_order)


# The Kubernetes client's own.
@pytest.mark.filterwarnings("ignore:HTTPResponse.getheaders:DeprecationWarning")
async def test_namespace_that_is_not_there_is_named_with_what_makes_it(warmups):
    api = api_server(warmups.cluster.admin)
    document = AssignmentDocument(
        account="elbstg01",
        container_url="https://elbstg01.blob.example/blast-db",
        db="core_nt",
        molecule="nucl",
        source_version=None,
        digest="d" * 32,
        shard_count=1,
        mode="hot",
        nodes={"n0": (0,)},
    )
    try:
        with pytest.raises(Misconfigured, match=r'namespaces "nowhere" not found; apply infra/kubernetes/rbac.yaml'):
            await Agents(api, "nowhere").write_assignment(document)
        # Whatever else is not there is nothing to see.
        assert await Agents(api, "nowhere").read("core_nt") is None
    finally:
        api.close()
