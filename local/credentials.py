"""Credentials with a fixed token, in place of Microsoft Entra ID, for use on one machine.

The app does not import this module. The local stack names it in the setting SHARDWARM_CREDENTIAL.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Self

from azure.core.credentials import AccessToken, AccessTokenInfo

if TYPE_CHECKING:
    from azure.core.credentials import TokenRequestOptions

LIFETIME_SECONDS = 3600


class StaticCredential:
    """Answers every scope with the same token; a credential of the synchronous Azure SDK."""

    def __init__(self, token: str, lifetime_seconds: int = LIFETIME_SECONDS) -> None:
        """Keep the token, unchanged.

        Args:
            token: what every call returns.
            lifetime_seconds: how long each token claims to be valid, from the moment of the call. With a short time, `requests`
                shows whether a client asks again before its token expires.
        """
        self.requests: list[tuple[str, ...]] = []
        """The scopes of every call, in order."""
        self._token = token
        self._lifetime_seconds = lifetime_seconds

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """The token, in the SDK's older form."""
        return AccessToken(self._token, self._asked(scopes))

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:  # noqa: ARG002
        """The token, in the SDK's newer form."""
        return AccessTokenInfo(self._token, self._asked(scopes))

    def close(self) -> None:
        """Nothing to close."""

    def _asked(self, scopes: tuple[str, ...]) -> int:
        self.requests.append(scopes)
        return int(time.time()) + self._lifetime_seconds


class AsyncStaticCredential:
    """The same for the asynchronous Azure SDK."""

    def __init__(self, token: str, lifetime_seconds: int = LIFETIME_SECONDS) -> None:
        """Keep the token, unchanged; see `StaticCredential`."""
        self._credential = StaticCredential(token, lifetime_seconds)
        self.requests = self._credential.requests

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """The token, in the SDK's older form."""
        return self._credential.get_token(*scopes)

    async def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """The token, in the SDK's newer form."""
        return self._credential.get_token_info(*scopes, options=options)

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def from_environment() -> AsyncStaticCredential:
    """The credential that `SHARDWARM_CREDENTIAL=local.credentials:from_environment` gives the app: LOCAL_ENTRA_TOKEN."""
    return AsyncStaticCredential(os.environ["LOCAL_ENTRA_TOKEN"])  # noqa: TID251 - read where it is chosen, by name
