"""Make a run's result public: the last write, and the only one that consumers go by."""

from activities.binding import answering
from shared.blastdb.blobs import files_prefix
from shared.blastdb.generations import digest_of
from shared.clients import Clients
from shared.errors import Code, Conflict
from shared.runs import metadata
from shared.runs.metadata import Document
from shared.runs.restore import record_of, with_layout
from shared.runs.shard import CommitMetadata, Written
from shared.storage.inspection import inventory_of


@answering(Written)
async def commit_metadata(request: CommitMetadata, clients: Clients) -> Written:
    """Compare the generation once more, then write the shard sets, statistics and errors by compare-and-swap.

    Safe to repeat. Refused, as the reply's problem, when the database changed during the run (`DatabaseChanged`) or when
    a higher epoch is there (`LeaseLost`); nothing is written then.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)

    def change(document: Document) -> Document:
        # A repeated step finds the version that it wrote itself.
        expected = {request.generation.source_version, request.restored_version or request.generation.source_version}
        if metadata.fields(request.db, document).source_version not in expected:
            raise _changed(request.db)
        new = metadata.committed(document, request)
        if request.restored_version is not None:
            new |= dict.fromkeys(("source_version", "shard_source_version"), request.restored_version)
        return with_layout(new, record, restored=request.restored)

    listing = await container.list(files_prefix(request.db))
    files = inventory_of(request.db, listing).files
    if digest_of(files) != request.generation.digest:
        raise _changed(request.db)
    record = record_of(request, files)
    return Written(etag=await clients.control.update(container, request.db, change, expected=request.etag))


def _changed(db: str) -> Conflict:
    return Conflict(Code.DATABASE_CHANGED, f"'{db}' changed while it was being sharded.", target=db)
