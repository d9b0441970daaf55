"""Refusals of single reads, worded as those of a listing: they name every file that storage keeps in the same way."""

from collections.abc import Awaitable

from shared.blastdb.blobs import files_prefix, metadata_blob
from shared.blastdb.obstacles import OBSTACLES, refuse_obstructed
from shared.errors import Unusable
from shared.storage.container import Container


async def told_by_listing[T](container: Container, db: str, reading: Awaitable[T]) -> T:
    """Await a read of one of the database's blobs; when that blob is archived, say which of the database's files are.

    Raises:
        Unusable: as `refuse_obstructed`; the read's own refusal where the listing shows no obstacle.
        ShardwarmError: what the read raised.
    """
    try:
        return await reading
    except Unusable as error:
        if error.problem.code in OBSTACLES:
            refuse_obstructed(db, await container.list(files_prefix(db)), await container.list(metadata_blob(db)))
        raise
