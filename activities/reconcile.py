"""A reconcile pass's steps: survey, repair, purge."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from activities.binding import answering, answering_by
from activities.warmup_plan import decide
from shared.azure.hub import Hub
from shared.blastdb.blobs import files_prefix, folder, metadata_blob
from shared.blastdb.evidence import Evidence, paper_files
from shared.blastdb.generations import digest_of
from shared.blastdb.listings import ListedBlob, inventory_of, listed_files
from shared.blastdb.papers import ghosts_of
from shared.blastdb.volumes import Inventory, VolumeSet
from shared.clients import Clients
from shared.errors import Code, Conflict, ShardwarmError, TransientFailure, Unusable
from shared.runs.database import headers, metadata
from shared.runs.database.corrections import DatabaseFacts, corrected
from shared.runs.database.metadata import Document, ShardFields
from shared.runs.database.staleness import COPY_GIVEN_UP_AFTER, is_longer_ago
from shared.runs.ids import UPLOAD_ENTITY
from shared.runs.operations import operation_of
from shared.runs.reconcile.payloads import (
    CheckWarmup,
    Corrected,
    CorrectMetadata,
    Pruned,
    PruneGhosts,
    Purged,
    PurgeRuns,
    WarmupCheck,
)
from shared.runs.upload.transitions import Tidy, UploadState, tidy
from shared.runs.warmup.status import status_of
from shared.sanitise import sanitised_line
from shared.storage.container import Container, Matching
from shared.storage.evidence import papers_of

_NOT_NOW = "The pass removes none of them; the next one judges them again."


@answering(Corrected)
async def correct_metadata(request: CorrectMetadata, clients: Clients, hub: Hub) -> Corrected:
    """Correct metadata that is no longer true, by compare-and-swap. The engine's knowledge of the runs decides what is true.

    Safe to repeat: it writes nothing when the metadata is right. An in-progress mark that was set after the judgement stays.

    Raises:
        TransientFailure: storage or the hub was busy; a retry helps.
    """
    container, db = clients.accounts.container(request.account), request.db
    holding = (await hub.lease(request.account, db)).holding
    if holding is not None and not await hub.is_over(holding.run):
        return Corrected(busy=True)
    control = await clients.control.read(container, db)
    if control.etag is None:
        return Corrected()
    known = metadata.fields(db, control.document)
    if request.finish and known.promoting_source_version is None:
        # The promotion was finished after the survey.
        return Corrected(busy=True)
    marked_by = _marked_by(known)
    owner = await hub.find(marked_by) if marked_by else None
    if owner is not None and not operation_of(owner).has_ended:
        return Corrected(busy=True)
    # The database may have been uploaded again after the survey.
    gone = request.gone and not await container.list_some_names(folder(db), at_most=1)
    facts = DatabaseFacts(marked_at=known.sharding_started_at, owner_ended=owner is not None, gone=gone)
    now = datetime.now(UTC)
    is_young = not is_longer_ago(COPY_GIVEN_UP_AFTER, known.update_started_at, now)
    if request.finish and known.update_in_progress and owner is None and is_young:
        # Another task hub may know the run.
        return Corrected(busy=True)
    last = corrected(db, control.document, facts, now)

    def change(document: Document) -> Document:
        nonlocal last
        last = corrected(db, document, facts, now)
        return last.document

    etag = await clients.control.update(container, db, change)
    if metadata.fields(db, last.document).sharding_in_progress:
        # The mark was set after the judgement, or by a run that another task hub may know.
        return Corrected(changes=last.changes, busy=True)
    if request.describe and not last.changes and (summary := headers.summary(last.document)):
        described = await container.describe(metadata_blob(db), summary, Matching(etag))
        return Corrected(changes=("its headers, which a listing reads",) if described else ())
    return Corrected(changes=last.changes)


def _marked_by(known: ShardFields) -> str | None:
    """The run that the metadata's in-progress mark names; None without a mark."""
    if known.sharding_in_progress:
        return known.shard_operation_id
    return known.prepare_operation_id if known.update_in_progress else None


