"""A shard run's steps: look at the database, say that a run has begun, write shard sets, publish or record the end."""

import asyncio
from datetime import UTC, datetime

from activities.binding import answering, answering_by
from shared import telemetry
from shared.blastdb.blobs import files_prefix
from shared.blastdb.generations import digest_of
from shared.blastdb.listings import inventory_of
from shared.clients import Clients
from shared.errors import Code, Conflict, ShardwarmError, Unusable
from shared.runs.database import metadata
from shared.runs.database.inspection import inspection_of
from shared.runs.database.layout_history import record_of, with_layout
from shared.runs.database.layouts import is_orphan
from shared.runs.database.metadata import Document
from shared.runs.shard.payloads import (
    CommitMetadata,
    Inspect,
    Inspected,
    MarkStarted,
    RecordFailure,
    Removed,
    RemoveOrphans,
    SetPlan,
    SetReceipt,
    UploadSet,
    Written,
)
from shared.storage.container import Matching
from shared.storage.inspection import read_state
from shared.storage.layouts import raise_first, read_sets, write_set

_LOG = telemetry.logger(__name__)


def _inspection_refused(_: Inspect, error: ShardwarmError) -> Inspected:
    _LOG.warning(f"Refused: {error.problem.message}")
    return Inspected(problem=error.problem, refused=error.listing if isinstance(error, Unusable) else None)


@answering_by(_inspection_refused)
async def inspect_database(request: Inspect, clients: Clients) -> Inspected:
    """Compare what a database is with what its layouts and metadata say.

    Reads only. Refuses, as the reply's problem, whatever could lose a sequence.

    Raises:
        TransientFailure: storage was busy, or the database was changing under the look; a retry helps.
    """
    container = clients.accounts.container(request.account)
    state = await read_state(container, clients.control, request.db, request.presets, request.molecule, restore=request.restore)
    return Inspected(inspection=inspection_of(request, state, datetime.now(UTC)))


@answering(Written)
async def mark_started(request: MarkStarted, clients: Clients) -> Written:
    """Set `sharding_in_progress` and the run's epoch by compare-and-swap.

    Safe to repeat: the same run writes the same values. Refused, as the reply's problem, once a higher epoch is there.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    etag = await clients.control.update(
        container,
        request.db,
        lambda document: metadata.started(document, request),
        expected=request.if_match,
        expect_absent=request.if_match is None,
    )
    return Written(etag=etag)


def _already_right(plan: SetPlan) -> int:
    return 2 * plan.shard_count - plan.writes


def _set_failed(request: UploadSet, error: ShardwarmError) -> SetReceipt:
    plan = request.plan
    _LOG.warning(f"Shard set {plan.shard_count} failed: {error.problem.message}")
    return SetReceipt(shard_count=plan.shard_count, already_right=_already_right(plan), problem=error.problem)


@answering_by(_set_failed)
async def upload_shard_set(request: UploadSet, clients: Clients) -> SetReceipt:
    """Write what the set lacks, all blobs at once, each on a condition, each verified.

    Safe to repeat: blobs that are right already are left as they are.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    plan = request.plan
    written = await write_set(
        clients.accounts.container(request.account),
        plan,
        request.volumes,
        request.statistics,
        alias_version=request.alias_version,
        changed=request.last_change,
        write_before=request.write_before,
    )
    return SetReceipt(shard_count=plan.shard_count, written=written, already_right=_already_right(plan))


@answering(Written)
async def commit_metadata(request: CommitMetadata, clients: Clients) -> Written:
    """Compare the generation once more, then write the shard sets, statistics and errors by compare-and-swap.

    Safe to repeat. Refused, as the reply's problem, when the database changed during the run (`DatabaseChanged`) or when
    a higher epoch is there (`LeaseLost`); nothing is written then.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)

    def change(document: Document) -> Document:
        # A repeated step finds the version that it wrote itself.
        expected = {request.generation.source_version, request.restored_version or request.generation.source_version}
        if metadata.fields(request.db, document).source_version not in expected:
            raise _changed(request.db)
        new = metadata.committed(document, request)
        if request.restored_version is not None:
            new |= dict.fromkeys(("source_version", "shard_source_version"), request.restored_version)
        return with_layout(new, record, restored=request.restored)

    listing = await container.list(files_prefix(request.db))
    files = inventory_of(request.db, listing).files
    if digest_of(files) != request.generation.digest:
        raise _changed(request.db)
    record = record_of(request, files)
    return Written(etag=await clients.control.update(container, request.db, change, expected=request.etag))


def _changed(db: str) -> Conflict:
    return Conflict(Code.DATABASE_CHANGED, f"'{db}' changed while it was being sharded.", target=db)


@answering(Written)
async def record_failure(request: RecordFailure, clients: Clients) -> Written:
    """Clear `sharding_in_progress`, keep the sets that the run did not touch, and store its error, by compare-and-swap.

    Safe to repeat. Refused, as the reply's problem, once a higher epoch is there or when the blob cannot be read.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    etag = await clients.control.update(container, request.db, lambda document: metadata.failed(document, request))
    return Written(etag=etag)


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
