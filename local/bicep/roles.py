"""Role assignments against roles.json: who has which role where, and nothing wider."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from local.bicep.parsing import Finding, named, text
from local.bicep.sources import Resource, Source

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
DEFINITION = "Microsoft.Authorization/roleDefinitions"
_PRINCIPAL = "PrincipalId"


def findings(sources: Mapping[str, Source], table: Mapping[str, Any]) -> Iterator[Finding]:
    """Find role assignments that are not in the table or not as it says, and rows of the table that nobody assigns."""
    assigned: set[str] = set()
    defined: set[str] = set()
    for source in sources.values():
        for resource in source.resources.values():
            if resource.type == ASSIGNMENT:
                assigned.add(resource.symbol)
                yield from (Finding(source.file, resource.line, what) for what in _of_assignment(source, resource, table))
            elif resource.type == DEFINITION and not resource.is_existing:
                defined.add(resource.symbol)
                yield from (Finding(source.file, resource.line, what) for what in _of_definition(resource, table))
    rows: Mapping[str, Mapping[str, str]] = table["assignments"]
    for row in sorted(rows.keys() - assigned):
        yield Finding("infra/roles.json", 1, f"nobody assigns {row}")
    used = {row["role"] for row in rows.values()}
    for role in sorted({*table["builtIn"], *table["custom"]} - used):
        yield Finding("infra/roles.json", 1, f"nobody has the role {role}")
    for role in sorted(table["custom"].keys() - defined):
        yield Finding("infra/roles.json", 1, f"nothing defines the role {role}")


def _of_assignment(source: Source, resource: Resource, table: Mapping[str, Any]) -> Iterator[str]:
    row = table["assignments"].get(resource.symbol)
    if row is None:
        yield f"roles.json has no assignment {resource.symbol}"
        return
    body, role = resource.body, row["role"]
    properties = named(body, "properties")
    principal = f"{row['who']}{_PRINCIPAL}"
    if role in table["builtIn"]:
        part = f"roles.builtIn.{role}.id"
        definition = f"subscriptionResourceId('{DEFINITION}', {part})"
    elif role in table["custom"]:
        part, definition = f"{role}.name", f"{role}.id"
    else:
        yield f"roles.json has no role {role}"
        return
    wanted = {
        "scope": row["scope"],
        "name": f"guid({row['scope']}.id, {principal}, {part})",
        "principalId": principal,
        "roleDefinitionId": definition,
    }
    for key, value in wanted.items():
        place = body if key in {"scope", "name"} or properties is None else properties
        node = named(place, key)
        given = "nothing" if node is None else _on_one_line(text(node))
        if given != value:
            yield f"{key} of {resource.symbol} is {given}, and roles.json says {value}"
    if properties is None or named(properties, "principalType") is None:
        yield f"{resource.symbol} lacks principalType"
    if row["scope"] not in source.resources:
        yield f"{resource.symbol} has no resource of the file as its scope"


def _of_definition(resource: Resource, table: Mapping[str, Any]) -> Iterator[str]:
    if resource.symbol not in table["custom"]:
        yield f"roles.json has no role {resource.symbol}"
        return
    body = text(resource.body)
    if f"dataActions: roles.custom.{resource.symbol}.dataActions" not in body:
        yield f"{resource.symbol} does not take its dataActions from roles.json"
    if re.search(r"\b(actions|notActions|notDataActions):", body):
        yield f"{resource.symbol} has more than dataActions"


def _on_one_line(words: str) -> str:
    return re.sub(r"\s+", " ", words)
