"""Remove what a finished update leaves over: ghosts of the old generation, or everything that was staged."""

import asyncio
from datetime import UTC, datetime
from time import monotonic

from activities.binding import answering
from shared.blastdb.blobs import staging_folder
from shared.clients import Clients
from shared.copying.plans import ghosts, require_plan
from shared.runs.prepare import Cleared, ClearFiles
from shared.storage.container import Container, Matching
from shared.storage.layouts import raise_first
from shared.storage.listing import ListedBlob
from shared.storage.staging import Staging

_AT_ONCE = 32


@answering(Cleared)
async def clear_files(request: ClearFiles, clients: Clients) -> Cleared:
    """Remove them for the time of one slice, each only if it is still what was listed.

    Safe to repeat. Nothing is removed once the lease's time is over.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    blobs, until, removed = await _listed(request, container), monotonic() + request.slice_seconds, 0
    for first in range(0, len(blobs), _AT_ONCE):
        if (first and monotonic() >= until) or datetime.now(UTC) >= request.write_before:
            return Cleared(blobs=removed, is_done=False)
        some = blobs[first : first + _AT_ONCE]
        outcomes = await asyncio.gather(
            *(container.delete(blob.name, Matching(blob.etag)) for blob in some), return_exceptions=True
        )
        raise_first([outcome for outcome in outcomes if isinstance(outcome, BaseException)])
        removed += sum(outcome is True for outcome in outcomes)
    return Cleared(blobs=removed)


async def _listed(request: ClearFiles, container: Container) -> list[ListedBlob]:
    if request.what == "staging":
        # The plan goes last: while it is there, what is staged can still be put in place.
        staged = await container.list(staging_folder(request.db))
        return sorted(staged, key=lambda blob: blob.name.endswith("/plan.json"))
    plan = await require_plan(container, request.db, request.source_version, request.digest)
    in_place = await Staging(container, request.db, request.source_version).in_place()
    return [held.blob for held in ghosts(plan, dict(in_place))]
