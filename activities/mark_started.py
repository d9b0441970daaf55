"""Say in the metadata that a run has begun, before it writes anything else."""

from activities.binding import answering
from shared.clients import Clients
from shared.runs import metadata
from shared.runs.shard import MarkStarted, Written


@answering(Written)
async def mark_started(request: MarkStarted, clients: Clients) -> Written:
    """Set `sharding_in_progress` and the run's epoch by compare-and-swap.

    Safe to repeat: the same run writes the same values. Refused, as the reply's problem, once a higher epoch is there.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    etag = await clients.control.update(
        container,
        request.db,
        lambda document: metadata.started(document, request),
        expected=request.if_match,
        expect_absent=request.if_match is None,
    )
    return Written(etag=etag)
