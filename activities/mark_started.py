"""Say in the metadata that a run has begun, before it writes anything else."""

from shared.clients import Clients
from shared.errors import ShardwarmError, TransientFailure
from shared.runs import metadata
from shared.runs.shard import MarkStarted, Written


async def mark_started(request: MarkStarted, clients: Clients) -> Written:
    """Set `sharding_in_progress` and the run's epoch by compare-and-swap.

    Safe to repeat: the same run writes the same values. Refused, as the reply's problem, once a higher epoch is there.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    try:
        etag = await clients.control.update(
            container,
            request.db,
            lambda document: metadata.started(document, request),
            expected=request.if_match,
            expect_absent=request.if_match is None,
        )
    except TransientFailure:
        raise
    except ShardwarmError as error:
        return Written(problem=error.problem)
    return Written(etag=etag)
