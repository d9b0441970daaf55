"""A database's totals: from its `.njs`/`.pjs`, else from the first bytes of each volume's index file.

Index file (`.nin`, `.pin`), versions 4 and 5, as BLAST+ writes it: big-endian int32 version, int32 type (0 nucleotide,
1 protein), in version 5 int32 volume number, then length-prefixed title, in version 5 length-prefixed `.ndb` name,
length-prefixed date, int32 sequences, *little-endian* int64 letters, int32 longest. Checked against `blastdbcmd -info`.
"""

from collections.abc import Iterable
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.blastdb.volumes import Molecule
from shared.errors import Code, Unusable

INDEX_HEAD_BYTES = 8192
"""How much of an index file holds its header; titles are short sentences."""

_TYPES: dict[int, Molecule] = {0: "nucl", 1: "prot"}

type Positive = Annotated[int, Field(gt=0)]
# In a statistics file a zero says "not counted", and is as good as absent.
type Counted = Annotated[Positive | None, BeforeValidator(lambda value: value or None)]


class Statistics(BaseModel):
    """Totals of a whole database, of one generation; never of a shard."""

    model_config = ConfigDict(frozen=True)

    sequences: Positive
    letters: Positive
    source: Literal["njs", "index"]
    bytes_to_cache: Positive | None = None
    bytes_total: Positive | None = None


class StatisticsFile(BaseModel):
    """What `.njs`/`.pjs` says. Any number may be missing: older writers knew fewer."""

    model_config = ConfigDict(frozen=True)

    volumes: Counted = Field(None, alias="number-of-volumes")
    sequences: Counted = Field(None, alias="number-of-sequences")
    letters: Counted = Field(None, alias="number-of-letters")
    bytes_to_cache: Counted = Field(None, alias="bytes-to-cache")
    bytes_total: Counted = Field(None, alias="bytes-total")

    def statistics(self) -> Statistics | None:
        """The totals, when both that decide e-values are there."""
        if self.sequences is None or self.letters is None:
            return None
        return Statistics(
            sequences=self.sequences,
            letters=self.letters,
            source="njs",
            bytes_to_cache=self.bytes_to_cache,
            bytes_total=self.bytes_total,
        )


class VolumeTotals(NamedTuple):
    """What one volume's index header says."""

    sequences: int
    letters: int


def parse_statistics_file(db: str, text: bytes) -> StatisticsFile:
    """Read a `.njs`/`.pjs`.

    Raises:
        Unusable: it is damaged. A damaged statistics file is never taken for a missing one: it could hide ghosts.
    """
    try:
        return StatisticsFile.model_validate_json(text)
    except ValidationError as error:
        raise Unusable(
            Code.UNREADABLE_STATISTICS,
            f"The statistics file (.njs or .pjs) of '{db}' cannot be read. Upload it anew, or remove it: the totals are then "
            "read from the volumes.",
            target=db,
        ) from error


def parse_index_head(head: bytes, molecule: Molecule) -> VolumeTotals | None:
    """One volume's totals from the first bytes of its index file; None when they are not such a header."""
    reader = _Reader(head)
    try:
        version = reader.int32()
        if version not in (4, 5) or _TYPES.get(reader.int32()) != molecule:
            return None
        if version == 5:  # noqa: PLR2004 - the format's own version number
            reader.int32()
        for _ in range(3 if version == 5 else 2):  # noqa: PLR2004 - title, .ndb name (version 5), date
            reader.skip_text()
        totals = VolumeTotals(sequences=reader.int32(), letters=reader.letters())
    except EOFError:
        return None
    return totals if min(totals) >= 0 else None


def add_up(volumes: Iterable[VolumeTotals | None]) -> Statistics | None:
    """The database's totals from all of its volumes; None when one is unknown or nothing was counted."""
    sequences = letters = 0
    for volume in volumes:
        if volume is None:
            return None
        sequences += volume.sequences
        letters += volume.letters
    return Statistics(sequences=sequences, letters=letters, source="index") if sequences and letters else None


class _Reader:
    """Takes numbers off the front of a header.

    Raises:
        EOFError: by each method, when the header ends too soon or a length makes no sense.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, count: int) -> bytes:
        if count < 0 or self._at + count > len(self._data):
            raise EOFError
        self._at += count
        return self._data[self._at - count : self._at]

    def int32(self) -> int:
        return int.from_bytes(self._take(4), "big", signed=True)

    def letters(self) -> int:
        return int.from_bytes(self._take(8), "little", signed=True)

    def skip_text(self) -> None:
        self._take(self.int32())
