"""Real BLAST databases of several volumes, made once by makeblastdb and kept in a cache folder. `specimens` describes them."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.demo import sequences
from local.demo.blast import ProgramError, Search, run_program

if TYPE_CHECKING:
    from collections.abc import Generator

    from local.demo.sequences import Recipe
    from local.demo.skewed import SkewedRecipe

_MASKERS = {"nucl": "dustmasker", "prot": "segmasker"}


@dataclass(frozen=True, slots=True)
class Specimen:
    """A database to make, and the searches to prove with it."""

    recipe: Recipe | SkewedRecipe
    volume_size: str
    """makeblastdb's -max_file_sz."""
    least_volumes: int
    shard_counts: tuple[int, ...]
    searches: tuple[Search, ...]
    masked_from_letters: int | None = None
    """Sequences with at least this many letters get the masks that BLAST+'s masking program finds; None for no masks."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database on disk: its files in `folder`, its queries beside them."""

    specimen: Specimen
    folder: Path
    queries: Path
    """Of the database's own molecule."""

    @property
    def name(self) -> str:
        """The database's name, in storage too."""
        return self.specimen.recipe.db

    def queries_for(self, how: Search) -> Path:
        """The queries that a program takes."""
        return self.queries.with_name(f"queries.{how.query_molecule}.fa")

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the database, sorted by name."""
        return tuple(sorted(self.folder.glob(f"{self.name}.*")))

    @property
    def volumes(self) -> tuple[str, ...]:
        """The volumes' names, in order."""
        return tuple(file.stem for file in self.files if file.suffix in {".nsq", ".psq"})

    @property
    def total_bytes(self) -> int:
        """The bytes of all files together."""
        return sum(file.stat().st_size for file in self.files)


async def make(specimen: Specimen, cache: Path) -> Database:
    """The database, from the cache when it is there.

    Raises:
        ProgramError: makeblastdb failed, or made fewer volumes than the proof needs.
    """
    key = hashlib.sha256(f"{sequences.VERSION} {specimen}".encode()).hexdigest()[:12]
    place = cache / f"{specimen.recipe.db}-{key}"
    if not place.exists():
        with _workshop(cache) as unfinished:
            await _build(specimen, unfinished)
            _move(unfinished, place)
    database = Database(specimen, place / "db", place / f"queries.{specimen.recipe.molecule}.fa")
    if len(database.volumes) < specimen.least_volumes:
        raise ProgramError(f"makeblastdb made {len(database.volumes)} volumes of {database.name}, not {specimen.least_volumes}")
    return database


@contextlib.contextmanager
def _workshop(cache: Path) -> Generator[Path]:
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        yield Path(folder) / "unfinished"


def _move(unfinished: Path, place: Path) -> None:
    """Give a complete database its name. Of two jobs that made it at once, the second one's is dropped."""
    try:
        unfinished.rename(place)
    except OSError:
        if not place.exists():
            raise


async def _build(specimen: Specimen, place: Path) -> None:
    recipe = specimen.recipe
    folder = place / "db"
    folder.mkdir(parents=True)
    generator = recipe.generator()
    for molecule, queries in generator.queries().items():
        (place / f"queries.{molecule}.fa").write_bytes(queries)
    source = place / "subjects.fa"
    records = list(generator.subjects())
    source.write_bytes(b"".join(records))
    kind = ["-dbtype", recipe.molecule, "-parse_seqids", "-max_file_sz", specimen.volume_size, "-title", recipe.db]
    if specimen.masked_from_letters is not None:
        (place / "maskable.fa").write_bytes(b"".join(one for one in records if len(one) >= specimen.masked_from_letters))
        form = ["-infmt", "fasta", "-parse_seqids", "-outfmt", "maskinfo_asn1_bin"]
        await run_program([_MASKERS[recipe.molecule], "-in", "../maskable.fa", *form, "-out", "../masks.asnb"], folder)
        kind += ["-mask_data", "../masks.asnb"]
    # Relative paths and a working folder: BLAST+ splits the paths it is given at spaces.
    paths = ["-in", "../subjects.fa", "-out", recipe.db, "-logfile", "../makeblastdb.log"]
    await run_program(["makeblastdb", *kind, *paths], folder)
    source.unlink()
