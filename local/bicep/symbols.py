"""Names: every one that is used is declared, and every one that is declared is used."""

from collections.abc import Iterator
from typing import NamedTuple

from tree_sitter import Node

from local.bicep.parsing import Finding, line, text, walk
from local.bicep.sources import Source

FUNCTIONS = frozenset(
    {
        "array",
        "bool",
        "cidrHost",
        "cidrSubnet",
        "concat",
        "contains",
        "deployer",
        "deployment",
        "empty",
        "endsWith",
        "environment",
        "filter",
        "first",
        "flatten",
        "guid",
        "indexOf",
        "int",
        "intersection",
        "items",
        "join",
        "json",
        "last",
        "length",
        "loadJsonContent",
        "loadTextContent",
        "map",
        "max",
        "min",
        "objectKeys",
        "padLeft",
        "range",
        "reduce",
        "replace",
        "resourceGroup",
        "resourceId",
        "sort",
        "split",
        "startsWith",
        "string",
        "subscription",
        "subscriptionResourceId",
        "substring",
        "take",
        "tenant",
        "tenantResourceId",
        "toLower",
        "toObject",
        "toUpper",
        "trim",
        "union",
        "uniqueString",
        "uri",
        "utcNow",
    }
)
"""Bicep's functions that a template may use. `listKeys` and its like are not among them: no key may enter a deployment."""
_DECLARING = frozenset(
    {"parameter_declaration", "variable_declaration", "output_declaration", "module_declaration", "resource_declaration"}
)


class Use(NamedTuple):
    """A name that is used. `declaration` is the name of the declaration in which it stands."""

    name: str
    line: int
    declaration: str


def findings(source: Source) -> Iterator[Finding]:
    """Find undeclared names and functions, and declared names that nothing uses."""
    declared = {**source.parameters, **source.variables, **source.resources, **source.modules}
    used: set[str] = set()
    for node in walk(source.root):
        if node.type == "call_expression" and text(node.named_children[0]) not in FUNCTIONS and not _is_decorator(node):
            yield Finding(source.file, line(node), f"no function is named {text(node.named_children[0])}")
    for use in uses(source):
        if use.name not in declared:
            yield Finding(source.file, use.line, f"{use.name} is not declared")
        if use.name != use.declaration:
            used.add(use.name)
    for name in {**source.parameters, **source.variables}:
        if name not in used:
            yield Finding(source.file, declared[name].line, f"{name} is not used")
    for name, resource in source.resources.items():
        if resource.is_existing and name not in used:
            yield Finding(source.file, resource.line, f"{name} is not used")


def uses(source: Source) -> Iterator[Use]:
    """Every use of a declared name. A nested resource is used as `outer::inner`, which also uses the outer one."""
    for statement in source.root.named_children:
        if statement.type in _DECLARING:
            yield from _uses(statement, text(statement.named_children[0]), frozenset())


def _uses(node: Node, declaration: str, local: frozenset[str]) -> Iterator[Use]:
    children = list(node.named_children)
    match node.type:
        case kind if kind in _DECLARING:
            children = [child for child in children[1:] if not child.type.endswith("type")]
        case "object_property" if children[0].type == "identifier":
            children = children[1:]
        case "call_expression":
            children = children[1:]
        case "for_statement":
            local |= _loop_names(children[0])
            children = children[1:]
        case "lambda_expression":
            # The grammar takes `x => x.a > 0` for `(x => x).a > 0`; each x of it is inside the lambda all the same.
            local |= {text(one) for one in walk(children[0]) if one.type == "identifier"}
        case "resource_expression":
            outer, inner = map(text, children)
            yield Use(outer, line(node), declaration)
            yield Use(f"{outer}::{inner}", line(node), declaration)
            children = []
        case "identifier":
            if text(node) not in local:
                yield Use(text(node), line(node), declaration)
        case _:
            pass
    for child in children:
        yield from _uses(child, declaration, local)


def _loop_names(node: Node) -> frozenset[str]:
    """The names that a loop gives to the item and, maybe, to its index."""
    names = [node] if node.type == "identifier" else node.named_children
    return frozenset(map(text, names))


def _is_decorator(node: Node) -> bool:
    return node.parent is not None and node.parent.type == "decorator"
