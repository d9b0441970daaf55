"""Remove what warms a database from a cluster."""

from shared.clients import Clients
from shared.errors import ShardwarmError, TransientFailure
from shared.runs.warmup import Applied, RemoveWarmup


async def remove_warmup(request: RemoveWarmup, clients: Clients) -> Applied:
    """Remove DaemonSet and ConfigMap. Safe to repeat: what is gone counts as removed.

    Raises:
        TransientFailure: Kubernetes was busy; a retry helps.
    """
    try:
        warming = await clients.warming(request.cluster)
        await warming.remove(request.db)
    except TransientFailure:
        raise
    except ShardwarmError as error:
        return Applied(problem=error.problem)
    return Applied(changed=True)
