"""Orchestrators see nothing that could differ between two replays: checked in their source."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "orchestrators"
MODULES = sorted(FOLDER.glob("*.py"))
ALLOWED = ("orchestrators", "shared.blastdb", "shared.errors", "shared.runs", "shared.sanitise", "durabletask", "pydantic")
STANDARD = {"collections.abc", "datetime", "logging", "re", "typing"}
"""Of the standard library: types, log lines, patterns. No clock, chance, environment, file or socket is among them."""
BANNED_CALLS = {"now", "utcnow", "today", "time", "monotonic", "perf_counter", "uuid1", "uuid4", "getenv", "open", "input"}


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            yield str(node.module)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_orchestrator_imports_nothing_that_reads_a_clock_or_the_world(path):
    found = set(imports(ast.parse(path.read_text())))
    assert {name for name in found if not is_allowed(name)} == set()


def is_allowed(name):
    return name in STANDARD or any(name == package or name.startswith(f"{package}.") for package in ALLOWED)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_orchestrator_asks_only_its_context_for_the_time(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    methods = [node.func for node in calls if isinstance(node.func, ast.Attribute)]
    names = [node.func for node in calls if isinstance(node.func, ast.Name)]
    assert [method.attr for method in methods if method.attr in BANNED_CALLS] == []
    # `now(ctx)` is ours, and takes the context.
    assert [name.id for name in names if name.id in BANNED_CALLS - {"now"}] == []
    assert all(ast.unparse(call.args[0]).endswith("ctx") for call in calls if ast.unparse(call.func) == "now")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_orchestrator_never_waits_or_iterates_over_a_set(path):
    tree = ast.parse(path.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor))]
    loops = [node.iter for node in ast.walk(tree) if isinstance(node, (ast.For, ast.comprehension))]
    assert not [loop for loop in loops if isinstance(loop, (ast.Set, ast.SetComp))]


def test_orchestrators_were_found():
    assert {"shard", "steps", "lease", "entities"} <= {path.stem for path in MODULES}
