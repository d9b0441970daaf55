"""Apply the manifests of infra/kubernetes to a cluster, by server-side apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import yaml

from local import ROOT
from local.cluster.api import APPLY, Api

if TYPE_CHECKING:
    from collections.abc import Iterable

type Object = dict[str, Any]

FOLDER = ROOT / "infra/kubernetes"
NAMESPACE = "shardwarm"
APP_USER = "SHARDWARM_APP_OBJECT_ID"
"""Placeholder in the manifests for the name of the app's identity."""
_MANAGER = "shardwarm-local"


def roles(app_user: str, *, may_label_nodes: bool, beside: str = "") -> list[Object]:
    """The namespace and the project's roles, bound to this user.

    Args:
        app_user: the app's name to the API server.
        may_label_nodes: include the optional role.
        beside: suffix for the names of the app's bindings, so that they do not replace those of a deployed Shardwarm.
    """
    names = ["rbac.yaml", *(["rbac-node-labels.yaml"] if may_label_nodes else [])]
    items = [cast("Object", item) for name in names for item in yaml.safe_load_all((FOLDER / name).read_text())]
    for item in items:
        for subject in item.get("subjects", []):
            if subject["name"] == APP_USER:
                subject["name"] = app_user
                item["metadata"]["name"] += beside
    return items


async def apply(api: Api, items: Iterable[Object]) -> None:
    """Create or update the objects. Safe to repeat.

    Raises:
        ApiError: the server refused an object; those before it are applied.
    """
    for item in items:
        await api.patch(_path(item), item, APPLY, fieldManager=_MANAGER, force="true")


def _path(item: Object) -> str:
    version, metadata = item["apiVersion"], item["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    space = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{root}{space}/{item['kind'].lower()}s/{metadata['name']}"
