"""Bodies of resources against Microsoft's types: names of properties, required and read-only ones, kinds of values, API versions.

What is only known at deployment (parameters' values, functions' results) is left to the deployment.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tree_sitter import Node

from local.bicep.parsing import Finding, line, literal, properties, text, unwrapped
from local.bicep.snapshot import ANY_NAME, BODY, OF_BICEP, ResourceType
from local.bicep.sources import Resource, Source

_KINDS = {"string": "string", "number": "int", "boolean": "bool", "array": "array", "object": "object"}
"""The kind of a literal, by its node."""
_SIMPLE = frozenset({"string", "int", "bool", "any", "null", "object"})


def findings(source: Source, types: Mapping[str, ResourceType], absent: frozenset[str]) -> Iterator[Finding]:
    """Find what Microsoft's types do not allow in the resources of a file.

    Args:
        source: the file.
        types: the types that we have.
        absent: the types that the package lacks, which nothing here can check.
    """
    for resource in source.resources.values():
        if resource.type in absent:
            continue
        kind = types.get(resource.type)
        if kind is None:
            yield Finding(source.file, resource.line, f"infra/types lacks {resource.type}: make bicep-types")
        elif kind.version != resource.version:
            what = f"{resource.type} is written for {resource.version}, and infra/types has {kind.version}"
            yield Finding(source.file, resource.line, what)
        elif not resource.is_existing:
            yield from _Body(source, kind, resource).findings()


class _Body(NamedTuple):
    source: Source
    kind: ResourceType
    resource: Resource

    def findings(self) -> Iterator[Finding]:
        yield from self._object(self.resource.body, BODY)

    def _found(self, node: Node, what: str) -> Finding:
        return Finding(self.source.file, line(node), f"{self.kind.name}: {what}")

    def _object(self, node: Node, name: str) -> Iterator[Finding]:
        given = {one.key: one for one in properties(node)}
        words = {key: literal(one.value) for key, one in given.items() if key is not None}
        members = self.kind.members(name, words)
        if members is None:
            yield self._found(node, f"infra/types lacks the object {name}: make bicep-types")
            return
        for key, one in given.items():
            if key is None or (name == BODY and key in OF_BICEP):
                continue
            member = members.get(key, members.get(ANY_NAME))
            if member is None:
                yield self._found(one.value, f"{name or 'the resource'} has no property {key}")
            elif member.is_read_only:
                yield self._found(one.value, f"{key} is read-only")
            else:
                yield from self._value(one.value, member.type, key)
        if None not in given:
            for key, member in members.items():
                if member.is_required and key not in given and key != ANY_NAME:
                    yield self._found(node, f"{name or 'the resource'} lacks {key}")

    def _value(self, node: Node, kind: str, key: str) -> Iterator[Finding]:
        node = unwrapped(node)
        if node.type == "ternary_expression":
            for branch in node.named_children[1:]:
                yield from self._value(branch, kind, key)
        elif node.type == "identifier":
            yield from self._name(node, kind, key)
        elif node.type == "array" and kind.endswith("[]"):
            for item in node.named_children:
                yield from self._value(item, kind.removesuffix("[]"), key)
        elif node.type == "object" and kind not in _SIMPLE and not kind.endswith("[]") and "|" not in kind:
            yield from self._object(node, kind)
        elif node.type in _KINDS:
            yield from self._literal(node, kind, key)

    def _name(self, node: Node, kind: str, key: str) -> Iterator[Finding]:
        """A variable is what it stands for; a parameter has a kind."""
        if text(node) in self.source.variables:
            yield from self._value(self.source.variables[text(node)].value, kind, key)
        elif text(node) in self.source.parameters:
            given = self.source.parameters[text(node)].type
            if not _fits(given, kind):
                yield self._found(node, f"{key} takes {kind}, and {text(node)} is {given}")

    def _literal(self, node: Node, kind: str, key: str) -> Iterator[Finding]:
        if not _fits(_KINDS[node.type], kind):
            yield self._found(node, f"{key} takes {kind}, not {text(node)[:40]}")
            return
        # A list of words that also takes any string holds the words that Microsoft knows: another one is probably a mistake.
        words = {word for word in kind.split(" | ") if word not in _SIMPLE}
        value = literal(node)
        if value is not None and words and value not in words:
            yield self._found(node, f"{key} takes {kind}, not '{value}'")


def _fits(given: str, kind: str) -> bool:
    """Whether a value of a kind may stand where a type is asked for."""
    if kind in {"any", given}:
        return True
    if given in {"array", "object"}:
        return kind.endswith("[]") if given == "array" else kind not in _SIMPLE and not kind.endswith("[]")
    if given in {"int", "bool"} or kind in _SIMPLE or kind.endswith("[]"):
        return False
    return given == "string"
