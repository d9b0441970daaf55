"""Forget what nobody asks for any more: runs past their retention, idle uploads, and entities that hold nothing."""

from datetime import UTC, datetime, timedelta
from itertools import islice

from shared.azure.hub import Hub
from shared.clients import Clients
from shared.runs.identity import UPLOAD_ENTITY
from shared.runs.reconcile import Purged, PurgeRuns
from shared.runs.uploads import Tidy, Upload, tidy

_SECONDS = 30.0
_MOST_UPLOADS = 500


async def purge_runs(request: PurgeRuns, clients: Clients, hub: Hub) -> Purged:  # noqa: ARG001 - bodies have one signature
    """Purge as much as half a minute allows; what is left over has its turn in a later pass. Safe to repeat.

    Uploads lose what they have of events, of which none comes so late; once their settles are purged, all.

    Raises:
        TransientFailure: the hub does not answer; a retry helps.
    """
    now = datetime.now(UTC)
    runs, complete = await hub.purge(now - timedelta(seconds=request.retention_seconds), _SECONDS)
    if complete:
        await _tidy(Tidy(now=now, idle_seconds=request.idle_seconds, retention_seconds=request.retention_seconds), hub)
    return Purged(runs=runs, entities=await hub.sweep_entities(), complete=complete)


async def _tidy(request: Tidy, hub: Hub) -> None:
    before = request.now - timedelta(seconds=request.idle_seconds)
    found = await hub.entities(UPLOAD_ENTITY, untouched_since=before)
    states = ((key, Upload.model_validate(state)) for key, state in sorted(found.items()))
    for key in islice((key for key, state in states if tidy(state, request) != state), _MOST_UPLOADS):
        await hub.tidy_upload(key, request)
