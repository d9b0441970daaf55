"""Obstacles to reading a database's blobs, found in a listing before anything starts. App and node agents ask here.

List Blobs tells them: `AccessTier` and `ArchiveStatus`, `CustomerProvidedKeySha256`, and `BlobType`
(https://learn.microsoft.com/rest/api/storageservices/list-blobs). A rehydration changes neither a blob's ETag nor its MD5.
"""

from collections.abc import Iterable

from shared.blastdb.blobs import folder, metadata_blob, parse_layout_blob
from shared.blastdb.extensions import is_file_of, is_shared
from shared.blastdb.listings import ListedBlob, Obstacle
from shared.errors import Code, Problem, Unusable

OBSTACLES = frozenset({Code.BLOB_ARCHIVED, Code.BLOB_ENCRYPTED, Code.WRONG_BLOB_TYPE})
"""The codes of refusals that are about how the files are kept, and not about what is in them."""

_SHOWN = 5
_REFUSALS: tuple[tuple[Obstacle, Code, str, str], ...] = (
    (
        "archived",
        Code.BLOB_ARCHIVED,
        "in the archive tier",
        "Rehydrate all of them to the hot or cool tier, which takes hours, then start again.",
    ),
    (
        "rehydrating",
        Code.BLOB_ARCHIVED,
        "that are still being rehydrated from the archive tier",
        "Wait until they are in the hot or cool tier, then start again.",
    ),
    (
        "encrypted",
        Code.BLOB_ENCRYPTED,
        "that are encrypted with a key which their uploader provided and storage does not keep",
        "Upload them without such a key.",
    ),
    (
        "not block",
        Code.WRONG_BLOB_TYPE,
        "that are append or page blobs",
        "Delete them, and upload them as block blobs.",
    ),
)


def obstruction(db: str, blobs: Iterable[ListedBlob]) -> Problem | None:
    """The worst obstacle among a database's own files, its layouts, its metadata and the taxonomy files beside it.

    The message names the first files, how many there are, and what to do. Blobs that are nothing to the database do not count.
    """
    names: dict[Obstacle, list[str]] = {}
    for blob in blobs:
        if blob.obstacle is not None and _is_needed(db, blob.name):
            names.setdefault(blob.obstacle, []).append(blob.name)
    for obstacle, code, what, remedy in _REFUSALS:
        if obstacle in names:
            found = sorted(names[obstacle])
            shown = ", ".join(found[:_SHOWN]) + (f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else "")
            message = f"'{db}' has files {what} ({len(found)}): {shown}. {remedy}"
            return Problem(code=code, message=message, target=found[0])
    return None


def refuse_obstructed(db: str, *listings: Iterable[ListedBlob]) -> None:
    """Refuse a database of which a file cannot be read or copied as it is kept.

    Raises:
        Unusable: some of its files are archived, encrypted with an uploader's key, or no block blobs.
    """
    problem = obstruction(db, (blob for listing in listings for blob in listing))
    if problem is not None:
        raise Unusable.of(problem)


def _is_needed(db: str, name: str) -> bool:
    if name.startswith(folder(db)):
        leaf = name.removeprefix(folder(db))
        return is_file_of(db, leaf) or is_shared(leaf)
    return name == metadata_blob(db) or parse_layout_blob(db, name) is not None
