"""The app's Azure credential: its managed identity, a workload identity, or the developer who runs it."""

import importlib
from functools import cache
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError

from shared.errors import Code, TransientFailure
from shared.sanitise import sanitised_line
from shared.settings import Settings

AKS_SCOPE = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
"""Token scope of the AKS server application in Microsoft Entra. Every AKS cluster with Entra accepts its tokens."""


def credential(settings: Settings) -> AsyncTokenCredential:
    """The credential of this process. It caches its tokens."""
    return _made_by(settings.credential) if settings.credential else _default(settings.client_id)


def no_token(cluster: str, audience: str, error: AzureError) -> TransientFailure:
    """The error for a credential that gets no token for a cluster's API server or for ARM.

    It is always transient: the SDK reports a missing identity and an identity endpoint that is out of reach in the same way.
    """
    reason = sanitised_line(str(error).split("\n", 1)[0], 160)
    message = f"The app gets no token for {audience} of '{cluster}': {reason} Try again; if it lasts, check the app's identity."
    return TransientFailure(Code.CLUSTER_UNAVAILABLE, message, target=cluster, retry_after_seconds=10)


@cache
def _default(client_id: str | None) -> AsyncTokenCredential:
    # The import is slow, and an app with a connection string does not need it. Importing it here keeps the start short.
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415

    return DefaultAzureCredential(managed_identity_client_id=client_id, exclude_interactive_browser_credential=True)


@cache
def _made_by(path: str) -> AsyncTokenCredential:
    module, _, name = path.partition(":")
    maker: Any = getattr(importlib.import_module(module), name)
    return maker()
