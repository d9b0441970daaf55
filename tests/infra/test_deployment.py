"""Promises of the deployment that no type tells: security, pools, the event subscription, azd's names and parameters."""

import json
import re
from ipaddress import ip_network
from pathlib import Path

import pytest
import yaml

from local.bicep import __main__ as types_of_azure
from local.bicep import checking
from local.bicep.parsing import literal, named, properties, text, walk
from local.bicep.sources import read_all
from shared.runs.upload import events
from shared.runs.warmup.clusters import WORKLOAD_LABEL
from shared.runs.warmup.placement import terms_of
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = checking.files()
SOURCES = read_all(FILES)
MAIN = SOURCES["infra/main.bicep"]
PARAMETERS = json.loads((ROOT / "infra/main.parameters.json").read_text())["parameters"]
TOLD = re.compile(r"^\| (`DEPLOY_.*?) \| (.*?) \|", re.MULTILINE)
"""A row of the page's table of variables: names, defaults."""


def resources(kind):
    found = [one for source in SOURCES.values() for one in source.resources.values() if one.type == kind and not one.is_existing]
    assert found
    return found


def body(kind):
    (one,) = resources(kind)
    return text(one.body)


def values(kind):
    """Every literal property in a resource's body, at any depth."""
    (one,) = resources(kind)
    objects = [node for node in walk(one.body) if node.type == "object"]
    return {(prop.key, text(prop.value)) for node in objects for prop in properties(node)}


# Security


@pytest.mark.parametrize("name", ["storage-host", "storage-data"])
def test_storage_takes_no_key_no_anonymous_reader_and_no_old_tls(name):
    account = SOURCES[f"infra/modules/{name}.bicep"].resources["account"]
    given = {one.key: text(one.value) for one in properties(named(account.body, "properties"))}

    assert given["allowSharedKeyAccess"] == given["allowBlobPublicAccess"] == "false"
    assert given["minimumTlsVersion"] == "'TLS1_2'"
    assert given["supportsHttpsTrafficOnly"] == "true"
    assert given["publicNetworkAccess"] == "privateEndpoints ? 'Disabled' : 'Enabled'"


def test_deleted_databases_can_be_restored_and_versions_are_not_kept():
    words = set(re.findall(r"\w+", FILES["infra/modules/storage-data.bicep"]))

    assert {"deleteRetentionPolicy", "containerDeleteRetentionPolicy"} <= words
    assert "isVersioningEnabled" not in words


