"""Validators of names in requests: database, storage account, subscription, resource group, cluster, snapshot.

Each name is checked once, where a request is parsed, with `fullmatch`. One strict rule for database names serves every route
(the replaced system had two that disagreed, and matched with `$`, which lets a trailing newline through).
"""

import re
from typing import NamedTuple

_RESERVED = frozenset({"metadata", "custom_db", "custom-db-build"})
# Each pattern is a name that another part of the system would read as something else.
_MISREAD = (
    (re.compile(r".*_shard_\d+"), "ends like a shard ('_shard_' and digits), and consumers would look for its parent"),
    (re.compile(r"\d+shards"), "is the name of a layout folder"),
    (re.compile(r".*-metadata\.json"), "is the name of a metadata blob"),
)


class InvalidNameError(ValueError):
    """A name that is refused; the message gives the rule and repeats only reserved names."""


class _Rule(NamedTuple):
    pattern: re.Pattern[str]
    message: str

    def __call__(self, text: str) -> str:
        """Return the text unchanged when the whole of it matches.

        Raises:
            InvalidNameError: it does not match.
        """
        if not self.pattern.fullmatch(text):
            raise InvalidNameError(self.message)
        return text


_database_characters = _Rule(
    re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}"),
    "a database name has 1 to 64 characters, letters, digits, '.', '_' and '-', and begins with a letter or digit",
)
account_name = _Rule(re.compile(r"[a-z0-9]{3,24}"), "a storage account name has 3 to 24 lower-case letters and digits")
subscription_id = _Rule(
    re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"),
    "a subscription id is a GUID: 8-4-4-4-12 hexadecimal digits",
)
resource_group = _Rule(
    re.compile(r"[A-Za-z0-9._\-()]{0,89}[A-Za-z0-9_\-()]"),
    "a resource group name has 1 to 90 letters, digits, '.', '_', '-', '(' and ')', and does not end with '.'",
)
cluster_name = _Rule(
    re.compile(r"[A-Za-z0-9]([A-Za-z0-9_\-]{0,61}[A-Za-z0-9])?"),
    "a cluster name has 1 to 63 letters, digits, '_' and '-', with a letter or digit at both ends",
)
snapshot_name = _Rule(  # in NCBI's bucket, such as 2026-05-09-01-05-02
    re.compile(r"[0-9A-Za-z][0-9A-Za-z_\-]{0,63}"),
    "a snapshot's name has 1 to 64 letters, digits, '_' and '-', and begins with a letter or digit",
)


def database_name(text: str) -> str:
    """Return the text unchanged when it can name a database everywhere in the system.

    Raises:
        InvalidNameError: too long, a character that is not allowed, or a name that would be misread elsewhere.
    """
    _database_characters(text)
    if ".." in text:
        raise InvalidNameError("a database name does not contain '..'")
    if text in _RESERVED:
        raise InvalidNameError(f"'{text}' is reserved for the system's own folders")
    for pattern, why in _MISREAD:
        if pattern.fullmatch(text):
            raise InvalidNameError(f"this name {why}; choose another")
    return text


def is_database_name(text: str) -> bool:
    """Whether `database_name` would accept the text; for names found in storage, which are skipped and not refused."""
    try:
        database_name(text)
    except InvalidNameError:
        return False
    return True
