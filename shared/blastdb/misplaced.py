"""Files of databases in folders that are not theirs: which databases, where they are, and what to do about it.

A database's files are `{db}/{db}.…`. `viruses/viruses.fasta.nsq` and `2026-05-09/nt.00.nsq` are databases to BLAST, but no
listing finds them under a name that opens them.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shared.blastdb.blobs import STAGING
from shared.blastdb.extensions import FILE_KINDS, databases_among
from shared.blastdb.names import is_database_name

_TELLING = frozenset(kind.extension for kind in FILE_KINDS if kind.required or kind.extension in {"nal", "pal"})
"""Extensions that make a file a database's for certain; `.aux` and `.freq` are other programs' too."""
_SHOWN = 3


class Misplaced(NamedTuple):
    """A database whose files are in a place that is not its own: a folder without its last `/`; empty for the root."""

    place: str
    db: str


def misplaced(folder: str, names: Iterable[str]) -> tuple[Misplaced, ...]:
    """The databases whose files are in a folder, or below it, and should not be; by place and name.

    Args:
        folder: a folder at the container's root, without `/`; empty for the root itself.
        names: whole names of blobs. Staged files do not count.
    """
    leaves: dict[str, list[str]] = {}
    for name in names:
        place, _, leaf = name.rpartition("/")
        if leaf.rpartition(".")[2] in _TELLING and STAGING not in place.split("/"):
            leaves.setdefault(place, []).append(leaf)
    return tuple(
        Misplaced(place, db)
        for place in sorted(leaves)
        for db in databases_among(leaves[place])
        if place != db and (place == folder or place.startswith(f"{folder}/"))
    )


def no_database(folder: str, found: Sequence[Misplaced]) -> str:
    """Why a folder is no database although it holds databases' files, and what to do."""
    shown = ", ".join(f"'{one.db}'" for one in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"There is no database '{folder}': '{found[0].place}/' holds the files of {shown}{more}. {_remedy(found[0].db)}"


def elsewhere(found: Misplaced) -> str:
    """Where the files of a database are that is not found under its name, and what to do."""
    place = f"'{found.place}/'" if found.place else "the container's root"
    return f"There is no database '{found.db}' in '{found.db}/': its files are in {place}. {_remedy(found.db)}"


def _remedy(db: str) -> str:
    if not is_database_name(db):
        return f"'{db}' cannot name a database here: make it again under another name."
    return f"Move them to '{db}/', so that they are called {db}/{db}.*, then shard '{db}'."
