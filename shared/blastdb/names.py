"""Names that come from outside, each checked once, at the edge, with `fullmatch`.

One strict rule for database names serves every entrance (the replaced system had two that disagreed, and matched with
`$`, which lets a trailing newline through).
"""

import re

_DATABASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}")
_RESERVED = frozenset({"metadata", "custom_db", "custom-db-build"})
# Each pattern is a name that another part of the system would read as something else.
_MISREAD = (
    (re.compile(r".*_shard_\d+"), "ends like a shard ('_shard_' and digits), and consumers would look for its parent"),
    (re.compile(r"\d+shards"), "is the name of a layout folder"),
    (re.compile(r".*-metadata\.json"), "is the name of a metadata blob"),
)

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_SUBSCRIPTION = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_RESOURCE_GROUP = re.compile(r"[A-Za-z0-9._\-()]{0,89}[A-Za-z0-9_\-()]")

_SNAPSHOT = re.compile(r"[0-9A-Za-z][0-9A-Za-z_\-]{0,63}")
_CLUSTER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_\-]{0,61}[A-Za-z0-9])?")


class InvalidNameError(ValueError):
    """A name that is refused; the message says why, without repeating more of it than is safe to show."""


def database_name(text: str) -> str:
    """The text itself, when it can name a database everywhere in the system.

    Raises:
        InvalidNameError: too long, a character that is not allowed, or a name that would be misread elsewhere.
    """
    if not _DATABASE.fullmatch(text):
        raise InvalidNameError(
            "a database name has 1 to 64 characters, letters, digits, '.', '_' and '-', and begins with a letter or digit"
        )
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


def account_name(text: str) -> str:
    """The text itself, when it is a storage account's name.

    Raises:
        InvalidNameError: it is not.
    """
    if not _ACCOUNT.fullmatch(text):
        raise InvalidNameError("a storage account name has 3 to 24 lower-case letters and digits")
    return text


def subscription_id(text: str) -> str:
    """The text itself, when it has the form of a GUID.

    Raises:
        InvalidNameError: it has not.
    """
    if not _SUBSCRIPTION.fullmatch(text):
        raise InvalidNameError("a subscription id is a GUID: 8-4-4-4-12 hexadecimal digits")
    return text


def resource_group(text: str) -> str:
    """The text itself, when it can name a resource group.

    Raises:
        InvalidNameError: it cannot.
    """
    if not _RESOURCE_GROUP.fullmatch(text):
        raise InvalidNameError(
            "a resource group name has 1 to 90 letters, digits, '.', '_', '-', '(' and ')', and does not end with '.'"
        )
    return text


def cluster_name(text: str) -> str:
    """The text itself, when it can name an AKS cluster.

    Raises:
        InvalidNameError: it cannot.
    """
    if not _CLUSTER.fullmatch(text):
        raise InvalidNameError("a cluster name has 1 to 63 letters, digits, '_' and '-', with a letter or digit at both ends")
    return text


def snapshot_name(text: str) -> str:
    """The text itself, when it can name a snapshot in NCBI's bucket (`2026-05-09-01-05-02`).

    Raises:
        InvalidNameError: it cannot.
    """
    if not _SNAPSHOT.fullmatch(text):
        raise InvalidNameError("a snapshot's name has 1 to 64 letters, digits, '_' and '-', and begins with a letter or digit")
    return text
