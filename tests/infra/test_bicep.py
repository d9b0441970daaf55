"""What the checks of Bicep find: nothing in our files, and each kind of planted error in a changed copy of them."""

import re

import pytest

from local.bicep import checking
from local.bicep.sources import read_all

FILES = checking.files()
SOURCES = read_all(FILES)
GROUND = checking.ground()
MAIN = "infra/main.bicep"
MODULES = "infra/modules/"


def findings(changed=()):
    return [str(one) for one in checking.check({**FILES, **dict(changed)}, GROUND)]


def test_our_files_have_no_errors():
    assert findings() == []


def test_the_checks_read_every_file_and_every_kind_of_declaration():
    assert {MAIN, "infra/events.bicep"} < FILES.keys()
    for kind in ("parameters", "variables", "outputs", "resources", "modules"):
        assert sum(len(getattr(source, kind)) for source in SOURCES.values()) > 5, kind


PLANTED = {
    "a misspelt property": ("cluster", "vmSize: blastVmSize", "vmSizee: blastVmSize", "has no property vmSizee"),
    "a misspelt property deep down": ("cluster", "maxSurge: '1'", "maxSurges: '1'", "has no property maxSurges"),
    "a misspelt property in a variable": ("network", "delegations:", "delegation:", "has no property delegation"),
    "a misspelt property in a nested resource": ("functions", "allow: false", "allowed: false", "has no property allowed"),
    "a misspelt property in a chosen form": ("../events", "maxEventsPerBatch", "maxEvents", "has no property maxEvents"),
    "a read-only property": ("cluster", "dnsPrefix: name", "dnsPrefix: name\n    fqdn: name", "fqdn is read-only"),
    "a required property that is missing": ("registry", "sku: {\n    name: skuName\n  }", "", "lacks sku"),
    "a word that Microsoft does not know": ("cluster", "'overlay'", "'overlaid'", "not 'overlaid'"),
    "a text for a truth value": ("storage-data", "allowSharedKeyAccess: false", "allowSharedKeyAccess: 'no'", "takes bool"),
    "a number for a text": ("cluster", "maxSurge: '1'", "maxSurge: 1", "takes string"),
    "a parameter of another kind": ("cluster", "vmSize: systemVmSize", "vmSize: blastNodesMax", "and blastNodesMax is int"),
    "another API version": ("registry", "registries@2025-04-01", "registries@2019-05-01", "infra/types has 2025-04-01"),
    "an unknown resource type": ("registry", "/registries@", "/registry@", "infra/types lacks"),
    "an undeclared name": ("registry", "location: location", "location: region", "region is not declared"),
    "an undeclared name in a text": ("federation", "${namespace}", "${space}", "space is not declared"),
    "an undeclared nested resource": ("network", "network::nodes.id", "network::node.id", "network::node is not declared"),
    "a name from outside its loop": ("network", "output name string = network.name", "output name string = service", "service"),
    "a function that does not exist": ("network", "cidrSubnet(", "cidrSubnets(", "no function is named cidrSubnets"),
    "an unused parameter": ("registry", "targetScope", "param more string\ntargetScope", "more is not used"),
    "an unused variable": ("registry", "targetScope", "var more = 1\ntargetScope", "more is not used"),
    "an unused existing resource": ("roles", "scope: registry\n", "scope: component\n", "scope of kubeletImages"),
    "a missing module parameter": ("../main", "    tier: clusterTier\n", "", "lacks the parameter tier"),
    "an unknown module parameter": ("../main", "tier: clusterTier", "tiers: clusterTier", "has no parameter tiers"),
    "a module parameter of another kind": ("../main", "tier: clusterTier", "tier: clusterZones", "clusterZones is array"),
    "a secret for a parameter that is none": ("functions", "@secure()\n", "", "callbackSecret is secure, and appSettings"),
    "an unknown output": ("../main", "cluster.outputs.issuerUrl", "cluster.outputs.issuer", "has no output issuer"),
    "an unused output": ("registry", "targetScope", "output more string = name\ntargetScope", "nothing uses the output more"),
    "a default in a module": ("registry", "param skuName string", "param skuName string = 'Basic'", "has a default"),
    "a module that is not there": ("../main", "modules/registry.bicep", "modules/registries.bicep", "there is no file"),
    "a module's property that is none": ("../main", "  name: 'events'\n", "  nam: 'events'\n", "has no nam"),
    "an assignment that is not in the table": ("roles", "resource agentDatabases", "resource agentMore", "no assignment agent"),
    "an assignment that is missing": ("roles", "resource agentDatabases", "resource agentMore", "nobody assigns agentDatabases"),
    "another role": ("roles", "roles.builtIn.blobDataReader", "roles.builtIn.blobDataOwner", "name of agentDatabases"),
    "an unknown role": ("roles", "roles.builtIn.acrPull.id)\n", "roles.builtIn.acrPush.id)\n", "guid(reg"),
    "a wider scope": ("roles", "scope: databases", "scope: dataStorage", "scope of appDatabases is dataStorage"),
    "another principal": ("roles", "principalId: agentPrincipalId", "principalId: appPrincipalId", "principalId of agent"),
    "an assignment without its principal's kind": ("roles", "    principalType: 'ServicePrincipal'\n", "", "lacks principalType"),
    "a role of our own with more": (
        "cluster-roles",
        "dataActions:",
        "actions: []\n        dataActions:",
        "more than dataActions",
    ),
    "a key": ("monitoring", "= component.name", "= component.listKeys().key", "a key may not enter a deployment"),
    "text that is not Bicep": ("registry", "sku: {", "sku: = {", "not Bicep"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_error_is_found(what):
    name, old, new, told = PLANTED[what]
    file = re.sub(r"modules/\.\./", "", f"{MODULES}{name}.bicep")
    assert old in FILES[file]
    changed = {file: FILES[file].replace(old, new, 1)}

    found = findings(changed)

    assert any(told in one for one in found), found


@pytest.mark.parametrize("row", ["agentDatabases", "appNodes"])
def test_a_row_of_the_table_without_an_assignment_is_found(row):
    rows = {f"{row}Twice" if name == row else name: value for name, value in GROUND.roles["assignments"].items()}
    by = GROUND._replace(roles={**GROUND.roles, "assignments": rows})

    assert any(f"nobody assigns {row}Twice" in str(one) for one in checking.check(FILES, by))


def test_every_parameter_and_output_says_what_it_is():
    for source in SOURCES.values():
        for one in (*source.parameters.values(), *source.outputs.values()):
            assert "description" in one.decorators, (source.file, one.name)


def test_no_module_is_longer_than_one_can_hold_in_the_head():
    assert [file for file, text in FILES.items() if file != MAIN and len(text.splitlines()) > 330] == []
