"""Take back what a database's metadata claims and is not so, unless a living run holds the database."""

from datetime import UTC, datetime

from activities.binding import answering
from shared.azure.hub import Hub
from shared.blastdb.blobs import folder, metadata_blob
from shared.clients import Clients
from shared.runs import metadata, summaries
from shared.runs.abandoned import COPY_GIVEN_UP_AFTER, is_longer_ago
from shared.runs.corrections import Verdict, corrected
from shared.runs.metadata import Document, ShardFields
from shared.runs.operations import operation_of
from shared.runs.reconcile import Corrected, CorrectMetadata
from shared.storage.container import Matching


@answering(Corrected)
async def correct_metadata(request: CorrectMetadata, clients: Clients, hub: Hub) -> Corrected:
    """Judge the metadata by the engine's own knowledge of the runs, and correct it by compare-and-swap.

    Safe to repeat: what is right is not written. A mark that was set since it was judged stays.

    Raises:
        TransientFailure: storage or the hub was busy; a retry helps.
    """
    container, db = clients.accounts.container(request.account), request.db
    holding = (await hub.lease(request.account, db)).holding
    if holding is not None and not await hub.is_over(holding.run):
        return Corrected(busy=True)
    control = await clients.control.read(container, db)
    if control.etag is None:
        return Corrected()
    known = metadata.fields(db, control.document)
    if request.finish and known.promoting_source_version is None:
        # It was finished since it was seen.
        return Corrected(busy=True)
    marked_by = _marked_by(known)
    owner = await hub.find(marked_by) if marked_by else None
    if owner is not None and not operation_of(owner).has_ended:
        return Corrected(busy=True)
    # It may have been uploaded again since the survey.
    gone = request.gone and not await container.list_some_names(folder(db), at_most=1)
    verdict = Verdict(marked_at=known.sharding_started_at, owner_ended=owner is not None, gone=gone)
    now = datetime.now(UTC)
    is_young = not is_longer_ago(COPY_GIVEN_UP_AFTER, known.update_started_at, now)
    if request.finish and known.update_in_progress and owner is None and is_young:
        # Another task hub may know the run.
        return Corrected(busy=True)
    last = corrected(db, control.document, verdict, now)

    def change(document: Document) -> Document:
        nonlocal last
        last = corrected(db, document, verdict, now)
        return last.document

    etag = await clients.control.update(container, db, change)
    if metadata.fields(db, last.document).sharding_in_progress:
        # Set since, or by a run that another task hub may know.
        return Corrected(changes=last.changes, busy=True)
    if request.describe and not last.changes and (headers := summaries.summary(last.document)):
        described = await container.describe(metadata_blob(db), headers, Matching(etag))
        return Corrected(changes=("its headers, which a listing reads",) if described else ())
    return Corrected(changes=last.changes)


def _marked_by(known: ShardFields) -> str | None:
    """The run that says it is at work on the database."""
    if known.sharding_in_progress:
        return known.shard_operation_id
    return known.prepare_operation_id if known.update_in_progress else None
