"""Remove what warms a database from a cluster."""

from activities.binding import answering
from shared.clients import Clients
from shared.runs.warmup import Applied, RemoveWarmup


@answering(Applied)
async def remove_warmup(request: RemoveWarmup, clients: Clients) -> Applied:
    """Remove labels, DaemonSet and ConfigMap. Safe to repeat: what is gone counts as removed.

    Raises:
        TransientFailure: Kubernetes was busy; a retry helps.
    """
    warming = await clients.warming(request.cluster)
    await warming.mark_nodes(request.db, {})
    await warming.remove(request.db)
    return Applied(changed=True)
