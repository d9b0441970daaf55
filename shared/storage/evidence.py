"""The evidence for judging a database, read from storage: its own alias, and the heads of its index files."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from shared.blastdb.alias_file import ALIAS_LIMIT_BYTES, AliasFile, parse_alias_file
from shared.blastdb.blobs import folder
from shared.blastdb.evidence import paper_files
from shared.blastdb.index_heads import IndexHead, index_head
from shared.blastdb.reading import Span, read_with_async
from shared.blastdb.statistics import Statistics, add_up
from shared.blastdb.versions import version_four
from shared.blastdb.volumes import INDEX_EXTENSION, Inventory, ListedFile
from shared.errors import Code, TransientFailure, Unusable
from shared.storage.container import Container

_AT_ONCE = 32
_VERSION_FOUR = 4


async def read_alias(container: Container, inventory: Inventory, etags: Mapping[str, str]) -> AliasFile | None:
    """The database's own alias; None when it has none.

    Args:
        container: where.
        inventory: the database's files.
        etags: of every listed blob by name; a file that has another by now changed since it was listed.

    Raises:
        Unusable: BLAST could not open it.
        TransientFailure: storage was busy, or the file changed since it was listed.
    """
    file = paper_files(inventory.volumes, inventory.files).alias
    if file is None:
        return None
    fetch = _fetch(container, inventory.volumes.db, file, etags)
    return parse_alias_file(file.leaf, await fetch(Span(0, ALIAS_LIMIT_BYTES + 1)))


async def count_by_heads(container: Container, inventory: Inventory, etags: Mapping[str, str]) -> Statistics | None:
    """The database's totals by the heads of its index files, however long their titles are; None when one tells nothing.

    Raises:
        TransientFailure: storage was busy, or a file changed since it was listed.
    """
    db, molecule, turns = inventory.volumes.db, inventory.volumes.molecule, asyncio.Semaphore(_AT_ONCE)

    async def head(file: ListedFile | None) -> IndexHead | None:
        if file is None:
            return None
        async with turns:
            return await read_with_async(index_head(file.size_bytes), _fetch(container, db, file, etags))

    heads = await asyncio.gather(*map(head, paper_files(inventory.volumes, inventory.files).heads))
    return add_up(head.totals if head and head.molecule == molecule else None for head in heads)


async def explained(container: Container, db: str, files: Iterable[ListedFile], error: Unusable) -> Unusable:
    """The same refusal, or a clearer one: a database without `.ndb` may be of version 4, which its index files tell."""
    endings = tuple(f".{extension}" for extension in INDEX_EXTENSION.values())
    first = next((file for file in sorted(files) if file.leaf.endswith(endings)), None)
    if error.problem.code is not Code.MISSING_DATABASE_FILE or first is None:
        return error

    async def fetch(span: Span) -> bytes:
        content = await container.read(f"{folder(db)}{first.leaf}", offset=span.offset, limit_bytes=span.size_bytes)
        return content.data if content else b""

    head = await read_with_async(index_head(first.size_bytes), fetch)
    return version_four(db) if head is not None and head.version == _VERSION_FOUR else error


def _fetch(container: Container, db: str, file: ListedFile, etags: Mapping[str, str]) -> Callable[[Span], Awaitable[bytes]]:
    name = f"{folder(db)}{file.leaf}"

    async def fetch(span: Span) -> bytes:
        content = await container.read(name, offset=span.offset, limit_bytes=span.size_bytes)
        if content is None or content.etag != etags.get(name):
            raise TransientFailure(Code.DATABASE_CHANGED, f"'{name}' changed while '{db}' was being read.", target=name)
        return content.data

    return fetch
