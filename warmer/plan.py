"""The plan of files that a node needs for its shards: each shard's volumes, and the database-level files once. Pure.

The closed table of `shared.blastdb.extensions` says which files are BLAST's. Any other file beside a database stays in storage.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from shared.agent.report import Reason
from shared.blastdb.extensions import TAXONOMY, Molecule, companions, place_of, required
from shared.blastdb.listings import ListedBlob
from warmer.failures import WarmFailure


class Wanted(NamedTuple):
    """One file of the plan; `shard` is None for a file that all shards of the database share."""

    blob: ListedBlob
    shard: int | None

    @property
    def leaf(self) -> str:
        """The file's name on the node."""
        return self.blob.leaf


def plan_files(db: str, molecule: Molecule, shards: Mapping[int, Sequence[str]], blobs: Iterable[ListedBlob]) -> list[Wanted]:
    """The database's own files that a node with these shards needs: the shared ones first, then shard by shard.

    Args:
        db: the database.
        molecule: its molecule type.
        shards: for each shard's index, its volumes.
        blobs: the listing; files of other databases in it are ignored.

    Raises:
        WarmFailure: MissingFile: storage lacks a file without which a search fails or is wrong.
    """
    whole: dict[str, ListedBlob] = {}
    by_volume: dict[str, dict[str, ListedBlob]] = {}
    for blob in blobs:
        place = place_of(db, blob.leaf) if blob.name == f"{db}/{blob.leaf}" else None
        if place is not None and place.kind.molecule == molecule:
            stem = db if place.number is None else f"{db}.{place.number}"
            files = whole if place.kind.level == "database" else by_volume.setdefault(stem, {})
            files[place.kind.extension] = blob
    _require(db, whole, required(molecule, "database"))
    wanted = [Wanted(whole[extension], None) for extension in companions(molecule) if extension in whole]
    for index, names in sorted(shards.items()):
        for name in names:
            files = by_volume.get(name, {})
            _require(name, files, required(molecule, "volume"))
            wanted += [Wanted(blob, index) for _, blob in sorted(files.items())]
    return wanted


def plan_taxonomy(blobs: Iterable[ListedBlob], held: Mapping[str, datetime]) -> list[Wanted]:
    """The taxonomy files to fetch: groups that are newer, by the listing's Last-Modified, than those on the node.

    Databases bring different versions of these files. The newest version wins, so that two agents never replace each other's
    files in turns. A group is as old as its oldest file, and the agent fetches a whole group.

    Args:
        blobs: the taxonomy files in this database's folder.
        held: for each intact file on the node, its name and the Last-Modified of the blob that it came from.
    """
    by_leaf = {blob.leaf: blob for blob in blobs}
    wanted: list[Wanted] = []
    for group in TAXONOMY:
        brought = [by_leaf[leaf] for leaf in group if leaf in by_leaf]
        if not brought:
            continue
        present = [held[blob.leaf] for blob in brought if blob.leaf in held]
        if len(present) < len(brought) or min(blob.modified for blob in brought) > min(present):
            wanted += [Wanted(blob, None) for blob in brought]
    return wanted


def _require(stem: str, files: Mapping[str, ListedBlob], extensions: Iterable[str]) -> None:
    missing = [f"{stem}.{extension}" for extension in extensions if extension not in files]
    if missing:
        raise WarmFailure(Reason.MISSING_FILE, f"Storage lacks {', '.join(missing)}, without which no search works.")
