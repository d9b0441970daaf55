"""Route templates of httpTrigger bindings, matched as the Functions host's router matches them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.functions.catalogue import BoundFunction

_PARAMETER = re.compile(r"\{(?P<rest>\*{0,2})(?P<name>\w+)(?P<constraint>:[^{}?]+)?(?P<optional>\?)?\}")
_CONSTRAINTS = {
    "int": r"[+-]?\d+",
    "long": r"[+-]?\d+",
    "decimal": r"[+-]?\d+(?:\.\d+)?",
    "double": r"[+-]?\d+(?:\.\d+)?",
    "float": r"[+-]?\d+(?:\.\d+)?",
    "bool": r"true|false",
    "guid": r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}",
    "alpha": r"[a-z]*",
}
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"})


class Route(NamedTuple):
    """One function's address. `rank` orders routes that match the same path: literal segments come before parameters."""

    path: str
    methods: frozenset[str]
    function: BoundFunction
    pattern: re.Pattern[str]
    rank: tuple[int, ...]


class RouteTable:
    """All HTTP functions of an app."""

    def __init__(self, functions: Iterable[BoundFunction], prefix: str) -> None:
        self.routes = sorted((_route(function, prefix) for function in functions), key=lambda route: route.rank)

    def match(self, method: str, raw_path: str) -> tuple[BoundFunction, dict[str, str]] | None:
        """The function for a request, and its route parameters.

        Returns None for an unknown path and for a method that no function of the path takes. The real host answers
        both with 404, and does not answer HEAD with a GET function.

        Args:
            method: in capitals.
            raw_path: as sent, still percent-encoded; an encoded slash does not separate segments.
        """
        path = "/" + raw_path.strip("/")
        for route in self.routes:
            found = route.pattern.fullmatch(path)
            if found and method in route.methods:
                return route.function, {name: _decode(text) for name, text in found.groupdict().items() if text}
        return None


def _route(function: BoundFunction, prefix: str) -> Route:
    template = function.trigger.get("route")
    path = "/".join(part.strip("/") for part in (prefix, function.name if template is None else template))
    segments = [segment for segment in path.split("/") if segment]
    methods = frozenset(str(method).upper() for method in function.trigger.get("methods") or _METHODS)
    pattern = re.compile("".join(map(_pattern, segments)) or "/", re.IGNORECASE)
    return Route("/" + "/".join(segments), methods, function, pattern, tuple(map(_rank, segments)))


def _pattern(segment: str) -> str:
    whole = _PARAMETER.fullmatch(segment)
    if whole and whole["rest"]:
        return f"(?:/(?P<{whole['name']}>.*))?"
    if whole and whole["optional"]:
        return f"(?:/{_group(whole)})?"
    parts: list[str] = []
    end = 0
    for parameter in _PARAMETER.finditer(segment):
        parts += [re.escape(segment[end : parameter.start()]), _group(parameter)]
        end = parameter.end()
    rest = segment[end:]
    if "{" in rest or "}" in rest:
        raise ValueError(f"the route segment '{segment}' is not one that the local host understands")
    return "/" + "".join(parts) + re.escape(rest)


def _group(parameter: re.Match[str]) -> str:
    constraint = (parameter["constraint"] or "").removeprefix(":")
    if constraint and constraint not in _CONSTRAINTS:
        raise ValueError(f"the route constraint '{constraint}' is not one that the local host understands")
    return f"(?P<{parameter['name']}>{_CONSTRAINTS.get(constraint, '[^/]+')})"


def _rank(segment: str) -> int:
    whole = _PARAMETER.fullmatch(segment)
    if whole is None:
        return 1 if _PARAMETER.search(segment) else 0
    return 4 if whole["rest"] else 2 if whole["constraint"] else 3


def _decode(text: str) -> str:
    return unquote(re.sub("%2f", "%252F", text, flags=re.IGNORECASE))
