"""Check the lock files: do they say what pyproject.toml, the .in files and local/package.json ask for?

This reads files and nothing else, so it needs no network and its result never depends on what was released today. `uv pip
compile`, which writes the locks, cannot check them offline: it needs the metadata of every package. uv's own lock format can
be checked offline, but it holds the address of a package index.

Every direct dependency is pinned exactly, so a lock is up to date when it holds the same pins. Pip and npm guard the rest:
both refuse to install from a lock in which a package or a hash is missing.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from typing import TYPE_CHECKING

from local import ROOT

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
    """Find differences between the requirements files and what they lock; one sentence each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    dependencies, dev = "\n".join(project["dependencies"]), "\n".join(project["optional-dependencies"]["dev"])
    for lock, wanted in (
        ("requirements.txt", dependencies),
        ("local/requirements.txt", f"{dependencies}\n{dev}\n{_read('requirements.txt')}"),
        ("warmer/requirements.txt", _read("warmer/requirements.in")),
        ("local/s3/requirements.txt", _read("local/s3/requirements.in")),
    ):
        yield from differences(pins(wanted), pins(_read(lock)), lock)


def node_findings() -> Iterable[str]:
    """Find differences between npm's lock file and local/package.json, addresses, and missing checksums; one sentence each."""
    wanted = json.loads(_read("local/package.json"))["dependencies"]
    packages = json.loads(_read("local/package-lock.json"))["packages"]
    locked = {name: packages.get(f"node_modules/{name}", {}).get("version", "not at all") for name in wanted}
    yield from differences(wanted, locked, "local/package-lock.json")
    for path, package in packages.items():
        # An address would bind the lock to one registry.
        if "resolved" in package:
            yield f"local/package-lock.json has an address for {path}; run 'make lock'"
        if path and "integrity" not in package:
            yield f"local/package-lock.json has no checksum for {path}"


def _read(file: str) -> str:
    return (ROOT / file).read_text()


def main() -> int:
    """Print the differences; returns the exit status."""
    findings = [*python_findings(), *node_findings()]
    for finding in findings:
        print(finding, file=sys.stderr)
    print("lock files: up to date" if not findings else "lock files: out of date, run 'make lock'")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
