"""How runs and leases are called. A client can find a run without asking, and racing requests compute the same id."""

from hashlib import sha256
from typing import Literal

from shared.runs.leases import Kind

LEASE_ENTITY = "lease"
EXPIRY_ENTITY = "expiry"
NOTIFIER_ENTITY = "notifier"
UPLOAD_ENTITY = "upload"
_SLUG_LENGTH = 24


def lease_key(account: str, db: str) -> str:
    """The key of the lease of one database: the account in lower case, the database's name as it is."""
    return f"{account.lower()}:{db}"


def notify_id(run: str) -> str:
    """The id of the orchestration that posts a run's end."""
    return f"{run}-notify"


def operation_id(kind: Kind | Literal["settle"], account: str, db: str, number: int) -> str:
    """The operation id of a database's run `number`, which is the lease's epoch plus one: `shard-core-nt-1f3a…-7`.

    The readable part is lossy ('a.b' and 'a-b' give the same); the 16 hex digits of a hash tell them apart. Instance ids
    forbid characters that names may have, therefore never the raw name.
    """
    slug = "".join(char if char.isalnum() else "-" for char in db.lower())[:_SLUG_LENGTH].strip("-")
    digest = sha256(lease_key(account, db).encode()).hexdigest()[:16]
    return f"{kind}-{slug}-{digest}-{number}"
