"""Which files a node needs for its shards: each shard's volumes, and once what the whole database shares. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from shared.agent.report import Reason
from shared.blastdb.listings import ListedBlob
from shared.blastdb.volumes import Molecule
from warmer.failures import WarmFailure

_VOLUME_FILES: dict[Molecule, tuple[str, ...]] = {"nucl": ("nsq", "nin", "nhr"), "prot": ("psq", "pin", "phr")}
_DATABASE_FILE: dict[Molecule, str] = {"nucl": "ndb", "prot": "pdb"}
_COMPANIONS: dict[Molecule, tuple[str, ...]] = {
    "nucl": ("ndb", "ntf", "nto", "nos", "not", "njs"),
    "prot": ("pdb", "ptf", "pto", "pos", "pot", "pjs"),
}
_ALIASES = ("nal", "pal")
TAXONOMY = (("taxdb.btd", "taxdb.bti"), ("taxonomy4blast.sqlite3",))
"""Files that databases bring along under one name for all of them. Those of one group belong together."""

_SHARED = frozenset(leaf for group in TAXONOMY for leaf in group)


def is_shared(leaf: str) -> bool:
    """Whether databases share the file of this name."""
    return leaf in _SHARED


class Wanted(NamedTuple):
    """One file of the plan; `shard` is None for what all shards of the database share."""

    blob: ListedBlob
    shard: int | None

    @property
    def leaf(self) -> str:
        """The file's name on the node."""
        return self.blob.leaf


def plan_files(db: str, molecule: Molecule, shards: Mapping[int, Sequence[str]], blobs: Iterable[ListedBlob]) -> list[Wanted]:
    """The database's own files that a node with these shards needs, shard by shard, the shared ones first.

    Args:
        db: the database.
        molecule: of it.
        shards: index to volumes.
        blobs: the listing; files of other databases in it are passed over.

    Raises:
        WarmFailure: MissingFile: something without which a search fails or is wrong is not in storage.
    """
    by_stem: dict[str, dict[str, ListedBlob]] = {}
    for blob in blobs:
        stem, _, extension = blob.leaf.rpartition(".")
        if blob.name == f"{db}/{blob.leaf}" and extension not in _ALIASES:
            by_stem.setdefault(stem, {})[extension] = blob
    own = by_stem.get(db, {})
    _require(db, own, (_DATABASE_FILE[molecule],))
    shared = [Wanted(own[extension], None) for extension in _COMPANIONS[molecule] if extension in own]
    planned = {wanted.leaf for wanted in shared}
    volumes: list[Wanted] = []
    for index, names in sorted(shards.items()):
        for name in names:
            files = by_stem.get(name, {})
            _require(name, files, _VOLUME_FILES[molecule])
            # A single volume bears the database's own name: then its companions are among its files.
            volumes += [Wanted(blob, index) for _, blob in sorted(files.items()) if blob.leaf not in planned]
    return shared + volumes


def plan_taxonomy(blobs: Iterable[ListedBlob], held: Mapping[str, datetime]) -> list[Wanted]:
    """The taxonomy files to fetch: groups that are newer, by the listing's Last-Modified, than what the node holds.

    Databases bring different versions of them. The newest wins, whoever brings it, so that two agents never replace each
    other's in turns. A group counts as old as its oldest file, and is fetched whole.

    Args:
        blobs: the taxonomy files in this database's folder.
        held: file name to Last-Modified of the blob it came from, of what is on the node and intact.
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
        raise WarmFailure(Reason.MISSING_FILE, f"{', '.join(missing)} is not in storage, and no search works without it.")