@answering(Pruned)
async def prune_ghosts(request: PruneGhosts, clients: Clients) -> Pruned:
    """Remove ghosts: volumes that none of the database's papers names.

    It refuses if that is more than half of the volumes, or if a ghost is younger than one of the papers: it may then belong to an
    upload whose papers come last. It removes nothing if the listing is not the one that was refused, and no blob that was written
    after it listed the folder.

    Safe to repeat and to stop halfway. It removes the highest volume first, and each volume's sequence file last, so that the
    rest is always a database with fewer ghosts. A repetition then finds another listing and leaves the rest to the next pass.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container, db = clients.accounts.container(request.account), request.db
    listing = await container.list(files_prefix(db))
    if digest_of(listed_files(db, listing)) != request.refused:
        raise Conflict(Code.DATABASE_CHANGED, f"'{db}' changed after a run refused its ghosts. {_NOT_NOW}", target=db)
    inventory = inventory_of(db, listing)
    names = ghosts_of(await _papers(container, inventory, listing))
    if not names:
        return Pruned()
    ghosts = [_blobs_of(inventory.volumes, ghost, listing) for ghost in names]
    _refuse_doubtful(inventory, ghosts, listing)
    removed = 0
    for ghost in reversed(ghosts):
        removed += await _remove(container, ghost, request.write_before)
    return Pruned(volumes=len(ghosts), blobs=removed)


async def _papers(container: Container, inventory: Inventory, listing: Sequence[ListedBlob]) -> Evidence:
    db = inventory.volumes.db
    try:
        return await papers_of(container, inventory, {blob.name: blob.etag for blob in listing})
    except TransientFailure as error:
        if error.problem.code is not Code.DATABASE_CHANGED:
            raise
        message = f"'{error.problem.target}' changed while the pass judged the ghosts of '{db}'. {_NOT_NOW}"
        raise Conflict(Code.DATABASE_CHANGED, message, target=db) from error


def _refuse_doubtful(inventory: Inventory, ghosts: Sequence[Sequence[ListedBlob]], listing: Sequence[ListedBlob]) -> None:
    db, doubt = inventory.volumes.db, None
    files = paper_files(inventory.volumes, inventory.files)
    leaves = {file.leaf for file in (files.alias, files.table, files.statistics) if file is not None}
    oldest = min((blob for blob in listing if blob.leaf in leaves), key=lambda blob: blob.modified)
    if 2 * len(ghosts) > inventory.volumes.count:
        doubt = "more than half"
    elif any(blob.modified > oldest.modified for ghost in ghosts for blob in ghost):
        doubt = f"some younger than '{oldest.name}', which does not name them"
    if doubt is not None:
        message = (
            f"{len(ghosts)} of the {inventory.volumes.count} volumes of '{db}' are ghosts, {doubt}. No pass removes these: "
            "remove them, or upload the papers that name them."
        )
        raise Unusable(Code.GHOST_VOLUMES, message, target=db)


def _blobs_of(volumes: VolumeSet, ghost: str, listing: Sequence[ListedBlob]) -> list[ListedBlob]:
    own = [blob for blob in listing if blob.name.startswith(f"{folder(volumes.db)}{ghost}.")]
    return sorted(own, key=lambda blob: blob.name.endswith((".nsq", ".psq")))


async def _remove(container: Container, blobs: Sequence[ListedBlob], write_before: datetime) -> int:
    *others, sequences = blobs
    if datetime.now(UTC) >= write_before:
        raise Conflict(Code.LEASE_LOST, "The pass's lease ended before it removed every ghost. The next pass removes the rest.")

    async def delete(blob: ListedBlob) -> bool:
        # Ghosts are a person's uploads: snapshots of them are that person's, too.
        return await container.delete(blob.name, Matching(blob.etag), with_snapshots=False)

    return sum((*await asyncio.gather(*map(delete, others)), await delete(sequences)))


_LENGTH = 120


def _check_failed(_: CheckWarmup, error: ShardwarmError) -> WarmupCheck:
    return WarmupCheck(trouble=sanitised_line(f"{error.problem.code.value}: {error.problem.message}", _LENGTH))


@answering_by(_check_failed)
async def check_warmup(request: CheckWarmup, clients: Clients) -> WarmupCheck:
    """Check whether a warmed database needs a new warmup: decide as a warmup would, and compare with the cluster. Reads only.

    Raises:
        TransientFailure: storage, ARM or Kubernetes was busy; a retry helps.
    """
    warm = request.warm
    reading = await (await clients.agents(warm.cluster)).read(warm.db)
    if reading is None:
        return WarmupCheck(again="the cluster has nothing of it any more")
    if reading.document.mode == "evict":
        return WarmupCheck()
    _, wanted = await decide(
        clients,
        warm.cluster,
        warm.account,
        warm.db,
        shard_count=warm.shard_count,
        replicas=warm.replicas,
        strict=warm.strict,
    )
    if wanted.digest != reading.document.digest:
        return WarmupCheck(again="its nodes hold an older generation")
    if wanted.texts != reading.document.texts:
        return WarmupCheck(again="its nodes hold older manifests and aliases")
    status = status_of(*reading, datetime.now(UTC))
    if status.status == "Stale":
        return WarmupCheck(again=sanitised_line(status.error or f"shards {', '.join(status.stale_shards)} are cold", _LENGTH))
    # Another interval of reports alone is no reason: the next warmup brings it.
    paced = wanted.model_copy(update={"report_seconds": reading.document.report_seconds})
    if not paced.asks_the_same_as(reading.document):
        return WarmupCheck(again="nodes were replaced or added, and its shards belong on others")
    if status.status == "Failed":
        # The agents go on trying by themselves. The warm status has the reason for their failures.
        return WarmupCheck(trouble=f"{status.nodes_failed} nodes fail; see the warm status")
    return WarmupCheck()


_SECONDS = 30.0
_MOST_UPLOADS = 500


async def purge_runs(request: PurgeRuns, clients: Clients, hub: Hub) -> Purged:  # noqa: ARG001 - bodies have one signature
    """Purge ended runs and empty entities for half a minute; a later pass purges the rest. Safe to repeat.

    When all ended runs are purged, idle uploads drop their remembered events, because no event comes that late. An upload
    whose settles are purged drops its whole state.

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
    states = ((key, UploadState.model_validate(state)) for key, state in sorted(found.items()))
    for key in islice((key for key, state in states if tidy(state, request) != state), _MOST_UPLOADS):
        await hub.tidy_upload(key, request)
