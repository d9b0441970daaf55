"""What the files around the code promise: the host's settings, the version, the layers, modules one can hold in the head."""

import ast
import configparser
import json
import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest

from shared.version import VERSION

ROOT = Path(__file__).parents[2]
PRODUCT = ("orchestrators", "activities", "shared")
MODULES = [ROOT / "function_app.py", *sorted(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))]


@pytest.fixture(scope="module")
def host():
    return json.loads((ROOT / "host.json").read_text())


@pytest.fixture(scope="module")
def layers():
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return parser


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


# host.json


def test_the_extension_bundle_speaks_grpc_and_is_of_the_fourth_generation(host):
    lowest, highest = re.fullmatch(r"\[(\d+\.\d+\.\d+), ?(\d+\.\d+\.\d+)\)", host["extensionBundle"]["version"]).groups()

    assert host["extensionBundle"]["id"] == "Microsoft.Azure.Functions.ExtensionBundle"
    assert tuple(map(int, lowest.split("."))) >= (4, 33, 0)
    assert tuple(map(int, highest.split("."))) <= (5, 0, 0)


def test_the_task_hub_and_its_version_are_named(host):
    durable = host["extensions"]["durableTask"]

    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,44}", durable["hubName"])
    assert re.fullmatch(r"\d+\.\d+", durable["defaultVersion"])
    assert durable["versionMatchStrategy"] == "CurrentOrOlder"


@pytest.mark.parametrize("kind", ["Orchestrator", "Activity", "Entity"])
def test_concurrency_is_explicit(host, kind):
    assert host["extensions"]["durableTask"][f"maxConcurrent{kind}Functions"] >= 8


def test_a_run_of_an_id_that_is_under_way_is_never_replaced(host):
    assert host["extensions"]["durableTask"]["overridableExistingInstanceStates"] == "NonRunningStates"


def test_the_routes_begin_with_api_and_a_function_ends_within_ten_minutes(host):
    assert host["version"] == "2.0"
    assert host["extensions"]["http"]["routePrefix"] == "api"
    assert host["functionTimeout"] == "00:10:00"


# The version


def test_the_version_is_written_alike_in_both_places():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


# Sizes


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_can_be_held_in_the_head(path):
    assert len(path.read_text().splitlines()) <= 250


# Names


def test_no_two_public_classes_share_a_name():
    places = defaultdict(list)
    for path in sorted(path for folder in (*PRODUCT, "warmer") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(ROOT)))

    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


# Layers


def test_every_package_of_the_product_is_under_the_layers_eye(layers):
    assert set(PRODUCT) <= set(lines(layers["importlinter"]["root_packages"]))


def test_the_contracts_of_the_architecture_exist(layers):
    contracts = {name.removeprefix("importlinter:contract:") for name in layers.sections() if ":contract:" in name}

    assert contracts >= {"pure", "orchestrators", "activities", "http", "layers"}


def test_what_is_pure_and_what_is_replayed_reach_no_clock_no_chance_and_no_sdk(layers):
    for contract, sources in {"pure": {"shared.blastdb", "shared.runs"}, "orchestrators": {"orchestrators"}}.items():
        section = layers[f"importlinter:contract:{contract}"]
        assert section["type"] == "forbidden"
        assert set(lines(section["source_modules"])) >= sources
        assert set(lines(section["forbidden_modules"])) >= {"azure", "os", "time", "random", "uuid", "socket", "asyncio"}


def test_every_module_of_http_but_the_adapter_is_kept_from_the_platform(layers):
    modules = {f"shared.http.{path.stem}" for path in (ROOT / "shared/http").glob("*.py")}
    kept = set(lines(layers["importlinter:contract:http"]["source_modules"]))

    assert modules - {"shared.http.__init__", "shared.http.adapter"} == kept
