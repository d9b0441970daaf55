"""Environment, command and mounts of a container. Pure functions.

A container has its own file system; a process does not. So an environment value, command word or argument that is a mount
path, or a path below one, is rewritten to the folder that holds the volume. Paths in the middle of a word (`--data=/blast`)
and in lists (`/a:/b`) are not rewritten.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

type Object = dict[str, Any]
type Lookup = Callable[[str, str], Object | None]
"""Finds a ConfigMap or Secret (first word: its kind) of the pod's namespace by name."""

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_LABEL = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class NotYet(Exception):  # noqa: N818 - named for what is, as the house style asks
    """The container needs something that does not exist yet; the kubelet retries."""


class Mount(NamedTuple):
    """A path in the container, and the folder or file on this machine."""

    path: str
    place: Path


def mounts_of(container: Object, volumes: Mapping[str, Path]) -> list[Mount]:
    """The container's mounts, longest path first, so that the first match is the innermost mount."""
    mounts = [
        Mount(mount["mountPath"].rstrip("/"), volumes[mount["name"]] / mount.get("subPath", ""))
        for mount in container.get("volumeMounts", [])
    ]
    return sorted(mounts, key=lambda mount: -len(mount.path))


def rewritten(text: str, mounts: Iterable[Mount]) -> str:
    """A word with its mount path replaced by the folder on this machine."""
    for mount in mounts:
        if text == mount.path or text.startswith(mount.path + "/"):
            return str(mount.place) + text[len(mount.path) :]
    return text


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Expand Kubernetes' `$(NAME)`; unknown names stay, `$$` is a dollar sign."""
    return _REFERENCE.sub(lambda found: "$" if found[1] is None else variables.get(found[1], found[0]), text)


def words(container: Object, entrypoint: Iterable[str], variables: Mapping[str, str], mounts: Iterable[Mount]) -> list[str]:
    """The command line: the container's command, or the image's entry point, and the args."""
    mounts = [*mounts]
    line = [*(container.get("command") or entrypoint), *container.get("args", [])]
    return [rewritten(expanded(word, variables), mounts) for word in line]


def variables_of(container: Object, pod: Object, lookup: Lookup, mounts: Iterable[Mount]) -> dict[str, str]:
    """The container's environment, from its spec.

    Raises:
        NotYet: a ConfigMap, Secret or key that is not optional is missing.
    """
    mounts = [*mounts]
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        for kind in ("configMap", "secret"):
            if (reference := source.get(f"{kind}Ref")) is not None:
                found = payload(kind, reference, lookup)
                variables |= {source.get("prefix", "") + key: value.decode() for key, value in found.items()}
    for entry in container.get("env", []):
        value = _value(entry, pod, lookup, variables)
        if value is not None:
            variables[entry["name"]] = rewritten(value, mounts)
    return variables


def payload(kind: str, reference: Object, lookup: Lookup) -> dict[str, bytes]:
    """The content of a ConfigMap or Secret; empty when it is missing but optional.

    Raises:
        NotYet: it is missing.
    """
    name = reference.get("name") or reference["secretName"]
    found = lookup(kind, name)
    if found is None:
        if reference.get("optional"):
            return {}
        raise NotYet(f'{kind.lower()} "{name}" not found')
    if kind == "secret":
        return _decoded(found, "data")
    texts: dict[str, str] = found.get("data") or {}
    return {key: value.encode() for key, value in texts.items()} | _decoded(found, "binaryData")


def field_of(pod: Object, path: str) -> str:
    """A field of the pod by the downward API's path: names, labels, annotations, node, service account and IPs."""
    if (found := _LABEL.fullmatch(path)) is not None:
        return str(pod["metadata"].get(found[1], {}).get(found[2], ""))
    if path in {"metadata.labels", "metadata.annotations"}:
        entries = pod["metadata"].get(path.removeprefix("metadata."), {})
        return "\n".join(f'{key}="{value}"' for key, value in sorted(entries.items()))
    known = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"]["nodeName"],
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", "default"),
        "status.hostIP": "127.0.0.1",
        "status.podIP": "127.0.0.1",
    }
    return str(known[path])


def _decoded(item: Object, field: str) -> dict[str, bytes]:
    entries: dict[str, str] = item.get(field) or {}
    return {key: base64.b64decode(value) for key, value in entries.items()}


def _value(entry: Object, pod: Object, lookup: Lookup, variables: Mapping[str, str]) -> str | None:
    source = entry.get("valueFrom")
    if source is None:
        return expanded(entry.get("value", ""), variables)
    if "fieldRef" in source:
        return field_of(pod, source["fieldRef"]["fieldPath"])
    for kind in ("configMap", "secret"):
        if (reference := source.get(f"{kind}KeyRef")) is not None:
            content = payload(kind, reference, lookup)
            if reference["key"] in content:
                return content[reference["key"]].decode()
            if reference.get("optional"):
                return None
            raise NotYet(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
    raise NotYet(f"the local kubelet does not know the source of variable {entry['name']}")
