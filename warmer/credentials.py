"""Credentials for storage: a read-only SAS from a Secret, else the pod's workload identity."""

from typing import Protocol

from shared.sanitise import sanitised_line
from warmer.retrying import RequestFailed

_SCOPE = "https://storage.azure.com/.default"
_UNAUTHORIZED = 401


class Credential(Protocol):
    """Signs requests. Called by many threads at once."""

    def query(self) -> str:
        """The part of the URL's query that signs it, without a leading `&`; never log it."""
        ...

    def headers(self) -> dict[str, str]:
        """The headers that sign the request; never log them.

        Raises:
            RequestFailed: there is no token now.
        """
        ...


class SharedAccessSignature:
    """A SAS, with or without its leading question mark."""

    def __init__(self, sas: str) -> None:
        self._sas = sas.strip().lstrip("?")

    def query(self) -> str:
        """The signature."""
        return self._sas

    def headers(self) -> dict[str, str]:
        """None."""
        return {}


class WorkloadIdentity:
    """Tokens of the identity that the environment offers; azure-identity keeps and renews them."""

    def __init__(self) -> None:
        # A quarter of a second of imports and 30 MB, which an agent with a SAS does not need.
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415

        self._credential = DefaultAzureCredential(
            exclude_developer_cli_credential=True,
            exclude_powershell_credential=True,
            exclude_shared_token_cache_credential=True,
            exclude_visual_studio_code_credential=True,
        )

    def query(self) -> str:
        """None."""
        return ""

    def headers(self) -> dict[str, str]:
        """A bearer token."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - as above

        try:
            token = self._credential.get_token(_SCOPE).token
        except AzureError as error:
            # Federated credentials take as long to propagate as roles, and get the same retries.
            raise RequestFailed(_UNAUTHORIZED, f"no token: {sanitised_line(str(error), 120)}") from error
        return {"Authorization": f"Bearer {token}"}


def credential(sas: str) -> Credential:
    """The SAS where there is one, else the workload identity."""
    return SharedAccessSignature(sas) if sas else WorkloadIdentity()
