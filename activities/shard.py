"""A shard run's steps: inspect the database, mark the start, write shard sets, commit or record the failure, remove orphans."""

import asyncio
from datetime import UTC, datetime

from activities.binding import answering, answering_by
from shared import telemetry
from shared.blastdb.blobs import files_prefix
from shared.blastdb.generations import digest_of
from shared.blastdb.listings import inventory_of, listed_files
from shared.blastdb.volumes import files_of
from shared.clients import Clients
from shared.errors import Code, Conflict, ShardwarmError, Unusable
from shared.runs.database import metadata
from shared.runs.database.inspection import inspection_of
from shared.runs.database.layout_history import record_of, with_layout
from shared.runs.database.layouts import is_orphan
from shared.runs.database.legacy import with_legacy
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
    """Inspect a database: compare its files with its layouts and metadata. Reads only.

    The reply's problem refuses a database that could lose a sequence.

    Raises:
        TransientFailure: storage was busy, or the database changed during the inspection; a retry helps.
    """
    container = clients.accounts.container(request.account)
    state = await read_state(container, clients.control, request.db, request.presets, request.molecule, restore=request.restore)
    return Inspected(inspection=inspection_of(request, state, datetime.now(UTC)))


@answering(Written)
async def mark_started(request: MarkStarted, clients: Clients) -> Written:
    """Mark the start of a shard run: set `sharding_in_progress` and the run's epoch, by compare-and-swap.

    The same write takes sets off the list whose manifests will change, and records the replaced system's layouts, unless the
    database's files have changed since they were inspected: the run then starts again by itself.

    Safe to repeat: the same run writes the same values. If the metadata has a higher epoch, it writes nothing, and the reply's
    problem says so.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container, db = clients.accounts.container(request.account), request.db
    legacy, files = request.legacy, ()
    if legacy is not None:
        files = files_of(db, listed_files(db, await container.list(files_prefix(db))))

    def change(document: Document) -> Document:
        new = metadata.started(document, request)
        if legacy is None or digest_of(files) != legacy.generation.digest:
            return new
        return with_legacy(new, legacy, files, request.started)

    etag = await clients.control.update(
        container,
        db,
        change,
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
    """Write the blobs that a shard set lacks, all at once. Each write is conditional and is verified.

    Safe to repeat: it leaves blobs that are already right.

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
    """Commit the run's result: check the generation again, then write shard sets, statistics and errors by compare-and-swap.

    Safe to repeat. If the database changed during the run (`DatabaseChanged`), or the metadata has a higher epoch
    (`LeaseLost`), it writes nothing, and the reply's problem says so.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)

    def change(document: Document) -> Document:
        # When the step is repeated, the metadata may already have the version that its first execution wrote.
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
    return Conflict(Code.DATABASE_CHANGED, f"'{db}' changed while the run sharded it. Start again.", target=db)


@answering(Written)
async def record_failure(request: RecordFailure, clients: Clients) -> Written:
    """Record a failed run: clear `sharding_in_progress`, keep untouched sets, and store the error, by compare-and-swap.

    Safe to repeat. If the metadata has a higher epoch or cannot be read, it writes nothing, and the reply's problem says so.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    etag = await clients.control.update(container, request.db, lambda document: metadata.failed(document, request))
    return Written(etag=etag)


@answering(Removed)
async def remove_orphans(request: RemoveOrphans, clients: Clients) -> Removed:
    """Remove orphans: list the layout folders again, and delete blobs that do not belong to a kept set.

    Safe to repeat. It removes nothing after the lease's time is over, and no blob that was written after the listing. If
    storage refuses a removal, the reply's problem says so.

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
