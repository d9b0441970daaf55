"""Which files are BLAST's: a closed table of extensions by molecule, version and level, and what a file's name is by it.

Nothing but what the table names is a database's file: `nt.fasta`, `nt.zip`, `nt.00.tar.gz` and `nt-nucl-metadata.json` beside
a database are not. Source: NCBI's C++ Toolkit, `src/objtools/blast`: `seqdb_reader/seqdbcommon.cpp`
(`SeqDB_GetFileExtensions`, `SeqDB_GetLMDBFileExtensions`), `seqdb_writer/writedb_volume.cpp` (what a volume writes),
`seqdb_writer/writedb_lmdb.cpp`; profile files from `blastdbconvert`. Checked against makeblastdb 2.12.

Not in it: LMDB's left-over `.ndb-lock` and `.ntf-lock`, and files that bear another name than the database's (lists of GIs
and masks that an alias names). Columns beyond the first (`.nba`, …) are in no list of NCBI's, and no search reads them.
"""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

type Molecule = Literal["nucl", "prot"]
type Level = Literal["volume", "database", "shared"]
type Version = Literal[4, 5]


class FileKind(NamedTuple):
    """One kind of file. `required` says that BLAST opens no volume, or in version 5 no database, without it."""

    extension: str
    molecule: Molecule
    level: Level
    versions: tuple[Version, ...]
    required: bool
    what: str


class Place(NamedTuple):
    """What a file is to a database. `number` is its volume's as spelled (`00`), None where the name is the database's own.

    A single volume bears the database's own name: `nt.nsq` is of the level `volume` and has no number.
    """

    kind: FileKind
    number: str | None


_BOTH: tuple[Version, ...] = (4, 5)
_LETTERS: dict[Molecule, str] = {"nucl": "n", "prot": "p"}
# What follows the molecule's letter; level, versions, required.
_BY_MOLECULE: tuple[tuple[str, Level, tuple[Version, ...], bool, str], ...] = (
    ("in", "volume", _BOTH, True, "index: counts, and where each sequence lies"),
    ("hr", "volume", _BOTH, True, "headers: identifiers and titles"),
    ("sq", "volume", _BOTH, True, "sequences"),
    ("og", "volume", _BOTH, False, "GI of each sequence"),
    ("ni", "volume", _BOTH, False, "GIs, index; only of volumes that have some"),
    ("nd", "volume", _BOTH, False, "GIs, data; only of volumes that have some"),
    ("si", "volume", (4,), False, "accessions, index"),
    ("sd", "volume", (4,), False, "accessions, data"),
    ("pi", "volume", _BOTH, False, "protein identity groups, index"),
    ("pd", "volume", _BOTH, False, "protein identity groups, data"),
    ("hi", "volume", _BOTH, False, "hashes of sequences, index"),
    ("hd", "volume", _BOTH, False, "hashes of sequences, data"),
    ("ti", "volume", _BOTH, False, "trace identifiers, index"),
    ("td", "volume", _BOTH, False, "trace identifiers, data"),
    ("aa", "volume", _BOTH, False, "masks, index; only of volumes that have some"),
    ("ab", "volume", _BOTH, False, "masks, big-endian data; only of volumes that have some"),
    ("ac", "volume", _BOTH, False, "masks, little-endian data; only of volumes that have some"),
    ("xm", "volume", _BOTH, False, "which sequences are not model sequences"),
    ("al", "database", _BOTH, False, "alias: the volumes, title, lists that limit it"),
    ("db", "database", (5,), True, "LMDB: the volume table, and accessions"),
    ("os", "database", (5,), False, "accessions of each sequence"),
    ("ot", "database", (5,), False, "taxids of each sequence"),
    ("tf", "database", (5,), False, "LMDB: where each taxid's sequences are listed"),
    ("to", "database", (5,), False, "sequences of each taxid"),
    ("js", "database", _BOTH, False, "statistics and list of files, as JSON"),
)
# Beside a protein volume of profiles, for rpsblast.
_PROFILES = ("rps", "loo", "aux", "freq", "blocks", "wcounts", "obsr")

FILE_KINDS: tuple[FileKind, ...] = tuple(
    FileKind(_LETTERS[molecule] + suffix, molecule, level, versions, required, what)
    for molecule in _LETTERS
    for suffix, level, versions, required, what in _BY_MOLECULE
) + tuple(FileKind(extension, "prot", "volume", _BOTH, required=False, what="profiles, for rpsblast") for extension in _PROFILES)

TAXONOMY = (("taxdb.btd", "taxdb.bti"), ("taxonomy4blast.sqlite3",))
"""Files that databases bring along under one name for all of them. Those of one group belong together."""

_SHARED = frozenset(leaf for group in TAXONOMY for leaf in group)
_KINDS = {kind.extension: kind for kind in FILE_KINDS}
_REST = re.compile(r"(?:([0-9]+)\.)?([a-z]+)")
_NAME = re.compile(r"(.+?)(?:\.([0-9]+))?\.([a-z]+)")


def place_of(db: str, leaf: str) -> Place | None:
    """What a file is to a database, by its name; None when it is not the database's own.

    A database-level file with a number (`release.10.ndb`) is of the database that is called so, and not of `release`.
    """
    if not leaf.startswith(f"{db}."):
        return None
    match = _REST.fullmatch(leaf, len(db) + 1)
    kind = _KINDS.get(match[2]) if match else None
    if match is None or kind is None or (match[1] is not None and kind.level != "volume"):
        return None
    return Place(kind, match[1])


def is_file_of(db: str, leaf: str) -> bool:
    """Whether a file is the database's own: `nt.nal` and `nt.00.nsq` are `nt`'s; `nt_euk.nal`, taxonomy, archives are not."""
    return place_of(db, leaf) is not None


def is_shared(leaf: str) -> bool:
    """Whether databases share the file of this name."""
    return leaf in _SHARED


def level_of(db: str, leaf: str) -> Level | None:
    """The level of a file in a database's folder; None when it is neither the database's nor shared by databases."""
    place = place_of(db, leaf)
    return place.kind.level if place else "shared" if is_shared(leaf) else None


def extensions(molecule: Molecule, level: Level, version: Version = 5) -> tuple[str, ...]:
    """Every extension that a database of this kind may have at this level."""
    return tuple(
        kind.extension for kind in FILE_KINDS if kind.molecule == molecule and kind.level == level and version in kind.versions
    )


def required(molecule: Molecule, level: Level, version: Version = 5) -> tuple[str, ...]:
    """The extensions without which BLAST opens no volume, or no database."""
    wanted = extensions(molecule, level, version)
    return tuple(extension for extension in wanted if _KINDS[extension].required)


def companions(molecule: Molecule) -> tuple[str, ...]:
    """The database-level extensions that a node needs once beside its shards; not the alias, each shard has its own."""
    return tuple(extension for extension in extensions(molecule, "database") if not extension.endswith("al"))


def databases_among(leaves: Iterable[str]) -> tuple[str, ...]:
    """The databases whose files are in a folder, by these names; what is not BLAST's says nothing.

    `x.10.nsq` is volume 10 of `x`, or the one volume of a database `x.10`: of the latter where that has a file of its own.
    """
    found = [(match[1], match[2], kind) for leaf in leaves if (match := _NAME.fullmatch(leaf)) and (kind := _KINDS.get(match[3]))]
    names = {base if number is None else f"{base}.{number}" for base, number, kind in found if kind.level == "database"}
    for base, number, _ in found:
        if number is None or f"{base}.{number}" not in names:
            names.add(base)
    return tuple(sorted(names))
