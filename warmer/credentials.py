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
        """The SAS without its question mark."""
        return self._sas

    def headers(self) -> dict[str, str]:
        """No headers: the query signs the request."""
        return {}


class WorkloadIdentity:
    """Tokens of the identity that the environment offers; azure-identity caches and renews them."""

    def __init__(self) -> None:
        # The import takes a quarter of a second and 30 MB. An agent with a SAS does not need it.
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415

        self._credential = DefaultAzureCredential(
            exclude_developer_cli_credential=True,
            exclude_powershell_credential=True,
            exclude_shared_token_cache_credential=True,
            exclude_visual_studio_code_credential=True,
        )

    def query(self) -> str:
        """No query: a header signs the request."""
        return ""

    def headers(self) -> dict[str, str]:
        """A bearer token."""
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - as above

        try:
            token = self._credential.get_token(_SCOPE).token
        except AzureError as error:
            # Federated credentials take as long to propagate as roles, so they get the same retries.
            raise RequestFailed(_UNAUTHORIZED, f"no token: {sanitised_line(str(error), 120)}") from error
        return {"Authorization": f"Bearer {token}"}


def credential(sas: str) -> Credential:
    """The credential: the SAS if there is one, else the workload identity."""
    return SharedAccessSignature(sas) if sas else WorkloadIdentity()
