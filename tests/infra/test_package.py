"""What is published as the app: .funcignore's rules, which are git's, applied to the tree."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pathspec import GitIgnoreSpec

ROOT = Path(__file__).parents[2]
AT_HOME = """
    .git/config .local/x .venv/bin/python benchmarks/x.py docs/x.md infra/main.bicep local/node_modules/x.js local/x.py
    local.settings.json new/x.py pyproject.toml shared/__pycache__/x.pyc tests/app/x.py warmer/agent.py
"""
RULES = GitIgnoreSpec.from_lines((ROOT / ".funcignore").read_text().splitlines())
FOLDERS = ("activities", "orchestrators", "shared")
FILES = {"function_app.py", "host.json", "requirements.txt"}
MOST_BYTES = 1_500_000


@pytest.fixture(scope="module")
def package():
    """The files that are published, by their paths."""
    top = [path for path in ROOT.iterdir() if not RULES.match_file(path.name + ("/" if path.is_dir() else ""))]
    files = [file for path in top for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    return sorted(name for name in (str(file.relative_to(ROOT)) for file in files) if not RULES.match_file(name))


def test_the_package_is_the_code_of_the_app_and_nothing_else(package):
    code = {str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}

    assert set(package) == FILES | code


@pytest.mark.parametrize("name", AT_HOME.split())
def test_what_the_app_does_not_need_stays_at_home(name):
    assert RULES.match_file(name)


def test_the_package_is_small(package):
    assert sum((ROOT / name).stat().st_size for name in package) < MOST_BYTES


def test_the_package_is_enough_to_load_the_app(package, tmp_path):
    for name in package:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    load = "import function_app, shared; assert function_app.app.get_functions(); print(shared.__file__)"

    loaded = subprocess.run([sys.executable, "-c", load], cwd=tmp_path, env={}, capture_output=True, text=True, check=False)

    assert loaded.returncode == 0, loaded.stderr
    assert Path(loaded.stdout.strip()).parent == tmp_path / "shared"
