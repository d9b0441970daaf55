"""Lists in the settings of what the app may touch or reach; everything is allowed only where `*` is written out."""

from collections.abc import Collection, Iterable

ANY = "*"


def allows(names: Collection[str], name: str) -> bool:
    """Whether a list allows a name."""
    return ANY in names or name in names


def named(names: Iterable[str]) -> tuple[str, ...]:
    """What a list names, `*` left out."""
    return tuple(name for name in names if name != ANY)


def account_of(connection: str) -> str:
    """The account that a storage connection string names; empty when it names none."""
    parts = (part.partition("=") for part in connection.split(";"))
    return next((value.strip() for name, _, value in parts if name.strip().lower() == "accountname"), "")
