"""Statistics: a database's totals, from its `.njs`/`.pjs`, else from the heads of its volumes' index files (`index_heads`)."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.blastdb.extensions import Molecule
from shared.blastdb.index_heads import INDEX_HEAD_BYTES, IndexHead, VolumeTotals, read_index_head
from shared.errors import Code, Unusable

__all__ = ["INDEX_HEAD_BYTES", "VolumeTotals"]

type Positive = Annotated[int, Field(gt=0)]
# In a statistics file zero means "not counted", the same as an absent number.
type Counted = Annotated[Positive | None, BeforeValidator(lambda value: value or None)]


class Statistics(BaseModel):
    """Totals of a whole database in one generation, never of a shard."""

    model_config = ConfigDict(frozen=True)

    sequences: Positive
    letters: Positive
    source: Literal["njs", "index"]
    bytes_to_cache: Positive | None = None
    bytes_total: Positive | None = None


class StatisticsFile(BaseModel):
    """The numbers in a `.njs`/`.pjs` file. Any may be missing, because older writers wrote fewer."""

    model_config = ConfigDict(frozen=True)

    volumes: Counted = Field(None, alias="number-of-volumes")
    sequences: Counted = Field(None, alias="number-of-sequences")
    letters: Counted = Field(None, alias="number-of-letters")
    bytes_to_cache: Counted = Field(None, alias="bytes-to-cache")
    bytes_total: Counted = Field(None, alias="bytes-total")

    def statistics(self) -> Statistics | None:
        """The totals; None unless the file has both numbers that decide e-values."""
        if self.sequences is None or self.letters is None:
            return None
        return Statistics(
            sequences=self.sequences,
            letters=self.letters,
            source="njs",
            bytes_to_cache=self.bytes_to_cache,
            bytes_total=self.bytes_total,
        )


def parse_statistics_file(db: str, text: bytes) -> StatisticsFile:
    """Read a `.njs`/`.pjs`.

    Raises:
        Unusable: the file is damaged. A damaged file never counts as a missing one, because it could hide ghosts.
    """
    try:
        return StatisticsFile.model_validate_json(text)
    except ValidationError as error:
        raise Unusable(
            Code.UNREADABLE_STATISTICS,
            f"The app cannot read the statistics file (.njs or .pjs) of '{db}'. Upload it again, or remove it: the app then "
            "reads the totals from the volumes.",
            target=db,
        ) from error


def parse_index_head(head: bytes, molecule: Molecule) -> VolumeTotals | None:
    """One volume's totals from the first bytes of its index file; None when these are not a whole header of this molecule."""
    found = read_index_head(head)
    return found.totals if isinstance(found, IndexHead) and found.molecule == molecule else None


def add_up(volumes: Iterable[VolumeTotals | None]) -> Statistics | None:
    """The database's totals from all of its volumes; None when a volume's are unknown or a sum is zero."""
    sequences = letters = 0
    for volume in volumes:
        if volume is None:
            return None
        sequences += volume.sequences
        letters += volume.letters
    return Statistics(sequences=sequences, letters=letters, source="index") if sequences and letters else None
