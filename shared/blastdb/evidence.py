"""What is read of a database before its papers are judged, and from which of its files.

The papers are the alias (`.nal`), the volume table (in `.ndb`), the statistics file (`.njs`), and their kin of proteins.
"""

from collections.abc import Iterable
from typing import NamedTuple

from shared.blastdb.alias_file import AliasFile
from shared.blastdb.extensions import required
from shared.blastdb.index_heads import IndexHead
from shared.blastdb.statistics import StatisticsFile
from shared.blastdb.volume_table import VolumeTable
from shared.blastdb.volumes import ALIAS_EXTENSION, INDEX_EXTENSION, ListedFile, VolumeSet


class PaperFiles(NamedTuple):
    """The files to read. `heads` are the index files, one a volume, in order; None stands for what is not there."""

    alias: ListedFile | None
    table: ListedFile | None
    statistics: ListedFile | None
    heads: tuple[ListedFile | None, ...]


class Evidence(NamedTuple):
    """What was read. None stands for what there is not, or was not asked for; it contradicts nothing.

    `heads` has one entry a volume, in order, or none at all.
    """

    volumes: VolumeSet
    alias: AliasFile | None = None
    table: VolumeTable | None = None
    statistics: StatisticsFile | None = None
    heads: tuple[IndexHead | None, ...] = ()

    @property
    def stored(self) -> tuple[str, ...]:
        """The volumes in storage."""
        return self.volumes.names(0, self.volumes.count)

    @property
    def named(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Which papers name volumes, and which volumes."""
        alias = ((alias_leaf(self.volumes), self.alias.names),) if self.alias else ()
        return (*alias, *(((table_leaf(self.volumes), self.table.names),) if self.table else ()))


def alias_leaf(volumes: VolumeSet) -> str:
    """The name of the database's alias."""
    return f"{volumes.db}.{ALIAS_EXTENSION[volumes.molecule]}"


def table_leaf(volumes: VolumeSet) -> str:
    """The name of the file that holds the volume table."""
    (extension,) = required(volumes.molecule, "database")
    return f"{volumes.db}.{extension}"


def statistics_leaf(volumes: VolumeSet) -> str:
    """The name of the statistics file."""
    return f"{volumes.db}.{'njs' if volumes.molecule == 'nucl' else 'pjs'}"


def paper_files(volumes: VolumeSet, files: Iterable[ListedFile]) -> PaperFiles:
    """The files of a listing that the app reads before it judges the database."""
    by_leaf = {file.leaf: file for file in files}
    index = INDEX_EXTENSION[volumes.molecule]
    return PaperFiles(
        alias=by_leaf.get(alias_leaf(volumes)),
        table=by_leaf.get(table_leaf(volumes)),
        statistics=by_leaf.get(statistics_leaf(volumes)),
        heads=tuple(by_leaf.get(f"{name}.{index}") for name in volumes.names(0, volumes.count)),
    )
