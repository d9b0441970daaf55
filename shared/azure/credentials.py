"""Who the app is to Azure: its managed identity, a workload identity, or the developer who runs it."""

import importlib
from functools import cache
from typing import Any

from azure.core.credentials_async import AsyncTokenCredential
from azure.identity.aio import DefaultAzureCredential

from shared.settings import Settings

AKS_SCOPE = "6dae42f8-4368-4678-94ff-3960e28e3630/.default"
"""The AKS server application of Microsoft Entra, whose tokens every AKS cluster with Entra accepts."""


def credential(settings: Settings) -> AsyncTokenCredential:
    """The process's one credential, which caches its tokens."""
    return _made_by(settings.credential) if settings.credential else _default(settings.client_id)


@cache
def _default(client_id: str | None) -> AsyncTokenCredential:
    return DefaultAzureCredential(managed_identity_client_id=client_id, exclude_interactive_browser_credential=True)


@cache
def _made_by(path: str) -> AsyncTokenCredential:
    module, _, name = path.partition(":")
    maker: Any = getattr(importlib.import_module(module), name)
    return maker()
