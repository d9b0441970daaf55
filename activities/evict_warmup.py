"""Tell the agents of a database to give up its memory and its files, before they are removed themselves.

Searches are told first: the labels go before what they speak of.
"""

from activities.binding import answering
from shared.clients import Clients
from shared.runs.warmup import Applied, RemoveWarmup


@answering(Applied)
async def evict_warmup(request: RemoveWarmup, clients: Clients) -> Applied:
    """Set the assignment's mode to `evict`. Safe to repeat; nothing is assigned, nothing is changed.

    Raises:
        TransientFailure: Kubernetes was busy, or somebody else wrote the assignment; a retry helps.
    """
    warming = await clients.warming(request.cluster)
    await warming.mark_nodes(request.db, {})
    return Applied(changed=await warming.evict(request.db))
