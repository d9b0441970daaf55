"""Whether every file of an upload is there: what a volume must have, and what the database's own papers list.

The papers are `.njs`/`.pjs`, as makeblastdb and NCBI write them, or else the JSON file that NCBI publishes beside the files.
Both count the volumes; newer ones list every file.
"""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.blastdb.volumes import Inventory, Molecule, is_file_of, refuse_other_count
from shared.errors import Code, Unusable

_NEEDED: dict[Molecule, tuple[str, ...]] = {"nucl": ("nhr", "nin", "nsq"), "prot": ("phr", "pin", "psq")}
_SHOWN = 5
PAPERS_LIMIT_BYTES = 4 * 1024 * 1024
"""How much of papers is read, far more than any database has."""

type _Counted = Annotated[int | None, BeforeValidator(lambda value: value or None)]


class Papers(BaseModel):
    """What a database says of itself. `files` are names or URLs; NCBI's own list archives there, which say nothing."""

    model_config = ConfigDict(frozen=True)

    volumes: _Counted = Field(None, alias="number-of-volumes")
    files: tuple[str, ...] = ()


def parse_papers(name: str, text: bytes) -> Papers:
    """Read a database's papers.

    Raises:
        Unusable: they are damaged, or not yet whole.
    """
    try:
        return Papers.model_validate_json(text)
    except ValidationError as error:
        raise Unusable(Code.UNREADABLE_STATISTICS, f"'{name}' cannot be read. Upload it anew.", target=name) from error


def refuse_incomplete(inventory: Inventory, papers: Papers | None) -> None:
    """Refuse a database of which a file is still missing.

    Raises:
        Unusable: a volume lacks a file, or the database has other volumes than its papers count or lacks a file they list.
    """
    db = inventory.volumes.db
    if papers is not None and papers.volumes is not None:
        refuse_other_count(inventory.volumes, papers.volumes)
    listed = {leaf for file in (papers.files if papers else ()) if is_file_of(db, leaf := file.rpartition("/")[2])}
    # Without a list, what one volume has every volume must have.
    _refuse_without(inventory, listed | _companions(inventory, everywhere=not listed))


def refuse_halves(inventory: Inventory) -> None:
    """Refuse a database that lacks what every database has, whatever its papers say.

    Raises:
        Unusable: a volume lacks its index or its headers.
    """
    _refuse_without(inventory, _companions(inventory, everywhere=False))


def _refuse_without(inventory: Inventory, wanted: set[str]) -> None:
    db = inventory.volumes.db
    missing = sorted(wanted - {file.leaf for file in inventory.files})
    if missing:
        shown = ", ".join(missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise Unusable(Code.UPLOAD_INCOMPLETE, f"'{db}' lacks {shown}{more}. Upload what is missing.", target=db)


def _companions(inventory: Inventory, *, everywhere: bool) -> set[str]:
    volumes = inventory.volumes
    names = set(volumes.names(0, volumes.count))
    extensions = set(_NEEDED[volumes.molecule])
    if everywhere and volumes.digits is not None:
        parts = (file.leaf.rpartition(".") for file in inventory.files)
        extensions |= {extension for name, _, extension in parts if name in names}
    return {f"{name}.{extension}" for name in names for extension in extensions}
