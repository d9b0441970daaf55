"""What files expect of each other: a module's parameters and outputs, the files that a module's use names."""

from collections.abc import Iterator, Mapping
from posixpath import dirname, join, normpath

from tree_sitter import Node

from local.bicep.parsing import Finding, line, named, properties, text, walk
from local.bicep.sources import Call, Source

_KEYS = frozenset({"name", "scope", "params", "dependsOn"})
_REQUIRED = frozenset({"name", "params"})


def findings(sources: Mapping[str, Source], entries: frozenset[str]) -> Iterator[Finding]:
    """Find where a use of a module and the module disagree.

    Args:
        sources: all files by path.
        entries: the files that are deployed by themselves. All others are modules.
    """
    wanted: dict[str, set[str]] = {}
    for source in sources.values():
        for call in source.modules.values():
            file = target(source, call)
            if file not in sources:
                yield Finding(source.file, call.line, f"there is no file {call.file}")
                continue
            yield from _of_call(source, call, sources[file])
            outputs = dict(outputs_of(source, call.symbol))
            wanted.setdefault(file, set()).update(outputs)
            for output in sorted(outputs.keys() - sources[file].outputs.keys()):
                yield Finding(source.file, line(outputs[output]), f"{call.file} has no output {output}")
    for file in sorted(sources.keys() - entries):
        if file not in wanted:
            yield Finding(file, 1, "nothing uses this module")
        yield from _of_module(sources[file], wanted.get(file, set()))


def _of_module(module: Source, wanted: set[str]) -> Iterator[Finding]:
    for parameter in module.parameters.values():
        if parameter.default is not None:
            yield Finding(module.file, parameter.line, f"{parameter.name} has a default: a module's user gives every value")
    for output in module.outputs.values():
        if output.name not in wanted:
            yield Finding(module.file, output.line, f"nothing uses the output {output.name}")


def target(source: Source, call: Call) -> str:
    """The path of the file that a module's use names."""
    return normpath(join(dirname(source.file), call.file))


def _of_call(source: Source, call: Call, module: Source) -> Iterator[Finding]:
    keys = {one.key for one in properties(call.body) if one.key is not None}
    for key in sorted(keys - _KEYS):
        yield Finding(source.file, call.line, f"a module's use has no {key}")
    for key in sorted(_REQUIRED - keys):
        yield Finding(source.file, call.line, f"the use of {call.file} lacks {key}")
    params = named(call.body, "params")
    given = {one.key: one for one in properties(params)} if params is not None else {}
    for name, one in given.items():
        if name not in module.parameters:
            yield Finding(source.file, one.line, f"{call.file} has no parameter {name}")
            continue
        passed = source.parameters.get(text(one.value)) if one.value.type == "identifier" else None
        wanted = module.parameters[name]
        if passed is not None and passed.type != wanted.type:
            yield Finding(source.file, one.line, f"{name} of {call.file} is {wanted.type}, and {passed.name} is {passed.type}")
        if "secure" not in wanted.decorators:
            for secret in sorted(_secrets(source, one.value)):
                yield Finding(source.file, one.line, f"{secret} is secure, and {name} of {call.file} is not")
    for name in module.parameters:
        if name not in given:
            yield Finding(source.file, call.line, f"the use of {call.file} lacks the parameter {name}")


def _secrets(source: Source, node: Node) -> set[str]:
    """The secure parameters from which a value is made, also by way of variables."""
    found: set[str] = set()
    for name in (text(one) for one in walk(node) if one.type == "identifier"):
        if name in source.variables:
            found |= _secrets(source, source.variables[name].value)
        elif name in source.parameters and "secure" in source.parameters[name].decorators:
            found.add(name)
    return found


def outputs_of(source: Source, symbol: str) -> Iterator[tuple[str, Node]]:
    """The outputs of a module that a file uses, and where."""
    for node in walk(source.root):
        if node.type != "member_expression" or node.named_children[0].type != "member_expression":
            continue
        inner, output = node.named_children
        subject, _, name = text(inner).rpartition(".")
        if name == "outputs" and subject.removesuffix("!").partition("[")[0] == symbol:
            yield text(output), node
