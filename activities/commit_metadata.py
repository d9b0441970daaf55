"""Make a run's result public: the last write, and the only one that consumers go by."""

from shared.blastdb.blobs import files_prefix
from shared.blastdb.generations import digest_of
from shared.clients import Clients
from shared.errors import Code, Conflict, ShardwarmError, TransientFailure
from shared.runs import metadata
from shared.runs.metadata import Document
from shared.runs.shard import CommitMetadata, Written
from shared.storage.inspection import inventory_of


async def commit_metadata(request: CommitMetadata, clients: Clients) -> Written:
    """Compare the generation once more, then write the shard sets, statistics and errors by compare-and-swap.

    Safe to repeat. Refused, as the reply's problem, when the database changed during the run (`DatabaseChanged`) or when
    a higher epoch is there (`LeaseLost`); nothing is written then.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)

    def change(document: Document) -> Document:
        if metadata.fields(request.db, document).source_version != request.generation.source_version:
            raise _changed(request.db)
        return metadata.committed(document, request)

    try:
        listing = await container.list(files_prefix(request.db))
        if digest_of(inventory_of(request.db, listing).files) != request.generation.digest:
            raise _changed(request.db)
        return Written(etag=await clients.control.update(container, request.db, change, expected=request.etag))
    except TransientFailure:
        raise
    except ShardwarmError as error:
        return Written(problem=error.problem)


def _changed(db: str) -> Conflict:
    return Conflict(Code.DATABASE_CHANGED, f"'{db}' changed while it was being sharded.", target=db)
