"""Do the lock files still say what pyproject.toml and local/package.json ask for? Reads files only, so it is quick.

Every direct dependency is pinned exactly, so a lock is up to date when it holds the same pins. What the pins drag in is
pip's and npm's affair: both refuse to install from a lock whose hashes or versions do not fit.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from typing import TYPE_CHECKING

from local.azurite import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def pins(text: str) -> dict[str, str]:
    """Package to version, of a requirements file or of lines from pyproject.toml; names normalised as PyPI does."""
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in _PIN.findall(text)}


def differences(wanted: dict[str, str], locked: dict[str, str], lock: str) -> Iterable[str]:
    """One sentence for each pin that the lock lacks or has in another version."""
    for name, version in sorted(wanted.items()):
        if locked.get(name) != version:
            yield f"{lock} has {name} {locked.get(name, 'not at all')}, wanted is {version}"


def python_findings() -> Iterable[str]:
    """What is wrong with the requirements files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    production = pins((ROOT / "requirements.txt").read_text())
    development = pins((ROOT / "local/requirements.txt").read_text())
    yield from differences(pins("\n".join(project["dependencies"])), production, "requirements.txt")
    yield from differences(production, development, "local/requirements.txt")
    yield from differences(
        pins((ROOT / "local/s3/requirements.in").read_text()),
        pins((ROOT / "local/s3/requirements.txt").read_text()),
        "local/s3/requirements.txt",
    )
    extra = pins("\n".join(project["optional-dependencies"]["dev"]))
    yield from differences(extra, development, "local/requirements.txt")


def node_findings() -> Iterable[str]:
    """What is wrong with npm's lock file."""
    wanted = json.loads((ROOT / "local/package.json").read_text())["dependencies"]
    packages = json.loads((ROOT / "local/package-lock.json").read_text())["packages"]
    locked = {name: packages.get(f"node_modules/{name}", {}).get("version", "not at all") for name in wanted}
    yield from differences(wanted, locked, "local/package-lock.json")
    for path, package in packages.items():
        # An address would bind the lock to one registry.
        if "resolved" in package:
            yield f"local/package-lock.json has an address for {path}; run 'make lock'"
        if path and "integrity" not in package:
            yield f"local/package-lock.json has no checksum for {path}"


def main() -> int:
    """Print what is wrong; the exit status."""
    findings = [*python_findings(), *node_findings()]
    for finding in findings:
        print(finding, file=sys.stderr)
    print("lock files: up to date" if not findings else "lock files: out of date, run 'make lock'")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
