"""Forget what nobody asks for any more: runs past their retention, and entities that hold nothing."""

from datetime import UTC, datetime, timedelta

from shared.azure.hub import Hub
from shared.clients import Clients
from shared.runs.reconcile import Purged, PurgeRuns

_SECONDS = 30.0


async def purge_runs(request: PurgeRuns, clients: Clients, hub: Hub) -> Purged:  # noqa: ARG001 - bodies have one signature
    """Purge as much as half a minute allows; what is left over has its turn in a later pass. Safe to repeat.

    Raises:
        TransientFailure: the hub does not answer; a retry helps.
    """
    before = datetime.now(UTC) - timedelta(seconds=request.retention_seconds)
    runs, complete = await hub.purge(before, _SECONDS)
    return Purged(runs=runs, entities=await hub.sweep_entities(), complete=complete)
