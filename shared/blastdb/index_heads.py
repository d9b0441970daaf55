"""What the head of a volume's index file says: version, molecule, totals, and the name of the database's LMDB file.

Index file (`.nin`, `.pin`), versions 4 and 5, as BLAST+ writes it: big-endian int32 version, int32 type (0 nucleotide,
1 protein), in version 5 int32 volume number, then length-prefixed title, in version 5 length-prefixed `.ndb` name,
length-prefixed date, int32 sequences, *little-endian* int64 letters, int32 longest. Checked against `blastdbcmd -info`.
"""

from typing import NamedTuple

from shared.blastdb.extensions import Molecule, Version
from shared.blastdb.reading import Reading, Span

INDEX_HEAD_BYTES = 8192
"""How much of an index file is read first. Most titles are short sentences, and then the head is among it."""

INDEX_HEAD_LIMIT_BYTES = 1024 * 1024
"""How long a head may be. A title comes from one argument of makeblastdb, by default `-in`, and Linux ends an argument at
128 KiB; what needs more is not a head."""

_READ_ON_BYTES = 1024
"""What follows a title: a file's name, a date and a few numbers."""

_TYPES: dict[int, Molecule] = {0: "nucl", 1: "prot"}
_VERSIONS: dict[int, Version] = {4: 4, 5: 5}
_LATEST: Version = 5


class VolumeTotals(NamedTuple):
    """What one volume's index header counts."""

    sequences: int
    letters: int


class IndexHead(NamedTuple):
    """The head of one volume's index. `volume` and `database_file` are None in version 4, which has neither.

    BLAST opens the LMDB file that `database_file` names, so it must be the database's.
    """

    version: Version
    molecule: Molecule
    volume: int | None
    title: str
    database_file: str | None
    date: str
    totals: VolumeTotals
    longest: int


class NeedsMore(NamedTuple):
    """The bytes read end within the head; the parser needs at least the first `size_bytes` of the file."""

    size_bytes: int


def read_index_head(head: bytes) -> IndexHead | NeedsMore | None:
    """The head, from the first bytes of an index file; None when they are not one."""
    reader = _Reader(head)
    try:
        return _read(reader)
    except EOFError:
        return NeedsMore(reader.wanted) if reader.wanted <= INDEX_HEAD_LIMIT_BYTES else None


def index_head(size_bytes: int) -> Reading[IndexHead | None]:
    """Read the head of an index file of this size: one read, or a second where a title is long.

    Returns:
        None when the file is no index, or ends too soon.
    """
    head = yield Span(0, min(size_bytes, INDEX_HEAD_BYTES))
    found = read_index_head(head)
    while isinstance(found, NeedsMore):
        if found.size_bytes > size_bytes:
            return None
        wanted = min(found.size_bytes + _READ_ON_BYTES, size_bytes) - len(head)
        more = yield Span(len(head), wanted)
        if len(more) != wanted:
            return None
        head += more
        found = read_index_head(head)
    return found


def _read(reader: "_Reader") -> IndexHead | None:
    version = _VERSIONS.get(reader.int32())
    molecule = _TYPES.get(reader.int32()) if version else None
    if version is None or molecule is None:
        return None
    is_latest = version == _LATEST
    head = IndexHead(
        version=version,
        molecule=molecule,
        volume=reader.int32() if is_latest else None,
        title=reader.text(),
        database_file=reader.text() if is_latest else None,
        date=reader.text(),
        totals=VolumeTotals(sequences=reader.int32(), letters=reader.letters()),
        longest=reader.int32(),
    )
    return head if min(*head.totals, head.longest, head.volume or 0) >= 0 else None


class _Reader:
    """Takes values off the front of a head. `wanted` is how many bytes the last one needed, from the start.

    Raises:
        EOFError: by each method, when the bytes end too soon or a length makes no sense.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self.wanted = 0

    def _take(self, count: int) -> bytes:
        self.wanted = self._at + count if count >= 0 else INDEX_HEAD_LIMIT_BYTES + 1
        if not self._at <= self.wanted <= len(self._data):
            raise EOFError
        taken, self._at = self._data[self._at : self.wanted], self.wanted
        return taken

    def int32(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def letters(self) -> int:
        return int.from_bytes(self._take(8), "little", signed=True)

    def text(self) -> str:
        # A date is padded with NULs, so that the arrays behind it are aligned.
        return self._take(self.int32()).decode(errors="replace").rstrip("\0")
