"""Allow lists in the settings: accounts, clusters and hosts that the app may touch. Only an explicit `*` allows everything."""

from collections.abc import Collection, Iterable

ANY = "*"


def allows(names: Collection[str], name: str) -> bool:
    """Whether a list allows a name."""
    return ANY in names or name in names


def named(names: Iterable[str]) -> tuple[str, ...]:
    """The names of a list, without `*`."""
    return tuple(name for name in names if name != ANY)


def account_of(connection: str) -> str:
    """The account name in a storage connection string; empty when the string has none."""
    parts = (part.partition("=") for part in connection.split(";"))
    return next((value.strip() for name, _, value in parts if name.strip().lower() == "accountname"), "")
