"""Remove layout blobs that no shard set of this generation has; after the commit, never before."""

import asyncio
from datetime import UTC, datetime

from activities.binding import answering
from shared.clients import Clients
from shared.runs.shard import Removed, RemoveOrphans
from shared.storage.container import Matching
from shared.storage.layouts import is_orphan, raise_first, read_sets


@answering(Removed)
async def remove_orphans(request: RemoveOrphans, clients: Clients) -> Removed:
    """List these folders again and remove what does not belong there.

    Safe to repeat. Nothing is removed once the lease's time is over, nor what was written since it was listed. The reply's
    problem says what storage refused.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    orphan = is_orphan(request.volumes, request.kept)
    stored = await read_sets(container, request.db, request.shard_counts)
    orphans = [blob for item in stored.values() for name, blob in item.blobs.items() if orphan(name)]
    if datetime.now(UTC) >= request.write_before:
        return Removed()
    removals = (container.delete(blob.name, Matching(blob.etag)) for blob in orphans)
    outcomes = await asyncio.gather(*removals, return_exceptions=True)
    raise_first([outcome for outcome in outcomes if isinstance(outcome, BaseException)])
    return Removed(blobs=sum(outcome is True for outcome in outcomes))
