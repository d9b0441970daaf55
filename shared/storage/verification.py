"""Everything that a certificate needs, read from storage: the texts themselves, and not what a listing says of them."""

import asyncio
from itertools import chain

from shared.blastdb.alias import LEGACY_ALIAS
from shared.blastdb.blobs import PRESETS
from shared.blastdb.certificate import Certificate, Facts, Fault, certify, refused
from shared.blastdb.exactness import inexact, inexact_legacy
from shared.errors import Code, Unusable
from shared.runs.database.state import DatabaseState, expected, metadata_findings
from shared.sanitise import sanitised_line
from shared.storage.container import Container
from shared.storage.control import ControlBlobs
from shared.storage.inspection import read_state

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
        state = await read_state(container, control, db, PRESETS, in_full=True)
    except Unusable as error:
        problem = error.problem
        return refused(db, _FAULTS.get(problem.code, "volumes"), sanitised_line(f"{problem.code.value}: {problem.message}"))
    names = list(chain.from_iterable(stored.blobs for stored in state.stored.values()))
    turns = asyncio.Semaphore(_AT_ONCE)

    async def read(name: str) -> bytes | None:
        async with turns:
            content = await container.read(name, limit_bytes=_TEXT_LIMIT_BYTES)
        return content.data if content else None

    contents = await asyncio.gather(*map(read, names))
    stored = {name: data for name, data in zip(names, contents, strict=True) if data is not None}
    return _certificate(state, stored, legacy_alias=legacy_alias)


def _certificate(state: DatabaseState, stored: dict[str, bytes], *, legacy_alias: bool) -> Certificate:
    known, inventory = state.known, state.inventory
    target = expected(inventory, state.statistics, known.shard_sets, legacy_alias=legacy_alias, record=state.pinned)
    legacy = {layout.shard_count: layout for layout in state.legacy}
    if legacy:
        target = target._replace(layouts=legacy, alias_version=LEGACY_ALIAS)
    facts = Facts(
        volumes=inventory.volumes,
        generation=state.generation,
        shard_generation=known.shard_generation,
        shard_sets=target.shard_counts,
        expected=target.texts(),
        stored=stored,
    )
    sanitised = known.model_copy(update={"sharding_error": known.sharding_error and sanitised_line(known.sharding_error)})
    db = inventory.volumes.db
    if legacy:
        # The replaced system's metadata names no generation and no form, so only its texts can be judged.
        certificate = certify(facts, ())
        drift = "legacy" if certificate.drift == "current" else certificate.drift
        return certificate.model_copy(update={"drift": drift, "warnings": (inexact_legacy(db),)})
    warnings = inexact(db, has_totals=target.statistics is not None, form=target.alias_version)
    certificate = certify(facts, metadata_findings(sanitised, state.generation, target))
    return certificate.model_copy(update={"warnings": warnings})
