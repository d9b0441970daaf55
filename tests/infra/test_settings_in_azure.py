"""The settings that a deployment gives the app: what code, host.json, Bicep, the example and the pages say agrees."""

import json
import re
from pathlib import Path

import pytest

from local.bicep import app_settings, checking
from local.bicep.parsing import literal, text
from local.bicep.sources import read_all, settings_of
from shared.settings import Settings, parse
from shared.version import VERSION

ROOT = Path(__file__).parents[2]
FILES = checking.files()
SOURCES = read_all(FILES)
MAIN = SOURCES[app_settings.MAIN]
HOST = (ROOT / "host.json").read_text()
EXAMPLE = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
OWN = settings_of(MAIN, "ownSettings")
KNOWN = {f"SHARDWARM_{name.upper()}": EXAMPLE[f"SHARDWARM_{name.upper()}"] for name in Settings.model_fields}
PAGE = (ROOT / "docs/settings.md").read_text()
STAND_INS = {"dataStorage.outputs.name": "stdata1", "cluster.outputs.name": "aks-1"}


def referenced():
    """What the platform looks up by name: `%NAME%` in host.json and in bindings, connections, and the host's storage."""
    names = re.findall(r"%(\w+)%", HOST + (ROOT / "function_app.py").read_text())
    return {"AzureWebJobsStorage", *names, *re.findall(r'"connection(?:StringName)?": *"(\w+)"', HOST)}


def findings(changed=()):
    sources = read_all({**FILES, **dict(changed)})
    return [one.what for one in app_settings.findings(sources, KNOWN, referenced())]


def test_the_settings_of_a_deployment_have_no_errors():
    assert findings() == []
    assert "SHARDWARM_RECONCILE_SCHEDULE" in referenced()


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("main", "SHARDWARM_RECONCILE_SCHEDULE:", "SHARDWARM_AUTHOR:", "reads the setting SHARDWARM_RECONCILE_SCHEDULE"),
        ("main", "SHARDWARM_AUTH:", "SHARDWARM_AUTHOR:", "refuses the setting SHARDWARM_AUTHOR"),
        ("main", "SHARDWARM_AUTH: auth", "SHARDWARM_LIST_PAGE: '5000'", "SHARDWARM_LIST_PAGE repeats its default"),
        ("modules/functions", "AzureWebJobsStorage__", "AzureWebJobStorage__", "reads the setting AzureWebJobsStorage"),
    ],
)
def test_a_planted_error_is_found(file, old, new, told):
    file = f"infra/{file}.bicep"

    assert any(told in one for one in findings({file: FILES[file].replace(old, new)}))


def value(name):
    """The text of a setting, with parameters at their defaults and stand-ins for what only a deployment knows."""
    node = OWN[name]
    if node.type == "identifier" and text(node) in MAIN.parameters:
        return literal(MAIN.parameters[text(node)].default)
    return literal(node) if node.type == "string" else STAND_INS.get(text(node), "stand-in")


def test_the_app_accepts_what_a_deployment_with_all_defaults_gives_it():
    settings = parse({name: value(name) for name in OWN})

    assert settings.accounts == ("stdata1",)
    assert settings.clusters == ("aks-1",)
    assert settings.client_id
    assert settings.warmer_client_id


@pytest.mark.parametrize("name", ["auth", "callback_hosts", "callback_secret", "namespace", "reconcile_schedule"])
def test_a_parameter_that_only_passes_a_setting_on_has_the_apps_default(name):
    given = {f"SHARDWARM_{name.upper()}": value(f"SHARDWARM_{name.upper()}")}

    assert getattr(parse(given), name) == Settings.model_fields[name].default


def test_the_container_and_the_image_have_the_apps_defaults():
    assert literal(MAIN.parameters["containerName"].default) == Settings.model_fields["container"].default
    repository, _, tag = Settings.model_fields["warmer_image"].default.partition(":")
    assert text(MAIN.variables["warmerImage"].value) == f"'${{registry.outputs.loginServer}}/{repository}:${{warmerTag}}'"
    assert literal(MAIN.parameters["warmerTag"].default) == tag == VERSION


def test_a_deployment_sets_nothing_that_is_for_local_work():
    local = {f"SHARDWARM_{name.upper()}" for name, field in Settings.model_fields.items() if "local work" in field.description}

    assert local
    assert local.isdisjoint(app_settings.names(SOURCES))


def test_threads_are_counted_alike_everywhere():
    count = literal(OWN["PYTHON_THREADPOOL_THREAD_COUNT"])

    assert EXAMPLE["PYTHON_THREADPOOL_THREAD_COUNT"] == count
    assert f"| `PYTHON_THREADPOOL_THREAD_COUNT` | `{count}` |" in PAGE


def test_every_setting_of_the_platform_is_in_the_page():
    platform = [name for name in app_settings.names(SOURCES) if not name.startswith("SHARDWARM_")]

    assert [name for name in platform if f"`{name}`" not in PAGE] == []


def test_a_flex_consumption_app_gets_no_setting_that_its_plan_refuses():
    refused = {"FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE", "WEBSITE_CONTENTSHARE"}

    assert refused.isdisjoint(app_settings.names(SOURCES))


def test_the_scheduler_replaces_what_host_json_says_of_storage_and_keeps_the_hubs_name():
    scheduler = {name: literal(node) for name, node in settings_of(MAIN, "schedulerSettings").items()}
    prefix = "AzureFunctionsJobHost__extensions__durableTask__storageProvider__"
    durable = json.loads(HOST)["extensions"]["durableTask"]

    assert scheduler[f"{prefix}type"] == "azureManaged"
    assert scheduler[f"{prefix}connectionStringName"] in scheduler
    assert durable["storageProvider"].keys() == {"type"}
    assert literal(MAIN.variables["taskHubName"].value) == durable["hubName"]
