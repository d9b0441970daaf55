"""An upload's step: whether the files that arrived are a complete database."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from activities.binding import answering_by
from shared.blastdb.blobs import folder, published_metadata_file, statistics_file
from shared.blastdb.completeness import PAPERS_LIMIT_BYTES, Papers, parse_papers, refuse_incomplete
from shared.blastdb.evidence import Evidence
from shared.blastdb.generations import Generation, digest_of
from shared.blastdb.listings import ListedBlob, inventory_of, listed_files
from shared.blastdb.obstacles import OBSTACLES, refuse_obstructed
from shared.blastdb.papers import refuse_disagreement
from shared.blastdb.volumes import Inventory
from shared.clients import Clients
from shared.errors import Code, NotFound, ShardwarmError, Unusable
from shared.runs.database import metadata
from shared.runs.database.layout_history import pinned
from shared.runs.database.state import expected, is_current, recorded_statistics
from shared.runs.database.unfinished import refuse_unfinished_work
from shared.runs.upload.transitions import InspectUpload, UploadSeen
from shared.storage.container import Container
from shared.storage.evidence import explained, read_alias


def _not_complete(_: InspectUpload, error: ShardwarmError) -> UploadSeen:
    match error:
        case NotFound():
            state = "absent"
        case Unusable() if error.problem.code not in OBSTACLES:
            # An alias alone may precede its volumes; their own events announce them.
            state = "absent" if error.problem.code is Code.ALIAS_ONLY else "incomplete"
        case _:
            state = "busy"
    return UploadSeen(state=state, problem=error.problem)


@answering_by(_not_complete)
async def inspect_upload(request: InspectUpload, clients: Clients) -> UploadSeen:
    """See whether every file of a database is there and whole.

    Reads only: one listing, the metadata, and the database's own papers if it has any.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    db, container = request.db, clients.accounts.container(request.account)
    control, listing = await asyncio.gather(
        clients.control.read(container, db), container.list(f"{folder(db)}{db}", in_full=True)
    )
    blobs = {blob.name: blob for blob in listing}
    known = metadata.fields(db, control.document)
    refuse_obstructed(db, listing)
    refuse_unfinished_work(db, known, datetime.now(UTC))
    try:
        inventory = inventory_of(db, listing)
    except Unusable as error:
        raise await explained(container, db, listed_files(db, listing), error) from None
    _refuse_unfinished_copies(inventory, blobs)
    refuse_incomplete(inventory, await _papers(container, inventory, blobs))
    # The judge of a shard run: what it would refuse is not complete.
    alias = await read_alias(container, inventory, {name: blob.etag for name, blob in blobs.items()})
    refuse_disagreement(Evidence(inventory.volumes, alias))
    generation = Generation(source_version=known.source_version, digest=digest_of(inventory.files))
    target = expected(
        inventory,
        recorded_statistics(known),
        known.shard_sets,
        legacy_alias=clients.settings.alias_form == "legacy",
        record=pinned(control.document, generation.digest),
    )
    return UploadSeen(state="unchanged" if is_current(known, generation, target) else "complete")


def _refuse_unfinished_copies(inventory: Inventory, blobs: Mapping[str, ListedBlob]) -> None:
    db = inventory.volumes.db
    for file in inventory.files:
        if blobs[f"{folder(db)}{file.leaf}"].copying:
            message = f"'{file.leaf}' is still being copied. Wait for the copy, or start it again."
            raise Unusable(Code.UPLOAD_INCOMPLETE, message, target=file.leaf)


async def _papers(container: Container, inventory: Inventory, blobs: Mapping[str, ListedBlob]) -> Papers | None:
    db, molecule = inventory.volumes.db, inventory.volumes.molecule
    for name in (statistics_file(db, molecule), f"{folder(db)}{published_metadata_file(db, molecule)}"):
        content = await container.read(name, limit_bytes=PAPERS_LIMIT_BYTES) if name in blobs else None
        if content is not None:
            return parse_papers(name, content.data)
    return None
