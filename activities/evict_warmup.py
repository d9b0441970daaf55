"""Tell the agents of a database to give up its memory and its files, before they are removed themselves."""

from shared.clients import Clients
from shared.errors import ShardwarmError, TransientFailure
from shared.runs.warmup import Applied, RemoveWarmup


async def evict_warmup(request: RemoveWarmup, clients: Clients) -> Applied:
    """Set the assignment's mode to `evict`. Safe to repeat; nothing is assigned, nothing is changed.

    Raises:
        TransientFailure: Kubernetes was busy, or somebody else wrote the assignment; a retry helps.
    """
    try:
        warming = await clients.warming(request.cluster)
        document = await warming.assignment(request.db)
        if document is None:
            return Applied()
        return Applied(changed=await warming.write_assignment(document.model_copy(update={"mode": "evict"})))
    except TransientFailure:
        raise
    except ShardwarmError as error:
        return Applied(problem=error.problem)
