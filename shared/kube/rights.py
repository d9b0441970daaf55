"""The question to Kubernetes which rights the app lacks in a cluster.

Kubernetes answers by all its authorizers together, so the answer holds for roles of Kubernetes and roles of Azure alike. Every
caller may ask about itself (https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shared.kube import parsing
from shared.runs.warmup.rights import NEEDED, Right

if TYPE_CHECKING:
    from shared.kube.api import ApiServer

_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
_KIND = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}


async def missing(api: ApiServer, namespace: str) -> tuple[Right, ...]:
    """The needed rights that the app does not have, one call for each right, all at once.

    Raises:
        Misconfigured: the API server does not know the app.
        TransientFailure: the server is busy or out of reach; a retry helps.
    """
    allowed = await asyncio.gather(*(_is_allowed(api, namespace, right) for right in NEEDED))
    return tuple(right for right, has in zip(NEEDED, allowed, strict=True) if not has)


async def _is_allowed(api: ApiServer, namespace: str, right: Right) -> bool:
    place = {} if right.is_cluster_wide else {"namespace": namespace}
    asked = {"verb": right.verb, "group": right.group, "resource": right.resource, **place}
    reply = await api.create(_REVIEWS, {**_KIND, "spec": {"resourceAttributes": asked}})
    return parsing.part(reply, "status").get("allowed") is True
