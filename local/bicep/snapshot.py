"""Microsoft's types of the resources that our files use, as they stand in infra/types: one file a resource type.

A property is written as its type after `required` or `read-only`: `"location": "required string"`. `*` stands for properties of
any name. A type is a word of Bicep's, the name of another object, a list (`X[]`), or literal values (`A | B`).
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ANY_NAME = "*"
BODY = ""
"""The name of the object that is the resource itself."""
OF_BICEP = frozenset({"parent", "scope", "dependsOn"})
"""The properties of a resource that Bicep itself gives meaning."""


class Member(NamedTuple):
    """A property's type, and whether it must or cannot be given."""

    type: str
    is_required: bool
    is_read_only: bool


class ResourceType(NamedTuple):
    """A resource type at one API version. `objects` has its body and the types below by their names."""

    name: str
    version: str
    objects: Mapping[str, Mapping[str, Any]]

    def members(self, name: str, given: Mapping[str, str | None]) -> Mapping[str, Member] | None:
        """The properties of an object; None when there is no such object.

        Args:
            name: the object's name.
            given: literal values by property. One of them chooses among the forms of an object that has several.
        """
        found = self.objects.get(name)
        if found is None:
            return None
        if "by" not in found:
            return read_members(found)
        form = found["of"].get(given.get(found["by"]), {})
        return read_members({**found["base"], **form})


def read_members(texts: Mapping[str, str]) -> dict[str, Member]:
    """Parse the properties of an object. `OF_BICEP` are not among them."""
    return {name: _member(text) for name, text in texts.items() if name not in OF_BICEP}


def _member(text: str) -> Member:
    word, _, rest = text.partition(" ")
    if word in {"required", "read-only"}:
        return Member(rest, word == "required", word == "read-only")
    return Member(text, is_required=False, is_read_only=False)


def load(folder: Path) -> dict[str, ResourceType]:
    """Load the types by their names."""
    types = (json.loads(path.read_text()) for path in sorted(folder.glob("Microsoft.*.json")))
    return {one["type"]: ResourceType(one["type"], one["apiVersion"], {BODY: one["body"], **one["objects"]}) for one in types}


def absent(folder: Path) -> frozenset[str]:
    """The types that the package does not have."""
    return frozenset(json.loads((folder / "source.json").read_text())["absent"])


def file_name(resource_type: str) -> str:
    """The name of a type's file."""
    return f"{resource_type.replace('/', '_')}.json"


# From the package's answers


def compact(answer: list[dict[str, Any]]) -> dict[str, Any]:
    """A type as it is stored, from what the package says of it: no descriptions, nothing below what is read-only."""
    (resource,) = (one for one in answer if one["$type"] == "Resource")
    kinds = {one["name"]: one for one in answer if one["$type"] in {"Object", "DiscriminatedObject"}}
    name, _, version = resource["name"].partition("@")
    body = resource["bodyType"]
    reached: dict[str, Any] = {}
    waiting = list(_named_in(body, kinds))
    while waiting:
        kind = waiting.pop()
        if kind not in reached:
            reached[kind] = _object(kinds[kind])
            waiting += _named_in(kinds[kind], kinds)
    return {"type": name, "apiVersion": version, "body": _object(body), "objects": dict(sorted(reached.items()))}


def _object(kind: Mapping[str, Any]) -> dict[str, Any]:
    if kind["$type"] == "DiscriminatedObject":
        by = kind["discriminator"]
        forms = {_literal(one, by): _properties(one) for one in kind["elements"]}
        return {"by": by, "base": _texts(kind["baseProperties"]), "of": forms}
    return _properties(kind)


def _properties(kind: Mapping[str, Any]) -> dict[str, str]:
    more = kind.get("additionalPropertiesType")
    return {**_texts(kind["properties"]), **({ANY_NAME: more} if more else {})}


def _texts(members: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: f"{_flag(one)}{one['type']}" for one in members}


def _flag(member: Mapping[str, Any]) -> str:
    flags = member.get("flags", "")
    return "read-only " if "ReadOnly" in flags else "required " if "Required" in flags else ""


def _literal(kind: Mapping[str, Any], by: str) -> str:
    return next(one["type"] for one in kind["properties"] if one["name"] == by)


def _named_in(kind: Mapping[str, Any], kinds: Mapping[str, Any]) -> Iterator[str]:
    """The objects that the properties of an object name, read-only ones left out."""
    groups: list[Mapping[str, Any]] = [kind, *kind.get("elements", ())]
    for group in groups:
        members: list[dict[str, Any]] = [*group.get("properties", ()), *group.get("baseProperties", ())]
        names = [one["type"] for one in members if "ReadOnly" not in one.get("flags", "")]
        names += [group["additionalPropertiesType"]] if group.get("additionalPropertiesType") else []
        yield from (name for name in (one.rstrip("[]") for one in names) if name in kinds)
