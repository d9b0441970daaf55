"""The volume table in `.ndb`/`.pdb`: which volumes makeblastdb wrote, and how many sequences each has.

BLAST looks sequences up by it, and refuses to open more volumes than it names. The file is LMDB and may have gigabytes; its
tables `volname` and `volinfo` (integer keys from 0; a volume's name, and its number of sequences as int32) fit into a few
pages, which one to three reads of 64 KiB bring. Source: `writedb_lmdb.cpp` and `seqdb_lmdb.cpp` of NCBI's C++ Toolkit.
"""

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from shared.blastdb.lmdb_pages import LmdbError, LmdbFile, Record, Tree
from shared.blastdb.reading import Reading
from shared.errors import Code, Unusable

_NAMES, _COUNTS = b"volname", b"volinfo"
_MAX_TABLES = 64
"""Three are written: accessions, names, counts."""

_MAX_ROWS = 4096
_INT32 = 4


class TableRow(NamedTuple):
    """One volume: its base name, and its number of sequences."""

    name: str
    sequences: int


class VolumeTable(BaseModel):
    """All volumes, in the order of their numbers."""

    model_config = ConfigDict(frozen=True)

    rows: tuple[TableRow, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The volumes' base names."""
        return tuple(row.name for row in self.rows)

    @property
    def sequences(self) -> int:
        """All volumes together."""
        return sum(row.sequences for row in self.rows)


def volume_table(leaf: str, size_bytes: int) -> Reading[VolumeTable]:
    """Read the volume table of a `.ndb`/`.pdb` of this name and size.

    Raises:
        Unusable: it is damaged, or half there.
    """
    try:
        return (yield from _table(LmdbFile(size_bytes)))
    except LmdbError as error:
        raise Unusable(
            Code.UNREADABLE_PAPERS,
            f"'{leaf}' does not tell which volumes there are: {error}. Upload it again, or wait until the upload is complete.",
            target=leaf,
        ) from error


def _table(file: LmdbFile) -> Reading[VolumeTable]:
    main = yield from file.main()
    tables = {entry.key: entry.tree for entry in (yield from file.entries(main, _MAX_TABLES))}
    names = _by_number((yield from file.entries(_found(tables, _NAMES), _MAX_ROWS)))
    counts = _by_number((yield from file.entries(_found(tables, _COUNTS), _MAX_ROWS)))
    if len(names) != len(counts):
        raise LmdbError(f"it names {len(names)} volumes and counts {len(counts)}")
    rows = zip(names, counts, strict=True)
    return VolumeTable(rows=tuple(TableRow(name.decode(errors="replace"), _count(count)) for name, count in rows))


def _found(tables: dict[bytes, Tree | None], name: bytes) -> Tree:
    tree = tables.get(name)
    if tree is None:
        raise LmdbError(f"it has no table '{name.decode()}'")
    return tree


def _by_number(entries: list[Record]) -> list[bytes]:
    values = {int.from_bytes(entry.key, "little"): entry.value for entry in entries if len(entry.key) == _INT32}
    if sorted(values) != list(range(len(entries))):
        raise LmdbError("its volumes are not numbered from 0")
    return [values[number] for number in range(len(entries))]


def _count(value: bytes) -> int:
    count = int.from_bytes(value, "little", signed=True)
    if len(value) != _INT32 or count < 0:
        raise LmdbError("a volume's number of sequences is none")
    return count
