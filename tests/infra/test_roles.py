"""The table of roles: ids and names belong together, scopes are narrow, and pages, code and Kubernetes' roles agree with it."""

import json
import re
from pathlib import Path

import pytest
import yaml

from local.bicep import checking
from local.bicep.sources import read_all
from shared.kube import manifests

ROOT = Path(__file__).parents[2]
TABLE = json.loads((ROOT / "infra/roles.json").read_text())
SOURCES = read_all(checking.files())
RBAC = list(yaml.safe_load_all((ROOT / "infra/kubernetes/rbac.yaml").read_text()))
AZURE = {
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "Azure Kubernetes Service Cluster User Role": "4abbcc35-e782-43d8-92c5-2d3f1bd2253f",
    "Azure Kubernetes Service RBAC Cluster Admin": "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b",
    "Durable Task Data Contributor": "0ad04412-c4d5-4796-b79c-f76d14c8d402",
    "Managed Identity Operator": "f1a07417-d97a-45cb-824c-7a7467783830",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Network Contributor": "4d97b98b-1d4f-4787-a291-c67834d212e7",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
}
"""Built-in roles as Azure's reference lists them, written here a second time on purpose."""
SCOPES = {
    "hostStorage": "the host's storage account",
    "databases": "the container of the databases",
    "deadLetter": "the dead-letter container",
    "component": "the Application Insights component",
    "taskHub": "the scheduler's task hub",
    "nodesSubnet": "the nodes' subnet",
    "kubeletIdentity": "the kubelets' identity",
    "registry": "the registry",
    "cluster": "the cluster",
    "namespace": "the agents' namespace",
}
WHO = {
    "app": "app",
    "agent": "node agents",
    "events": "storage's topic",
    "cluster": "control plane",
    "kubelet": "kubelets",
    "deployer": "whoever deploys",
}
VERBS = {"get": "read", "list": "read", "create": "write", "update": "write", "patch": "write", "delete": "delete"}


def test_the_ids_of_built_in_roles_belong_to_their_names():
    assert {one["name"]: one["id"] for one in TABLE["builtIn"].values()} == AZURE


def test_every_scope_is_narrower_than_the_resource_group():
    assert {row["scope"] for row in TABLE["assignments"].values()} == SCOPES.keys()


def test_whoever_deploys_administers_the_cluster_and_the_app_its_own_host_storage():
    admins = {key for key, role in TABLE["builtIn"].items() if re.search(r"Admin|Owner", role["name"])}
    administering = {(row["who"], row["scope"]) for row in TABLE["assignments"].values() if row["role"] in admins}

    assert administering == {("deployer", "cluster"), ("app", "hostStorage")}


def test_the_agents_only_read_databases():
    assert [row["role"] for row in TABLE["assignments"].values() if row["who"] == "agent"] == ["blobDataReader"]


def test_the_table_in_the_page_has_every_assignment():
    page = (ROOT / "docs/operations.md").read_text()
    names = {**TABLE["builtIn"], **TABLE["custom"]}
    wanted = [
        f"| {WHO[row['who']]} | {names[row['role']]['name']} | {SCOPES[row['scope']]} | {row['why']} |"
        for row in TABLE["assignments"].values()
    ]

    assert re.findall(r"^\| who \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", page, re.MULTILINE)[0].splitlines() == wanted


# Kubernetes


def rules(kind, name):
    """What a role in rbac.yaml allows, in the words of Azure's data actions."""
    role = next(one for one in RBAC if one["kind"] == kind and one["metadata"]["name"] == name)
    return {
        f"Microsoft.ContainerService/managedClusters/{f'{group}/' if group else ''}{resource}/{VERBS[verb]}"
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize(
    ("role", "kind", "name"), [("nodeReader", "ClusterRole", "shardwarm-nodes"), ("agentManager", "Role", "shardwarm-app")]
)
def test_our_roles_in_azure_allow_exactly_what_rbac_yaml_allows(role, kind, name):
    assert set(TABLE["custom"][role]["dataActions"]) == rules(kind, name)


def test_the_service_account_and_the_namespace_are_those_of_kubernetes_and_of_the_code():
    accounts = [one["metadata"] for one in RBAC if one["kind"] == "ServiceAccount"]
    main = SOURCES["infra/main.bicep"]

    assert [(one["namespace"], one["name"]) for one in accounts] == [("shardwarm", "shardwarm-warmer")]
    assert "var serviceAccount = 'shardwarm-warmer'" in checking.files()["infra/main.bicep"]
    assert "param namespace string = 'shardwarm'" in checking.files()["infra/main.bicep"]
    spec = manifests.WarmerSpec(
        namespace="n", db="d", account="a", shard_count=1, digest="x", image="i", memory_request_bytes=1, client_id="c"
    )
    assert manifests.daemon_set(spec)["spec"]["template"]["spec"]["serviceAccountName"] == "shardwarm-warmer"
    assert main.modules["federation"]
