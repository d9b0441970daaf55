"""Listed blobs as values, and the files of a database among them."""

from collections.abc import Iterable
from datetime import datetime
from hashlib import md5
from typing import Literal, NamedTuple

from shared.blastdb.blobs import files_prefix, folder
from shared.blastdb.volumes import Inventory, ListedFile, files_of, take_inventory

type Obstacle = Literal["archived", "rehydrating", "encrypted", "not block"]
"""Why a blob cannot be read or written as this app needs it: its tier, an uploader's key, or an append or page blob."""


class ListedBlob(NamedTuple):
    """One blob as a listing gives it. `md5` is hex, None if the service keeps none; `modified` is accurate to the second.

    `copying` says that a copy onto the blob has not ended. Only a listing that asks for copies sets it.
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
        """The identity of the content: the MD5 or, without one, the ETag. Two contents of the same name differ in it.

        A changed header changes an ETag and no MD5, so a shard run gives files without an MD5 theirs.
        """
        return self.md5 or self.etag

    def as_file(self, prefix: str) -> ListedFile:
        """This blob as a file of the database whose folder is `prefix`."""
        return ListedFile(self.name.removeprefix(prefix), self.size_bytes, self.fingerprint)


def inventory_of(db: str, listing: Iterable[ListedBlob]) -> Inventory:
    """The inventory of a database's folder. Folders below it hold staged files, which do not count.

    Raises:
        NotFound, Unusable: as `take_inventory`.
    """
    return take_inventory(db, listed_files(db, listing))


def listed_files(db: str, listing: Iterable[ListedBlob]) -> list[ListedFile]:
    """The files in a listing that are the database's own, even if they do not make a complete database."""
    files = (blob.as_file(folder(db)) for blob in listing if blob.name.startswith(files_prefix(db)))
    return [file for file in files if "/" not in file.leaf]


def own_blobs(db: str, listing: Iterable[ListedBlob]) -> list[ListedBlob]:
    """The blobs in a listing that are the database's own files, the largest first, then by name."""
    blobs = list(listing)
    own = {f"{folder(db)}{file.leaf}" for file in files_of(db, listed_files(db, blobs))}
    return sorted((blob for blob in blobs if blob.name in own), key=lambda blob: (-blob.size_bytes, blob.name))


def without_md5(files: Iterable[ListedFile]) -> list[ListedFile]:
    """The files that are known by their ETags, which are in quotes, because storage keeps no MD5 of them."""
    return [file for file in files if file.fingerprint.startswith('"')]


def md5_hex(data: bytes) -> str:
    """The MD5 in hex, by which storage tells contents apart. It is not used for security."""
    return md5(data, usedforsecurity=False).hexdigest()
