"""An upload's step: inspect whether the files that arrived are a complete database."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from activities.binding import answering_by
from shared.blastdb.blobs import folder
from shared.blastdb.generations import Generation, digest_of
from shared.blastdb.listings import ListedBlob
from shared.blastdb.obstacles import OBSTACLES, refuse_obstructed
from shared.blastdb.volumes import Inventory
from shared.clients import Clients
from shared.errors import Code, NotFound, ShardwarmError, Unusable
from shared.runs.database import metadata
from shared.runs.database.layout_history import pinned
from shared.runs.database.state import expected, is_current, is_judged, recorded_statistics
from shared.runs.database.unfinished import refuse_unfinished_work
from shared.runs.upload.payloads import InspectUpload, UploadSeen
from shared.storage.evidence import judged, taken


def _not_complete(_: InspectUpload, error: ShardwarmError) -> UploadSeen:
    match error:
        case NotFound():
            state = "absent"
        case Unusable() if error.problem.code not in OBSTACLES:
            # An alias may arrive before its volumes. The volumes' own events announce them.
            state = "absent" if error.problem.code is Code.ALIAS_ONLY else "incomplete"
        case _:
            state = "busy"
    return UploadSeen(state=state, problem=error.problem)


@answering_by(_not_complete)
async def inspect_upload(request: InspectUpload, clients: Clients) -> UploadSeen:
    """Inspect an upload: whether storage has every file of the database, and all of each file.

    Reads only: one listing, the metadata, and the database's own papers and alias if it has any.

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
    inventory = await taken(container, db, listing)
    _refuse_unfinished_copies(inventory, blobs)
    generation = Generation(source_version=known.source_version, digest=digest_of(inventory.files))
    if not is_judged(known, generation):
        # A shard run asks the same judge: a database that it would refuse is not complete.
        await judged(container, inventory, {name: blob.etag for name, blob in blobs.items()})
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
            message = f"A copy of '{file.leaf}' has not ended. Wait for it, or start it again."
            raise Unusable(Code.UPLOAD_INCOMPLETE, message, target=file.leaf)
