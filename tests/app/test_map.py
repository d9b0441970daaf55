"""The map of the app: bindings only, every name that is called is bound, and loading it connects to nothing."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrators import entities, steps
from shared.runs import ids
from shared.runs.kinds import KINDS

ROOT = Path(__file__).parents[2]
MAP = ROOT / "function_app.py"
KEYS = {"activityTrigger": "activity", "orchestrationTrigger": "orchestration", "entityTrigger": "entityName"}


@pytest.fixture(scope="module")
def triggers():
    """Every trigger of the map, those that the SDK adds by itself left out. A copy of the map: it can be indexed once only."""
    spec = importlib.util.spec_from_file_location("a_copy_of_function_app", MAP)
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    functions = [one for one in copy.app.get_functions() if not one.get_function_name().startswith("BuiltIn__")]
    return [function.get_trigger() for function in functions]


@pytest.fixture(scope="module")
def bound(triggers):
    """The names that are bound, by the kind of their trigger."""
    names = {kind: set() for kind in KEYS}
    for trigger in triggers:
        if trigger.type in KEYS:
            names[trigger.type].add(trigger.get_dict_repr()[KEYS[trigger.type]])
    return names


def orchestrators():
    return sorted((ROOT / "orchestrators").glob("*.py"))


def takers(parameter):
    """The functions in orchestrators/ that are given something by this parameter, and at which place."""
    places = {}
    for path in orchestrators():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [item.arg for item in node.args.args if item.arg != "self"] if isinstance(node, ast.FunctionDef) else []
            if parameter in names:
                places[node.name] = names.index(parameter)
    return places


def given_to(calls, *paths):
    """What is given at those places of those calls: the strings, and the expressions that are none."""
    strings, others = set(), set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and called(node) in calls and len(node.args) > calls[called(node)]:
                argument = node.args[calls[called(node)]]
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    strings.add(argument.value)
                else:
                    others.add(ast.unparse(argument))
    return strings, others


def called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", None)


def test_the_map_has_no_logic():
    logic = (ast.If, ast.IfExp, ast.Try, ast.TryStar, ast.While, ast.For, ast.AsyncFor, ast.Match, ast.BoolOp, ast.Compare)
    logic += (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.With, ast.AsyncWith, ast.ClassDef)

    assert [ast.unparse(node) for node in ast.walk(ast.parse(MAP.read_text())) if isinstance(node, logic)] == []


def test_the_map_fits_on_a_few_pages():
    assert len(MAP.read_text().splitlines()) < 200


def test_every_function_of_the_map_hands_over_in_one_line():
    functions = [node for node in ast.parse(MAP.read_text()).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert functions
    for function in functions:
        docstring, hand_over = function.body
        assert isinstance(docstring.value, ast.Constant), function.name
        assert isinstance(hand_over, ast.Return), function.name


def test_every_activity_that_is_called_is_bound_and_every_one_bound_is_called(bound):
    activities, others = given_to(takers("activity"), *orchestrators())

    assert activities == bound["activityTrigger"]
    assert others == {"activity"}, "an activity's name is written where it is called, or handed down as 'activity'"


def test_every_activity_is_bound_by_its_functions_name_and_stands_in_one_module(bound):
    modules = [path for path in (ROOT / "activities").glob("*.py") if path.stem not in {"__init__", "binding"}]
    bodies = [
        node.name
        for path in modules
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.AsyncFunctionDef) and node.args.args[0].arg == "request" and not node.name.startswith("_")
    ]

    assert sorted(bodies) == sorted(bound["activityTrigger"])


def test_every_entity_that_is_called_is_bound(bound):
    strings, others = given_to({"ask": 1, "signal": 1, "EntityInstanceId": 0}, *orchestrators(), ROOT / "shared/azure/hub.py")

    assert strings == set()
    assert others == {"LEASE_ENTITY", "EXPIRY_ENTITY", "NOTIFIER_ENTITY", "UPLOAD_ENTITY", "entity"}
    assert bound["entityTrigger"] == {
        ids.LEASE_ENTITY,
        ids.EXPIRY_ENTITY,
        ids.NOTIFIER_ENTITY,
        ids.UPLOAD_ENTITY,
    }


def test_every_operation_that_an_entity_is_asked_for_is_one_of_its_own():
    asked, others = given_to(takers("operation"), *orchestrators())
    signalled, _ = given_to({"signal_entity": 1}, ROOT / "shared/azure/hub.py")

    own = {"set", "left", "expire", "unreleased", "forget", "rewarm", "start"} | set(entities._OF_AN_UPLOAD)
    # An operator, or a later release, may revive an upload.
    assert asked | signalled | {"revive"} == set(entities._OPERATIONS) | own
    assert others == {"operation"}


def test_every_orchestrator_that_is_started_is_bound(bound):
    started, _ = given_to({"Start": 1, "_start": 2}, *(ROOT / "shared/http").glob("*.py"))
    children, _ = given_to(takers("orchestrator"), *orchestrators())
    by_entities, _ = given_to({"schedule_new_orchestration": 0}, ROOT / "orchestrators/entities.py")

    assert by_entities <= bound["orchestrationTrigger"]
    assert started | by_entities == bound["orchestrationTrigger"]
    assert children <= started


def test_every_orchestration_but_the_posting_of_another_ones_end_is_a_kind_that_people_see(bound):
    assert bound["orchestrationTrigger"] - {"notify"} == KINDS


def test_every_event_that_is_raised_is_waited_for():
    raised, others = given_to({"raise_orchestration_event": 1}, ROOT / "shared/azure/hub.py")

    assert raised | {getattr(steps, other) for other in others} == {steps.CANCEL_EVENT}


def test_only_liveness_and_the_apis_description_are_open_to_everybody(triggers):
    routes = [trigger for trigger in triggers if trigger.type == "httpTrigger"]

    assert {route.route for route in routes if route.auth_level.name == "ANONYMOUS"} == {"health", "openapi.json"}


LOAD = """
import socket, sys

def refuse(event, arguments):
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}:
        attempts.append((event, arguments[1:]))
        raise AssertionError(f"{event} {arguments}")

class Refusing(socket.socket):
    def connect(self, address):
        attempts.append(("connect", address))
        raise AssertionError(f"connects to {address}")

attempts = []
sys.addaudithook(refuse)
socket.socket = Refusing
import function_app
assert function_app.app.get_functions()
print(attempts)
"""


@pytest.mark.parametrize(
    "environment", [{}, {"SHARDWARM_TYPO": "x", "SHARDWARM_LIST_PAGE": "x"}], ids=["empty", "wrong settings"]
)
def test_loading_the_app_connects_to_nothing_and_reads_no_setting(environment):
    command = [sys.executable, "-c", LOAD]

    loaded = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.strip() == "[]"


ASK = """
import asyncio, json
import azure.functions as func
import function_app

functions = {one.get_trigger().get_dict_repr().get("route"): one for one in function_app.app.get_functions()}

async def ask(path):
    reply = await functions[path].get_user_function()(func.HttpRequest("GET", f"http://app/api/{path}", body=b""))
    print(reply.status_code, *json.loads(reply.get_body()))

asyncio.run(ask("health"))
asyncio.run(ask("openapi.json"))
"""


def test_liveness_and_the_description_are_told_whatever_the_settings():
    command = [sys.executable, "-c", ASK]

    asked = subprocess.run(command, cwd=ROOT, env={"SHARDWARM_TYPO": "x"}, capture_output=True, text=True, check=False)

    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.splitlines() == ["200 status version", "200 openapi info servers paths components security"]
