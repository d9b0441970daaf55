"""Volumes of a database, found in one listing of its folder. Refuses a listing that would lose sequences.

A volume's sequence file (`.nsq`, `.psq`) marks it; an alias (`.nal`, `.pal`) is never a volume. Rules: contract 1.3, 12.4.
"""

from collections.abc import Iterable, Sequence
from itertools import count, islice
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from shared.blastdb.extensions import Molecule, Version, is_file_of, place_of, required
from shared.blastdb.versions import version_four
from shared.errors import Code, NotFound, Unusable

__all__ = ["Molecule", "is_file_of"]

MAX_VOLUMES = 1024
ALIAS_EXTENSION: dict[Molecule, str] = {"nucl": "nal", "prot": "pal"}
INDEX_EXTENSION: dict[Molecule, str] = {"nucl": "nin", "prot": "pin"}
_SEQUENCE_FILES: dict[str, Molecule] = {"nsq": "nucl", "psq": "prot"}
# A volume that has one of these but no sequence file is half uploaded.
_VOLUME_FILES = frozenset({"nin", "nhr", "pin", "phr"})
_OF_VOLUMES = _VOLUME_FILES | _SEQUENCE_FILES.keys()
_SHOWN = 5


class ListedFile(NamedTuple):
    """One file of a database as a listing gives it. `fingerprint` is its MD5 in hex, or its ETag if it has no MD5."""

    leaf: str
    size_bytes: int
    fingerprint: str


class VolumeSet(BaseModel):
    """The volumes 0..count-1 of a database. It is small enough for a payload, because the names follow from it.

    `digits` is the width of the shortest number (`core_nt.00` has 2, `nt.0` has 1); None when the database is a single
    volume that bears the database's own name. The padding does not change when numbers grow: `.100` follows `.99`.
    """

    model_config = ConfigDict(frozen=True)

    db: str
    molecule: Molecule
    count: int
    digits: int | None

    def name(self, index: int) -> str:
        """The base name of one volume, as BLAST and the manifests spell it."""
        return self.db if self.digits is None else f"{self.db}.{index:0{self.digits}d}"

    def names(self, start: int, stop: int) -> tuple[str, ...]:
        """The base names of the volumes start (included) to stop (excluded)."""
        return tuple(self.name(index) for index in range(start, stop))


class Inventory(NamedTuple):
    """The volumes and files in a listing of a database. `volume_bytes` has, for each volume, the bytes of all its files."""

    volumes: VolumeSet
    volume_bytes: tuple[int, ...]
    files: tuple[ListedFile, ...]

    @property
    def total_bytes(self) -> int:
        """The bytes of all files of the database, database-level files included."""
        return sum(file.size_bytes for file in self.files)


class _Found(NamedTuple):
    file: ListedFile
    number: str | None
    extension: str
    versions: tuple[Version, ...]


def take_inventory(db: str, listed: Iterable[ListedFile]) -> Inventory:
    """The database's volumes and files, if no sequence is missing.

    Raises:
        NotFound: the folder holds no file of this database.
        Unusable: a gap, more than one molecule type, names that contradict each other, a half-uploaded volume, no
            `.ndb`/`.pdb`, an empty file, too many volumes, or an alias over other databases. The message says which of these,
            and what to do.
    """
    found = _files_of(db, listed)
    if not found:
        raise NotFound(Code.DATABASE_NOT_FOUND, f"There is no database '{db}' in this account.", target=db)
    molecule, numbers = _markers(db, found)
    volumes = _volume_set(db, molecule, numbers)
    _refuse_halves(found, volumes)
    _refuse_empty(db, found)
    _refuse_without_database_file(found, volumes)
    files = tuple(sorted(item.file for item in found))
    return Inventory(volumes, _bytes_by_volume(found, volumes), files)


def files_of(db: str, listed: Iterable[ListedFile]) -> tuple[ListedFile, ...]:
    """The files in a listing that are the database's own. Refuses nothing."""
    return tuple(sorted(item.file for item in _files_of(db, listed)))


def molecule_of(db: str, leaves: Iterable[str]) -> Molecule:
    """The molecule type, from the names in (the first page of) a listing. A cheap check before a run starts.

    Raises:
        NotFound, Unusable: the listing has no volume; as `take_inventory`.
    """
    found = _files_of(db, (ListedFile(leaf, 0, "") for leaf in leaves))
    if not found:
        raise NotFound(Code.DATABASE_NOT_FOUND, f"There is no database '{db}' in this account.", target=db)
    return _markers(db, found)[0]


def refuse_other_count(volumes: VolumeSet, expected: int) -> None:
    """Refuse a database whose number of volumes differs from the one in its own `.njs`/`.pjs`.

    Raises:
        Unusable: storage has ghosts of an older generation, or volumes are missing.
    """
    if volumes.count > expected:
        ghosts = volumes.names(expected, min(volumes.count, expected + _SHOWN))
        raise Unusable(
            Code.GHOST_VOLUMES,
            f"'{volumes.db}' has {volumes.count} volumes in storage but its statistics file counts {expected}: "
            f"{_some(ghosts, volumes.count - expected)} belong to another generation. Remove them, or upload the matching "
            "statistics file.",
            target=volumes.db,
        )
    if volumes.count < expected:
        raise Unusable(
            Code.VOLUMES_MISSING,
            f"'{volumes.db}' has {volumes.count} volumes in storage but its statistics file counts {expected}. Upload the "
            "missing volumes.",
            target=volumes.db,
        )


