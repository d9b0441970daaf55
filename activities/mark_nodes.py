"""Label the nodes on which shards were found warm, for searches to find them; where the app may."""

from datetime import UTC, datetime

from activities.binding import answering
from shared.clients import Clients
from shared.kube.warming import Look
from shared.runs.warm import status_of
from shared.runs.warmup import Marked, MarkNodes


@answering(Marked)
async def mark_nodes(request: MarkNodes, clients: Clients) -> Marked:
    """Look once more, and label by what is seen: labels of other nodes, N or generations go. Safe to repeat.

    Raises:
        TransientFailure: Kubernetes was busy; a retry helps.
    """
    warming = await clients.warming(request.cluster)
    look = await warming.look(request.db)
    return Marked(marked=await warming.mark_nodes(request.db, _marks(look) if look is not None else {}))


def _marks(look: Look) -> dict[str, dict[str, str]]:
    nodes = status_of(*look, datetime.now(UTC)).nodes
    return {node: marks for node, marks in look.document.marks.items() if node in nodes and nodes[node].state == "warm"}
