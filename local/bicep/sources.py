"""What a Bicep file declares."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tree_sitter import Node

from local.bicep.parsing import line, literal, parse, properties, text, unwrapped, walk


class Parameter(NamedTuple):
    """`type` is the word that stands there; `default` the node of its default, if any."""

    name: str
    type: str
    default: Node | None
    decorators: Mapping[str, Node]
    line: int


class Variable(NamedTuple):
    """A variable and its value."""

    name: str
    value: Node
    line: int


class Output(NamedTuple):
    """An output and its value."""

    name: str
    value: Node
    decorators: Mapping[str, Node]
    line: int


class Resource(NamedTuple):
    """A resource. `type` and `version` of a nested one are those of the outer one, continued."""

    symbol: str
    type: str
    version: str
    body: Node
    is_existing: bool
    is_nested: bool
    line: int


class Call(NamedTuple):
    """A module's use. `file` is the path as it stands there."""

    symbol: str
    file: str
    body: Node
    line: int


@dataclass
class Source:
    """One file: its tree and its declarations."""

    file: str
    root: Node
    parameters: dict[str, Parameter] = field(default_factory=dict[str, Parameter])
    variables: dict[str, Variable] = field(default_factory=dict[str, Variable])
    outputs: dict[str, Output] = field(default_factory=dict[str, Output])
    resources: dict[str, Resource] = field(default_factory=dict[str, Resource])
    """By symbol; a nested one as `outer::inner`."""
    modules: dict[str, Call] = field(default_factory=dict[str, Call])


def read_all(files: Mapping[str, str]) -> dict[str, Source]:
    """Read files by their paths."""
    return {file: read(file, content) for file, content in files.items()}


def read(file: str, content: str) -> Source:
    """Read one file. Of a file with errors in its syntax only a part is read."""
    source = Source(file, parse(content))
    decorators: Mapping[str, Node] = {}
    for node in source.root.named_children:
        if node.type == "decorators":
            decorators = dict(_decorators(node))
            continue
        if node.type.endswith("_declaration"):
            _declare(source, node, decorators)
        if node.type != "comment":
            decorators = {}
    return source


def _declare(source: Source, node: Node, decorators: Mapping[str, Node]) -> None:
    name, last = text(node.named_children[0]), node.named_children[-1]
    match node.type:
        case "parameter_declaration":
            kind = next((text(child) for child in node.named_children[1:] if "type" in child.type), "")
            default = last if any(child.type == "=" for child in node.children) else None
            source.parameters[name] = Parameter(name, kind, default, decorators, line(node))
        case "variable_declaration":
            source.variables[name] = Variable(name, last, line(node))
        case "output_declaration":
            source.outputs[name] = Output(name, last, decorators, line(node))
        case "resource_declaration":
            for resource in _resources(node, None):
                source.resources[resource.symbol] = resource
        case "module_declaration":
            source.modules[name] = Call(name, literal(node.named_children[1]) or "", unwrapped(last), line(node))
        case _:
            pass


def _resources(node: Node, outer: Resource | None) -> Iterator[Resource]:
    """A resource and those nested in it."""
    symbol, body = text(node.named_children[0]), unwrapped(node.named_children[-1])
    kind, _, version = (literal(node.named_children[1]) or "").partition("@")
    if outer is not None:
        symbol, kind, version = f"{outer.symbol}::{symbol}", f"{outer.type}/{kind}", version or outer.version
    is_existing = any(child.type == "existing" for child in node.children)
    resource = Resource(symbol, kind, version, body, is_existing, outer is not None, line(node))
    yield resource
    for child in body.named_children:
        inner = child.named_children[0] if child.named_children else child
        if inner.type == "resource_declaration":
            yield from _resources(inner, resource)


def _decorators(node: Node) -> Iterator[tuple[str, Node]]:
    for decorator in node.named_children:
        call = decorator.named_children[0]
        yield text(call.named_children[0]), call.named_children[-1]


def settings_of(source: Source, variable: str) -> dict[str, Node]:
    """The literal names, with their values, of all objects in a variable; both branches of a condition."""
    found: dict[str, Node] = {}
    if variable in source.variables:
        for node in walk(source.variables[variable].value):
            if node.type == "object":
                found |= {one.key: one.value for one in properties(node) if one.key is not None}
    return found
