"""Say in the metadata that a run ended without a result, so that nobody waits for it."""

from activities.binding import answering
from shared.clients import Clients
from shared.runs import metadata
from shared.runs.shard import RecordFailure, Written


@answering(Written)
async def record_failure(request: RecordFailure, clients: Clients) -> Written:
    """Clear `sharding_in_progress`, keep the sets that the run did not touch, and store its error, by compare-and-swap.

    Safe to repeat. Refused, as the reply's problem, once a higher epoch is there or when the blob cannot be read.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    etag = await clients.control.update(container, request.db, lambda document: metadata.failed(document, request))
    return Written(etag=etag)
