"""Real BLAST databases of several volumes, made once by makeblastdb and kept in a cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.demo import sequences
from local.demo.blast import ProgramError, Search, run_program
from local.demo.sequences import Generator as SequenceGenerator
from local.demo.sequences import Recipe

if TYPE_CHECKING:
    from collections.abc import Generator


@dataclass(frozen=True, slots=True)
class Specimen:
    """A database to make, and what to prove with it."""

    recipe: Recipe
    volume_size: str
    """makeblastdb's -max_file_sz."""
    least_volumes: int
    shard_counts: tuple[int, ...]
    searches: tuple[Search, ...]


@dataclass(frozen=True, slots=True)
class Database:
    """A database on disk: its files in `folder`, its queries beside them."""

    specimen: Specimen
    folder: Path
    queries: Path

    @property
    def name(self) -> str:
        """The database's name, in storage too."""
        return self.specimen.recipe.db

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that belongs to the database, by name."""
        return tuple(sorted(self.folder.glob(f"{self.name}.*")))

    @property
    def volumes(self) -> tuple[str, ...]:
        """The volumes' names, in order."""
        return tuple(file.stem for file in self.files if file.suffix in {".nsq", ".psq"})

    @property
    def total_bytes(self) -> int:
        """All files together."""
        return sum(file.stat().st_size for file in self.files)


NUCLEOTIDE = Specimen(
    Recipe(
        db="demo_nt",
        molecule="nucl",
        seed=11,
        subjects=2000,
        subject_letters=(800, 9000),
        long_subjects=18,
        long_letters=(300_000, 1_100_000),
        ancestor_letters=(2400, 1200, 700, 350, 150, 60),
        copies=140,
    ),
    volume_size="300KB",
    least_volumes=12,
    shard_counts=(3, 8),
    searches=(Search("blastn", "blastn"), Search("blastn", "megablast")),
)
PROTEIN = Specimen(
    Recipe(
        db="demo_prot",
        molecule="prot",
        seed=12,
        subjects=5000,
        subject_letters=(80, 700),
        long_subjects=70,
        long_letters=(5000, 35_000),
        ancestor_letters=(900, 450, 260, 140, 70),
        copies=160,
    ),
    volume_size="500KB",
    least_volumes=5,
    shard_counts=(5,),
    searches=(Search("blastp", "blastp"),),
)
SPECIMENS = (NUCLEOTIDE, PROTEIN)
ARRIVING = Specimen(
    Recipe(
        db="demo_new",
        molecule="prot",
        seed=13,
        subjects=1500,
        subject_letters=(80, 700),
        long_subjects=12,
        long_letters=(5000, 25_000),
        ancestor_letters=(450, 260, 140),
        copies=90,
    ),
    volume_size="250KB",
    least_volumes=3,
    shard_counts=(3,),
    searches=(Search("blastp", "blastp"),),
)
"""Is uploaded, and nothing is asked for."""


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
    database = Database(specimen, place / "db", place / "queries.fa")
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
    generator = SequenceGenerator(recipe)
    (place / "queries.fa").write_bytes(b"".join(generator.queries()))
    source = place / "subjects.fa"
    source.write_bytes(b"".join(generator.subjects()))
    kind = ["-dbtype", recipe.molecule, "-parse_seqids", "-max_file_sz", specimen.volume_size, "-title", recipe.db]
    # Relative paths and a working folder: BLAST+ splits the paths it is given at spaces.
    paths = ["-in", "../subjects.fa", "-out", recipe.db, "-logfile", "../makeblastdb.log"]
    await run_program(["makeblastdb", *kind, *paths], folder)
    source.unlink()
