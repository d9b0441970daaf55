"""Instance ids of runs and keys of entities. A client computes an id without asking, and racing requests compute the same id."""

import re
from hashlib import sha256
from typing import Literal

from shared.runs.leases import Kind

LEASE_ENTITY = "lease"
EXPIRY_ENTITY = "expiry"
NOTIFIER_ENTITY = "notifier"
UPLOAD_ENTITY = "upload"
_SLUG_LENGTH = 24
_HASH_DIGITS = 16
# Durable Functions allows 100 characters. Longer keys make some of its storage providers fail as if they were out of reach.
_RUN_ID = re.compile(r"[A-Za-z0-9-]{1,100}")


def lease_key(account: str, db: str) -> str:
    """The key of the lease of one database: the account in lower case, the database's name as it is."""
    return f"{account.lower()}:{db}"


def notify_id(run: str) -> str:
    """The id of the orchestration that posts a run's end."""
    return f"{run}-notify"


def can_be_run_id(text: str) -> bool:
    """Whether a run can have this id: 1 to 100 ASCII letters, digits and hyphens. The engine is asked about no other."""
    return _RUN_ID.fullmatch(text) is not None


def operation_id(kind: Kind | Literal["settle"], account: str, db: str, number: int) -> str:
    """The operation id of a database's run `number`, which is the lease's epoch plus one: `shard-core-nt-1f3a…-7`."""
    name = slug_and_hash(db, lease_key(account, db), slug_length=_SLUG_LENGTH, hash_digits=_HASH_DIGITS)
    return f"{kind}-{name}-{number}"


def slug_and_hash(name: str, identity: str, *, slug_length: int, hash_digits: int) -> str:
    """A readable part made from the name, and hex digits of the identity's SHA-256: `core-nt-1f3a…`.

    The readable part is lossy ('a.b' and 'a-b' give the same); the hash tells them apart. Instance ids and Kubernetes names
    forbid characters that names may have, therefore neither ever holds the raw name.
    """
    slug = "".join(char if char.isascii() and char.isalnum() else "-" for char in name.lower())[:slug_length].strip("-")
    return f"{slug}-{sha256(identity.encode()).hexdigest()[:hash_digits]}"
