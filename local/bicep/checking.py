"""All checks together, over files or over a changed copy of them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from local import ROOT
from local.bicep import bodies, modules, roles, snapshot, symbols
from local.bicep.parsing import Finding, line, syntax_errors, text, walk
from local.bicep.snapshot import ResourceType
from local.bicep.sources import read_all

INFRA = ROOT / "infra"
ENTRIES = frozenset({"infra/main.bicep", "infra/events.bicep"})
"""What is deployed by itself; every other file is a module."""
_SECRET = ("listKeys", "listAccountSas", "listServiceSas", "listCredentials", "AccountKey=", "sharedKey")


class Ground(NamedTuple):
    """What the files are judged by."""

    types: Mapping[str, ResourceType]
    absent: frozenset[str]
    roles: Mapping[str, Any]


def ground(folder: Path = INFRA) -> Ground:
    """Load the snapshot of types and the table of roles."""
    types = folder / "types"
    return Ground(snapshot.load(types), snapshot.absent(types), json.loads((folder / "roles.json").read_text()))


def files(folder: Path = INFRA) -> dict[str, str]:
    """Load the Bicep files, by their paths from the project's root."""
    return {str(path.relative_to(folder.parent)): path.read_text() for path in sorted(folder.rglob("*.bicep"))}


def check(contents: Mapping[str, str], by: Ground) -> Iterator[Finding]:
    """Find every error that can be found without a compiler. A file that does not parse hides errors behind its first."""
    sources = read_all(contents)
    for source in sources.values():
        yield from syntax_errors(source.file, source.root)
        yield from symbols.findings(source)
        yield from bodies.findings(source, by.types, by.absent)
        for node in walk(source.root):
            if node.child_count == 0 and node.type != "comment" and any(word in text(node) for word in _SECRET):
                yield Finding(source.file, line(node), f"a key may not enter a deployment: {text(node)[:40]}")
    yield from modules.findings(sources, ENTRIES)
    yield from roles.findings(sources, by.roles)
