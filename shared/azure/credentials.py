"""Who the app is to Azure: its managed identity, a workload identity, or the developer who runs it."""

from functools import cache

from azure.identity.aio import DefaultAzureCredential


@cache
def credential(client_id: str | None) -> DefaultAzureCredential:
    """The process's one credential, which caches its tokens.

    Args:
        client_id: of a user-assigned identity; None lets the environment decide.
    """
    return DefaultAzureCredential(managed_identity_client_id=client_id, exclude_interactive_browser_credential=True)
