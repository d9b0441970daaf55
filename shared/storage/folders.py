"""The container's root: which databases it has, and where files are that belong to no database.

A folder is a database when it has files of its own name, `{db}/{db}.…`, or a metadata blob. A folder of other files is none.
"""

import asyncio
from typing import NamedTuple

from shared.blastdb.blobs import database_of_metadata, is_layout_folder, is_published_beside
from shared.blastdb.listings import ListedBlob
from shared.blastdb.misplaced import Misplaced, elsewhere, misplaced, no_database
from shared.blastdb.names import is_database_name
from shared.errors import Code, NotFound
from shared.runs.database import headers
from shared.sanitise import sanitised_line
from shared.storage.container import Container

_AT_ONCE = 16
_NAMES = 1000
"""How many names of a folder are looked at, from its beginning."""
_MOST_LOOKS = 64
_MOST_PAGES = 4
"""How far a search for misplaced files goes: pages of the root, and folders that it looks into."""


class Root(NamedTuple):
    """What the root holds: the metadata blobs by database, the folders, and the databases that have files in the root itself."""

    controls: dict[str, ListedBlob]
    folders: tuple[str, ...]
    strays: tuple[Misplaced, ...]

    @property
    def databases(self) -> list[str]:
        """The names of all databases, by metadata or by a folder that may be one."""
        return sorted({*self.controls, *filter(is_database_name, self.folders)})


async def read_root(container: Container, *, most_pages: int | None = None) -> Root:
    """Read the container's root, one call a page."""
    controls: dict[str, ListedBlob] = {}
    folders: list[str] = []
    strays: list[str] = []
    token: str | None = None
    pages = 0
    while True:
        page, prefixes, token = await container.walk_root(token)
        pages += 1
        for blob in page:
            db = database_of_metadata(blob.name)
            if db is None:
                strays.append(blob.name)
            elif is_database_name(db):
                controls[db] = blob
        folders += prefixes
        if token is None or pages == most_pages:
            break
    known = {db: blob for db, blob in controls.items() if is_control(db, blob, has_folder=db in folders)}
    return Root(known, tuple(folders), misplaced("", strays))


def is_control(db: str, blob: ListedBlob, *, has_folder: bool) -> bool:
    """Whether a blob with the name of a database's metadata is that.

    `nt-nucl-metadata.json` is a file of NCBI's about `nt`, unless there is a database `nt-nucl` or this app wrote the blob.
    """
    return has_folder or not is_published_beside(db) or headers.read(blob.metadata) is not None


async def misplaced_in(container: Container, folder: str) -> tuple[Misplaced, ...]:
    """The databases whose files are in a folder that is not theirs; one call, which sees the first names of the folder."""
    return misplaced(folder, await container.list_some_names(f"{folder}/", at_most=_NAMES))


async def not_found(container: Container, db: str) -> NotFound:
    """The error for a database that is not there; it says where its files are, as far as a bounded search finds them."""
    return NotFound(Code.DATABASE_NOT_FOUND, sanitised_line(await _whereabouts(container, db)), target=db)


async def _whereabouts(container: Container, db: str) -> str:
    inside, root = await asyncio.gather(misplaced_in(container, db), read_root(container, most_pages=_MOST_PAGES))
    if inside:
        return no_database(db, inside)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def look(folder: str) -> tuple[Misplaced, ...]:
        # The folder of a database is known to hold that database; only files of this name tell more.
        prefix = f"{folder}/{db}." if folder in root.controls else f"{folder}/"
        async with turns:
            return misplaced(folder, await container.list_some_names(prefix, at_most=_NAMES))

    candidates = [folder for folder in root.folders if folder != db and not is_layout_folder(folder)]
    candidates.sort(key=lambda folder: (not db.startswith(folder), folder in root.controls))
    looks = await asyncio.gather(*map(look, candidates[:_MOST_LOOKS]))
    found = [one for some in (root.strays, *looks) for one in some if one.db == db]
    return elsewhere(found[0]) if found else f"There is no database '{db}' in this account."
