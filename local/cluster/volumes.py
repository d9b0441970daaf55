"""A pod's volumes as folders: ConfigMaps, Secrets, tokens, empty volumes, and host paths.

Like the kubelet, it writes content into a new folder, and then one rename of the link `..data` swaps all files. Nothing is
mounted, so `readOnly`, `sizeLimit`, `medium` and the owner settings have no effect.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from local.cluster.api import Api, ApiError
from local.cluster.contents import write_atomically
from local.cluster.environment import Lookup, NotYet, field_of, payload

if TYPE_CHECKING:
    from pathlib import Path

type Object = dict[str, Any]

SERVICE_ACCOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_ACCESS = "kube-api-access"
_TOKEN_SECONDS = 3607


class Places(NamedTuple):
    """Folders for a pod's volumes."""

    pod: Path
    """The pod's own folder, for configuration and tokens; not on the node's disk."""
    scratch: Path
    """For empty volumes; on the node's disk."""
    node: Path
    """The root of the node's file system."""


class Volumes:
    """The volumes of one pod."""

    def __init__(self, pod: Object, places: Places, api: Api, lookup: Lookup) -> None:
        self.folders: dict[str, Path] = {}
        """Volume name to folder, after `mount`."""
        self._pod = pod
        self._places = places
        self._api = api
        self._lookup = lookup
        self._tokens: dict[str, tuple[bytes, float]] = {}

    async def mount(self) -> None:
        """Create all folders and write their content. Safe to repeat.

        Raises:
            NotYet: a volume's source is missing, or the node's disk is full.
        """
        for volume in self._pod["spec"].get("volumes", []):
            try:
                self.folders[volume["name"]] = await self._mounted(volume)
            except OSError as error:
                raise NotYet(f'MountVolume.SetUp failed for volume "{volume["name"]}": {error}') from error

    async def refresh(self) -> None:
        """Write changed content again. When a source is gone the old content stays, as on a real node."""
        for volume in self._pod["spec"].get("volumes", []):
            if volume["name"] in self.folders:
                with contextlib.suppress(NotYet):
                    await self._mounted(volume)

    def remove(self) -> None:
        """Delete everything but the node's own folders."""
        for folder in (self._places.pod, self._places.scratch):
            shutil.rmtree(folder, ignore_errors=True)

    async def _mounted(self, volume: Object) -> Path:
        name = volume["name"]
        if (on_node := volume.get("hostPath")) is not None:
            return _node_folder(self._places.node / on_node["path"].lstrip("/"), on_node.get("type", ""))
        if "emptyDir" in volume:
            folder = self._places.scratch / name
            folder.mkdir(parents=True, exist_ok=True)
            return folder
        folder = self._places.pod / "volumes" / name
        write_atomically(folder, await self._content(volume))
        return folder

    async def _content(self, volume: Object) -> dict[str, bytes]:
        if (projected := volume.get("projected")) is not None:
            content: dict[str, bytes] = {}
            for source in projected.get("sources", []):
                content |= await self._content(source)
            return content
        for kind in ("configMap", "secret"):
            if (reference := volume.get(kind)) is not None:
                return _selected(reference, payload(kind, reference, self._lookup))
        if (reference := volume.get("downwardAPI")) is not None:
            items = [item for item in reference.get("items", []) if "fieldRef" in item]
            return {item["path"]: field_of(self._pod, item["fieldRef"]["fieldPath"]).encode() for item in items}
        if (reference := volume.get("serviceAccountToken")) is not None:
            return {reference["path"]: await self._token(reference)}
        raise NotYet(f"the local kubelet has no volumes like {volume.get('name', 'this one')}")

    async def _token(self, reference: Object) -> bytes:
        """A token by the TokenRequest API, bound to the pod; renewed after four fifths of its lifetime."""
        token, renew_at = self._tokens.get(reference["path"], (b"", 0.0))
        if time.monotonic() >= renew_at:
            token = await self._new_token(reference)
            renew_at = time.monotonic() + 0.8 * reference.get("expirationSeconds", 3600)
            self._tokens[reference["path"]] = (token, renew_at)
        return token

    async def _new_token(self, reference: Object) -> bytes:
        metadata, spec = self._pod["metadata"], self._pod["spec"]
        account = spec.get("serviceAccountName") or "default"
        request: Object = {"expirationSeconds": reference.get("expirationSeconds", 3600)}
        # Admission is off. It would have written "default" into the pod, and without that name a token cannot be bound.
        if "serviceAccountName" in spec:
            bound = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
            request["boundObjectRef"] = bound
        if "audience" in reference:
            request["audiences"] = [reference["audience"]]
        try:
            reply = await self._api.create(
                f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token",
                {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": request},
            )
        except ApiError as error:
            raise NotYet(f"no token for service account {account}: {error}") from error
        return reply["status"]["token"].encode()


def with_service_account(pod: Object) -> Object:
    """The pod with its service account's folder in every container, as admission on a newer server adds it."""
    spec = pod["spec"]
    if spec.get("automountServiceAccountToken") is False:
        return pod
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": _TOKEN_SECONDS}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    volumes = [*spec.get("volumes", []), {"name": _ACCESS, "projected": {"sources": sources}}]
    changed = {**spec, "volumes": volumes}
    for kind in ("initContainers", "containers"):
        changed[kind] = [_with_mount(container) for container in spec.get(kind, [])]
    return {**pod, "spec": changed}


def _with_mount(container: Object) -> Object:
    mounts = container.get("volumeMounts", [])
    if any(mount["mountPath"].rstrip("/") == SERVICE_ACCOUNT_PATH for mount in mounts):
        return container
    return {**container, "volumeMounts": [*mounts, {"name": _ACCESS, "mountPath": SERVICE_ACCOUNT_PATH}]}


def _selected(reference: Object, content: dict[str, bytes]) -> dict[str, bytes]:
    if "items" not in reference:
        return content
    chosen: dict[str, bytes] = {}
    for item in reference["items"]:
        if item["key"] in content:
            chosen[item["path"]] = content[item["key"]]
        elif not reference.get("optional"):
            raise NotYet(f"references non-existent config key: {item['key']}")
    return chosen


def _node_folder(place: Path, kind: str) -> Path:
    """A folder or file of the node. Without a kind it is created, as container runtimes do."""
    if kind in {"", "DirectoryOrCreate"}:
        place.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    elif not (place.is_dir() if kind == "Directory" else os.path.lexists(place)):
        raise NotYet(f"hostPath type check failed: {place} is not a {kind.lower()}")
    return place
