"""Who the app is to Azure: its managed identity, a workload identity, or the developer who runs it."""

import importlib
from functools import cache
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from shared.errors import Code, TransientFailure
from shared.sanitise import sanitised_line
from shared.settings import Settings

AKS_SCOPE = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
"""The AKS server application of Microsoft Entra, whose tokens every AKS cluster with Entra accepts."""


def credential(settings: Settings) -> AsyncTokenCredential:
    """The process's one credential, which caches its tokens."""
    return _made_by(settings.credential) if settings.credential else _default(settings.client_id)


def no_token(cluster: str, audience: str, error: AzureError) -> TransientFailure:
    """Our error for a credential's: there is no token for what has to do with a cluster.

    Always a passing one: the SDK says the same of an identity that the app lacks and of one whose endpoint is away.
    """
    reason = sanitised_line(str(error).split("\n", 1)[0], 160)
    message = f"The app gets no token for {audience} of '{cluster}': {reason} Try again; if that lasts, see the app's identity."
    return TransientFailure(Code.CLUSTER_UNAVAILABLE, message, target=cluster, retry_after_seconds=10)


@cache
def _default(client_id: str | None) -> AsyncTokenCredential:
    # Slow to import, and needed only where there is no connection string: here, a start is sooner done.
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

    return DefaultAzureCredential(managed_identity_client_id=client_id, exclude_interactive_browser_credential=True)


@cache
def _made_by(path: str) -> AsyncTokenCredential:
    module, _, name = path.partition(":")
    maker: Any = getattr(importlib.import_module(module), name)
    return maker()
