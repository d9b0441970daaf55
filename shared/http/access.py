"""Authorization by app role. With `SHARDWARM_AUTH=entra` the platform signs callers in and passes their roles on."""

import base64
import binascii
import json
from enum import StrEnum
from typing import Any

from shared.errors import Code, Forbidden
from shared.http.messages import Call
from shared.settings import Settings

_PRINCIPAL = "x-ms-client-principal"
_ROLE_CLAIMS = frozenset({"roles", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"})


class Role(StrEnum):
    """App roles of callers. `Admin` includes all others, and each of the others includes `Shards.Read`."""

    READ = "Shards.Read"
    WRITE = "Shards.Write"
    WARM = "Warmup.Write"
    ADMIN = "Admin"


_INCLUDED_IN: dict[Role, frozenset[Role]] = {
    Role.READ: frozenset({Role.READ, Role.WRITE, Role.WARM, Role.ADMIN}),
    Role.WRITE: frozenset({Role.WRITE, Role.ADMIN}),
    Role.WARM: frozenset({Role.WARM, Role.ADMIN}),
    Role.ADMIN: frozenset({Role.ADMIN}),
}


def require(call: Call, settings: Settings, role: Role) -> None:
    """Check that the caller has a role.

    The role header can be trusted only behind the platform's authentication, which removes it from outside requests. The app
    therefore reads it in that mode alone.

    Raises:
        Forbidden: the caller is not signed in, or lacks the role; the message names it.
    """
    if settings.auth == "function":
        return
    header = call.headers.get(_PRINCIPAL)
    if not header:
        raise Forbidden(Code.UNAUTHENTICATED, "Sign in: this app is behind Microsoft Entra authentication.")
    if not _roles(header) & {str(one) for one in _INCLUDED_IN[role]}:
        raise Forbidden(Code.MISSING_ROLE, f"This needs the app role {role.value}.", target=role.value)


def _roles(header: str) -> set[str]:
    try:
        principal: Any = json.loads(base64.b64decode(header, validate=True))
        return {str(claim["val"]) for claim in principal["claims"] if claim["typ"] in _ROLE_CLAIMS}
    except (binascii.Error, ValueError, KeyError, TypeError):
        return set()
