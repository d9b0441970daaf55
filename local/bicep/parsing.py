"""Text of Bicep into tree-sitter's tree, and small questions to its nodes.

The grammar is lenient: it takes some text that the compiler refuses. It does not know the spread operator.
"""

from collections.abc import Iterator
from typing import NamedTuple

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bicep.language()))


class Finding(NamedTuple):
    """An error in a file."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        """As compilers write it."""
        return f"{self.file}:{self.line}: {self.what}"


class Property(NamedTuple):
    """A property of an object. `key` is None where the name is computed."""

    key: str | None
    value: Node
    line: int


def parse(text: str) -> Node:
    """Parse a file. The tree of a file with errors has nodes that `syntax_errors` finds."""
    return _PARSER.parse(text.encode()).root_node


def syntax_errors(file: str, root: Node) -> Iterator[Finding]:
    """Find the places that the grammar does not understand."""
    for node in walk(root):
        if node.is_error or node.is_missing:
            yield Finding(file, line(node), f"not Bicep: {text(node)[:60]!r}")


def walk(node: Node) -> Iterator[Node]:
    """A node and everything below it, in the order of the text."""
    yield node
    for child in node.children:
        yield from walk(child)


def text(node: Node) -> str:
    """The text of a node."""
    return (node.text or b"").decode()


def line(node: Node) -> int:
    """The line on which a node begins, from 1."""
    return node.start_point.row + 1


def literal(node: Node) -> str | None:
    """The value of a string without interpolation; None for every other node."""
    if node.type != "string" or any(child.type == "interpolation" for child in node.named_children):
        return None
    return "".join(text(child).removeprefix("\\") for child in node.named_children)


def properties(node: Node) -> Iterator[Property]:
    """The properties of an object, without the resources that are nested in it."""
    for child in node.named_children:
        if child.type == "object_property" and child.named_children[0].type != "resource_declaration":
            key, value = child.named_children[0], child.named_children[-1]
            yield Property(text(key) if key.type == "identifier" else literal(key), value, line(child))


def named(node: Node, key: str) -> Node | None:
    """The value of an object's property."""
    return next((one.value for one in properties(node) if one.key == key), None)


def unwrapped(node: Node) -> Node:
    """The body itself of what stands in a loop, under a condition or in parentheses."""
    while node.type in {"for_statement", "if_statement", "parenthesized_expression"} and node.named_children:
        node = node.named_children[-1]
    return node