def test_the_app_takes_https_only_and_nobody_deploys_with_a_password():
    assert {("httpsOnly", "true"), ("minTlsVersion", "'1.2'"), ("ftpsState", "'Disabled'")} <= values("Microsoft.Web/sites")
    policies = resources("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {literal(named(one.body, "name")) for one in policies if "allow: false" in text(one.body)} == {"ftp", "scm"}


def test_nobody_signs_in_to_cluster_registry_and_telemetry_but_by_entra():
    assert {("disableLocalAccounts", "true"), ("enableAzureRBAC", "true")} <= values("Microsoft.ContainerService/managedClusters")
    assert {("adminUserEnabled", "false"), ("anonymousPullEnabled", "false")} <= values("Microsoft.ContainerRegistry/registries")
    assert ("DisableLocalAuth", "true") in values("Microsoft.Insights/components")


def test_the_app_runs_on_the_python_of_the_project():
    version = re.search(r">=(3\.\d+)", (ROOT / "pyproject.toml").read_text())[1]

    assert {("name", "'python'"), ("version", f"'{version}'")} <= values("Microsoft.Web/sites")


# Network


def test_the_subnets_do_not_overlap_and_pods_and_services_lie_outside():
    network = ip_network(literal(MAIN.parameters["networkPrefix"].default))
    cuts = re.findall(r"cidrSubnet\(addressPrefix, (\d+), (\d+)\)", FILES["infra/modules/network.bicep"])
    subnets = [list(network.subnets(new_prefix=int(size)))[int(index)] for size, index in cuts]
    others = [ip_network(one) for one in re.findall(r"Cidr: '([\d./]+)'", FILES["infra/modules/cluster.bicep"])]

    assert len(subnets) == 3
    everything = [*subnets, *others]
    assert not [(a, b) for n, a in enumerate(everything) for b in everything[n + 1 :] if a.overlaps(b)]


# Pools


def test_the_pool_has_the_label_by_which_the_app_finds_it_and_taints_that_agents_tolerate():
    label, value = WORKLOAD_LABEL
    cluster = SOURCES["infra/modules/cluster.bicep"]
    taints = {literal(cluster.variables[name].value) for name in ("workloadTaint", "spotTaint")}
    tolerated = {
        f"{one.key}={one.value}:{one.effect}" for one in terms_of(Settings.model_fields["warmer_tolerations"].default).tolerations
    }

    assert (label, f"'{value}'") in values("Microsoft.ContainerService/managedClusters/agentPools")
    assert taints == tolerated


def test_the_system_pool_takes_only_the_systems_pods():
    assert "nodeTaints: ['CriticalAddonsOnly=true:NoSchedule']" in body("Microsoft.ContainerService/managedClusters")


# Events


def test_the_subscription_delivers_what_the_app_counts():
    given = FILES["infra/events.bicep"]
    types = re.search(r"includedEventTypes: \[(.*)\]", given)[1]
    dropped = re.search(r"operatorType: 'StringNotIn'\s+key: 'data.api'\s+values: \[(.*)\]", given)[1]

    assert set(re.findall(r"'([^']+)'", types)) == set(events._CHANGES)
    assert set(re.findall(r"'([^']+)'", dropped)) == events._INCOMPLETE
    assert literal(SOURCES["infra/events.bicep"].parameters["functionName"].default) in (ROOT / "function_app.py").read_text()


def test_the_subscription_names_the_function_and_not_the_app():
    assert "resourceId: app::taker.id" in FILES["infra/events.bicep"]
    assert "subjectBeginsWith: '/blobServices/default/containers/${containerName}/blobs/'" in FILES["infra/events.bicep"]


@pytest.mark.parametrize("name", ["containerName", "hierarchicalNamespace"])
def test_both_deployments_have_the_same_defaults(name):
    assert text(SOURCES["infra/events.bicep"].parameters[name].default) == text(MAIN.parameters[name].default)


def test_the_dead_letters_go_where_main_bicep_made_a_place():
    assert literal(SOURCES["infra/events.bicep"].parameters["deadLetterContainerName"].default) == "dead-letter"
    assert "deadLetterContainerName: 'dead-letter'" in FILES["infra/main.bicep"]


# azd


def test_azd_finds_the_app_by_its_tag_and_nothing_else_has_it():
    service, described = next(iter(yaml.safe_load((ROOT / "azure.yaml").read_text())["services"].items()))

    assert described == {"project": ".", "language": "python", "host": "function"}
    assert re.findall(r"'azd-service-name': '(\w+)'", "".join(FILES.values())) == [service]
    assert "tags: siteTags" in body("Microsoft.Web/sites")
    assert "var tags = { 'azd-env-name': environmentName }" in FILES["infra/main.bicep"]


def test_every_parameter_but_lists_and_objects_has_an_environment_variable_with_the_same_default():
    wanted = {name for name, one in MAIN.parameters.items() if one.type not in {"array", "object"}}

    assert PARAMETERS.keys() == wanted
    for name, given in PARAMETERS.items():
        variable, default = re.fullmatch(r"\$\{(\w+)=?(.*)\}", given["value"]).groups()
        written = MAIN.parameters[name].default
        if not variable.startswith("AZURE_"):
            assert variable == "DEPLOY" + re.sub(r"(?=[A-Z])", "_", name[0].upper() + name[1:]).upper()
            assert default == (literal(written) if written.type == "string" else text(written)), name


def test_the_page_tells_of_variables_that_there_are_with_their_defaults():
    page = (ROOT / "docs/operations.md").read_text()
    given = dict(re.findall(r"\$\{(DEPLOY_\w+)=(.*)\}", "\n".join(one["value"] for one in PARAMETERS.values())))
    rows = [(re.findall(r"`(.*?)`", names), re.findall(r"`(.*?)`", defaults)) for names, defaults in TOLD.findall(page)]
    told = {name: default for names, defaults in rows for name, default in zip(names, defaults, strict=True)}

    assert len(told) > 5
    assert {name: given.get(name) for name in told} == told
    assert set(re.findall(r"DEPLOY_[A-Z_]+[A-Z]", page)) <= given.keys()


def test_what_needs_roles_comes_after_them():
    assert text(named(MAIN.modules["cluster"].body, "dependsOn")) == "[roles]"
    assert text(named(MAIN.modules["functions"].body, "dependsOn")) == "[roles, clusterRoles]"


def test_every_abbreviation_is_used():
    abbreviations = json.loads((ROOT / "infra/abbreviations.json").read_text())

    assert set(re.findall(r"abbrs\.(\w+)", FILES["infra/main.bicep"])) == abbreviations.keys()


def test_names_of_storage_accounts_and_registries_fit():
    abbreviations = json.loads((ROOT / "infra/abbreviations.json").read_text())
    token = "0123456789abc"

    for kind in ("hostStorage", "dataStorage", "registry"):
        assert re.fullmatch(r"[a-z0-9]{5,24}", abbreviations[kind] + token), kind


def test_outputs_are_written_as_azd_writes_variables():
    assert [name for name in MAIN.outputs if not re.fullmatch(r"[A-Z][A-Z0-9_]+", name)] == []


# Types


def test_the_snapshot_is_of_the_package_that_renews_it_and_has_exactly_the_types_that_are_used():
    source = json.loads((checking.INFRA / "types/source.json").read_text())
    ground = checking.ground()

    assert (source["package"], source["version"]) == (types_of_azure.PACKAGE, types_of_azure.VERSION)
    assert sorted({*ground.types, *ground.absent}) == types_of_azure.used()
    assert ground.types.keys().isdisjoint(ground.absent)


def test_no_reference_leads_to_a_registry_of_modules():
    assert [one.file for source in SOURCES.values() for one in source.modules.values() if ":" in one.file] == []
