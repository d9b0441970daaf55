"""Say in the metadata how far an update is: begun, being put in place, in place, or ended without."""

from activities.binding import answering
from shared.clients import Clients
from shared.runs import updates
from shared.runs.prepare import MarkUpdate
from shared.runs.shard import Written


@answering(Written)
async def mark_update(request: MarkUpdate, clients: Clients) -> Written:
    """Write the step's fields by compare-and-swap.

    Safe to repeat: the same run writes the same values. Refused, as the reply's problem, once a higher epoch is there.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    return Written(etag=await clients.control.update(container, request.db, lambda document: updates.marked(document, request)))