def _files_of(db: str, listed: Iterable[ListedFile]) -> list[_Found]:
    found = ((file, place_of(db, file.leaf)) for file in listed)
    return [_Found(file, place.number, place.kind.extension, place.kind.versions) for file, place in found if place is not None]


def _markers(db: str, found: Sequence[_Found]) -> tuple[Molecule, list[str | None]]:
    markers: list[tuple[str | None, Molecule]] = [
        (item.number, _SEQUENCE_FILES[item.extension]) for item in found if item.extension in _SEQUENCE_FILES
    ]
    if not markers:
        extensions = {item.extension for item in found}
        if extensions & set(ALIAS_EXTENSION.values()) and not extensions & _VOLUME_FILES:
            raise Unusable(
                Code.ALIAS_ONLY,
                f"'{db}' is an alias over other databases and has no volumes of its own. Shard the databases that it names.",
                target=db,
            )
        raise Unusable(Code.NO_VOLUMES, f"'{db}' has no volume: no .nsq or .psq file. Upload all of it.", target=db)
    if len({molecule for _, molecule in markers}) > 1:
        raise Unusable(
            Code.MIXED_MOLECULE_TYPES,
            f"'{db}' holds nucleotide (.nsq) and protein (.psq) volumes. Keep each database under a name of its own.",
            target=db,
        )
    return markers[0][1], [number for number, _ in markers]


def _volume_set(db: str, molecule: Molecule, numbers: Sequence[str | None]) -> VolumeSet:
    numbered = sorted((int(number), number) for number in numbers if number is not None)
    if len(numbered) != len(numbers):
        if numbered:
            raise Unusable(
                Code.MIXED_VOLUME_NAMES,
                f"'{db}' is stored both as one volume and as numbered volumes. Remove the ones that are out of date.",
                target=db,
            )
        return VolumeSet(db=db, molecule=molecule, count=1, digits=None)
    if len(numbered) > MAX_VOLUMES:
        raise Unusable(
            Code.TOO_MANY_VOLUMES, f"'{db}' has {len(numbered)} volumes; the app handles at most {MAX_VOLUMES}.", target=db
        )
    volumes = VolumeSet(db=db, molecule=molecule, count=len(numbered), digits=min(len(text) for _, text in numbered))
    indices = {index for index, _ in numbered}
    missing = max(indices) + 1 - len(indices)
    if missing:
        absent = (volumes.name(index) for index in count() if index not in indices)
        raise _gap(volumes, tuple(islice(absent, min(missing, _SHOWN))), missing)
    if any(f"{db}.{text}" != volumes.name(index) for index, text in numbered):
        raise Unusable(
            Code.MIXED_VOLUME_NAMES,
            f"The volumes of '{db}' are numbered with different paddings. Upload them as one database.",
            target=db,
        )
    return volumes


def _refuse_halves(found: Sequence[_Found], volumes: VolumeSet) -> None:
    whole = set(volumes.names(0, volumes.count))
    named = {item.number for item in found if item.extension in _VOLUME_FILES and item.number is not None}
    halves = sorted(name for number in named if (name := f"{volumes.db}.{number}") not in whole)
    if halves:
        raise _gap(volumes, halves, len(halves))


def _refuse_empty(db: str, found: Sequence[_Found]) -> None:
    """Refuse empty volume files. No complete volume has one, and BLAST may go on searching without its sequences."""
    empty = sorted(item.file.leaf for item in found if item.extension in _OF_VOLUMES and not item.file.size_bytes)
    if empty:
        message = f"'{db}' has empty files: {_some(empty, len(empty))}. Upload them, or wait until the upload is complete."
        raise Unusable(Code.VOLUME_GAP, message, target=db)


def _gap(volumes: VolumeSet, missing: Sequence[str], total: int) -> Unusable:
    extension = "nsq" if volumes.molecule == "nucl" else "psq"
    return Unusable(
        Code.VOLUME_GAP,
        f"'{volumes.db}' lacks the sequence file (.{extension}) of {_some(missing, total)}. Upload it, or wait until "
        "the upload is complete.",
        target=volumes.db,
    )


def _refuse_without_database_file(found: Sequence[_Found], volumes: VolumeSet) -> None:
    (wanted,) = required(volumes.molecule, "database")
    if not any(item.extension == wanted for item in found):
        if any(item.versions == (4,) for item in found):
            raise version_four(volumes.db)
        raise Unusable(
            Code.MISSING_DATABASE_FILE,
            f"'{volumes.db}' lacks {volumes.db}.{wanted}, without which BLAST cannot open a shard. Upload it.",
            target=f"{volumes.db}.{wanted}",
        )


def _bytes_by_volume(found: Sequence[_Found], volumes: VolumeSet) -> tuple[int, ...]:
    sizes = [0] * volumes.count
    for item in found:
        if volumes.digits is None:
            sizes[0] += item.file.size_bytes
        elif item.number is not None and int(item.number) < volumes.count:
            sizes[int(item.number)] += item.file.size_bytes
    return tuple(sizes)


def _some(names: Sequence[str], total: int) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if total <= _SHOWN else f"{shown} and {total - _SHOWN} more"
