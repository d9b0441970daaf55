"""Everything that a certificate needs, read from storage: the texts themselves, and not what a listing says of them."""

import asyncio
from itertools import chain

from shared.blastdb.blobs import PRESETS
from shared.blastdb.certificate import Certificate, Claims, Facts, Fault, certify, refused
from shared.blastdb.layout import split
from shared.errors import Code, Unusable
from shared.runs import restore
from shared.runs.metadata import ShardFields
from shared.sanitise import sanitised_line
from shared.storage.container import Container
from shared.storage.control import ControlBlobs
from shared.storage.inspection import Seen, see
from shared.storage.layouts import texts

_TEXT_LIMIT_BYTES = 1024 * 1024
_AT_ONCE = 32
_FAULTS: dict[Code, Fault] = {Code.GHOST_VOLUMES: "ghosts", Code.UNREADABLE_METADATA: "metadata"}


async def verify(container: Container, control: ControlBlobs, db: str, *, legacy_alias: bool) -> Certificate:
    """Read a database's listing, metadata and every text of its layouts, and say what is wrong. Writes nothing.

    Raises:
        NotFound: there is no such database.
        TransientFailure: storage was busy, or the database was changing under the look.
    """
    try:
        seen = await see(container, control, db, PRESETS, None)
    except Unusable as error:
        problem = error.problem
        return refused(db, _FAULTS.get(problem.code, "volumes"), sanitised_line(f"{problem.code.value}: {problem.message}"))
    names = list(chain.from_iterable(stored.blobs for stored in seen.stored.values()))
    turns = asyncio.Semaphore(_AT_ONCE)

    async def read(name: str) -> bytes | None:
        async with turns:
            content = await container.read(name, limit_bytes=_TEXT_LIMIT_BYTES)
        return content.data if content else None

    contents = await asyncio.gather(*map(read, names))
    stored = {name: data for name, data in zip(names, contents, strict=True) if data is not None}
    return certify(_facts(seen, stored, legacy_alias=legacy_alias), _claims(seen.known))


def _facts(seen: Seen, stored: dict[str, bytes], *, legacy_alias: bool) -> Facts:
    inventory, statistics = seen.inventory, seen.statistics
    volumes = inventory.volumes
    counts = tuple(sorted({count for count in seen.known.shard_sets if 1 <= count <= volumes.count}))
    # A layout that was put back is the right one as long as it is of this generation.
    record = restore.pinned(seen.control.document, seen.generation.digest)
    fixed = record.layouts if record else {}
    statistics = record.statistics if record else statistics
    in_aliases = None if (record.legacy_alias if record else legacy_alias) else statistics
    layouts = [fixed.get(count) or split(inventory.volume_bytes, count) for count in counts]
    expected = {name: text for layout in layouts for name, text in texts(volumes, layout, in_aliases).items()}
    return Facts(
        volumes=volumes,
        generation=seen.generation,
        total_bytes=inventory.total_bytes,
        file_count=len(inventory.files),
        statistics=statistics.source if statistics else "absent",
        letters=statistics.letters if statistics else None,
        sequences=statistics.sequences if statistics else None,
        shard_sets=counts,
        expected=expected,
        stored=stored,
    )


def _claims(known: ShardFields) -> Claims:
    return Claims(
        sharded=known.sharded,
        shard_sets=known.shard_sets,
        generation=known.shard_generation,
        source_version=known.shard_source_version,
        total_bytes=known.total_bytes,
        file_count=known.file_count,
        statistics=known.statistics,
        letters=known.total_letters,
        sequences=known.total_sequences,
        in_progress=known.sharding_in_progress,
        error=sanitised_line(known.sharding_error) if known.sharding_error else None,
    )
