"""Completeness of an upload: whether it has the files that BLAST requires of each volume and those that its papers list.

Volumes may differ in their files: makeblastdb writes masks and GIs only for volumes that have some. The papers are
`.njs`/`.pjs`, as makeblastdb and NCBI write them, or else the JSON file that NCBI publishes beside the files. Both count the
volumes; newer ones list every file.
"""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.blastdb.extensions import is_file_of, required
from shared.blastdb.volumes import Inventory, refuse_other_count
from shared.errors import Code, Unusable

_SHOWN = 5
PAPERS_LIMIT_BYTES = 4 * 1024 * 1024
"""The most bytes that are read of a papers file; every database's papers are far shorter."""

type _Counted = Annotated[int | None, BeforeValidator(lambda value: value or None)]


class Papers(BaseModel):
    """A database's papers. `files` are names or URLs; in NCBI's own papers they name archives and so prove nothing."""

    model_config = ConfigDict(frozen=True)

    volumes: _Counted = Field(None, alias="number-of-volumes")
    files: tuple[str, ...] = ()


def parse_papers(name: str, text: bytes) -> Papers:
    """Read a database's papers.

    Raises:
        Unusable: they are damaged or not yet complete.
    """
    try:
        return Papers.model_validate_json(text)
    except ValidationError as error:
        raise Unusable(Code.UNREADABLE_STATISTICS, f"The app cannot read '{name}'. Upload it again.", target=name) from error


def refuse_incomplete(inventory: Inventory, papers: Papers | None) -> None:
    """Refuse a database that still lacks a file.

    Raises:
        Unusable: a volume lacks a file, or the database has other volumes than its papers count or lacks a file they list.
    """
    db = inventory.volumes.db
    if papers is not None and papers.volumes is not None:
        refuse_other_count(inventory.volumes, papers.volumes)
    listed = {leaf for file in (papers.files if papers else ()) if is_file_of(db, leaf := file.rpartition("/")[2])}
    _refuse_without(inventory, listed | _required(inventory))


def refuse_halves(inventory: Inventory) -> None:
    """Refuse a database that lacks what BLAST requires of every volume, whatever its papers say.

    Raises:
        Unusable: a volume lacks its index or its headers.
    """
    _refuse_without(inventory, _required(inventory))


def _refuse_without(inventory: Inventory, wanted: set[str]) -> None:
    db = inventory.volumes.db
    missing = sorted(wanted - {file.leaf for file in inventory.files})
    if missing:
        shown = ", ".join(missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise Unusable(Code.UPLOAD_INCOMPLETE, f"'{db}' lacks {shown}{more}. Upload what is missing.", target=db)


def _required(inventory: Inventory) -> set[str]:
    volumes = inventory.volumes
    extensions = required(volumes.molecule, "volume")
    return {f"{name}.{extension}" for name in volumes.names(0, volumes.count) for extension in extensions}
