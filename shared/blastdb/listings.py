"""Listed blobs as values: what a listing of storage says of a database's files."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import md5
from typing import Literal, NamedTuple

from shared.blastdb.blobs import files_prefix, folder
from shared.blastdb.volumes import Inventory, ListedFile, take_inventory

type Obstacle = Literal["archived", "rehydrating", "encrypted", "not block"]
"""Why a blob cannot be read or written as this app needs it: its tier, an uploader's key, or an append or page blob."""


class ListedBlob(NamedTuple):
    """One blob as a listing gives it; `md5` is hex, None where the service keeps none; `modified` is to the second.

    `copying` says that a copy onto it has not ended; only listings that ask for copies know.
    """

    name: str
    size_bytes: int
    md5: str | None
    etag: str
    modified: datetime
    metadata: dict[str, str]
    copying: bool = False
    obstacle: Obstacle | None = None

    @property
    def leaf(self) -> str:
        """The name without its folder."""
        return self.name.rpartition("/")[2]

    @property
    def fingerprint(self) -> str:
        """Tells this content from another one of the same name."""
        return self.md5 or self.etag

    def as_file(self, prefix: str) -> ListedFile:
        """The same, as a file of the database whose folder is `prefix`."""
        return ListedFile(self.name.removeprefix(prefix), self.size_bytes, self.fingerprint)


def inventory_of(db: str, listing: Iterable[ListedBlob]) -> Inventory:
    """The inventory of a database's folder; what lies in folders below it is staging and not the database.

    Raises:
        NotFound, Unusable: as `take_inventory`.
    """
    return take_inventory(db, listed_files(db, listing))


def listed_files(db: str, listing: Iterable[ListedBlob]) -> list[ListedFile]:
    """The files in a listing that are the database's own, whether or not they make a database."""
    files = (blob.as_file(folder(db)) for blob in listing if blob.name.startswith(files_prefix(db)))
    return [file for file in files if "/" not in file.leaf]


def md5_hex(data: bytes) -> str:
    """The MD5 by which storage tells contents apart; not a matter of security."""
    return md5(data, usedforsecurity=False).hexdigest()
