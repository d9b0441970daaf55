"""A reconcile pass's steps: survey, repair, purge."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from activities.binding import answering, answering_by
from activities.warmup_plan import decide
from shared.azure.hub import Hub
from shared.blastdb.blobs import files_prefix, folder, metadata_blob, statistics_file
from shared.blastdb.generations import digest_of
from shared.blastdb.listings import ListedBlob, inventory_of, listed_files
from shared.blastdb.statistics import parse_statistics_file
from shared.blastdb.volumes import VolumeSet
from shared.clients import Clients
from shared.errors import Code, Conflict, ShardwarmError, Unusable
from shared.runs.database import headers, metadata
from shared.runs.database.corrections import Evidence, corrected
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


@answering(Corrected)
async def correct_metadata(request: CorrectMetadata, clients: Clients, hub: Hub) -> Corrected:
    """Judge the metadata by the engine's own knowledge of the runs, and correct it by compare-and-swap.

    Safe to repeat: what is right is not written. A mark that was set since it was judged stays.

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
        # It was finished since it was seen.
        return Corrected(busy=True)
    marked_by = _marked_by(known)
    owner = await hub.find(marked_by) if marked_by else None
    if owner is not None and not operation_of(owner).has_ended:
        return Corrected(busy=True)
    # It may have been uploaded again since the survey.
    gone = request.gone and not await container.list_some_names(folder(db), at_most=1)
    verdict = Evidence(marked_at=known.sharding_started_at, owner_ended=owner is not None, gone=gone)
    now = datetime.now(UTC)
    is_young = not is_longer_ago(COPY_GIVEN_UP_AFTER, known.update_started_at, now)
    if request.finish and known.update_in_progress and owner is None and is_young:
        # Another task hub may know the run.
        return Corrected(busy=True)
    last = corrected(db, control.document, verdict, now)

    def change(document: Document) -> Document:
        nonlocal last
        last = corrected(db, document, verdict, now)
        return last.document

    etag = await clients.control.update(container, db, change)
    if metadata.fields(db, last.document).sharding_in_progress:
        # Set since, or by a run that another task hub may know.
        return Corrected(changes=last.changes, busy=True)
    if request.describe and not last.changes and (summary := headers.summary(last.document)):
        described = await container.describe(metadata_blob(db), summary, Matching(etag))
        return Corrected(changes=("its headers, which a listing reads",) if described else ())
    return Corrected(changes=last.changes)


def _marked_by(known: ShardFields) -> str | None:
    """The run that says it is at work on the database."""
    if known.sharding_in_progress:
        return known.shard_operation_id
    return known.prepare_operation_id if known.update_in_progress else None


_LIMIT_BYTES = 4 * 1024 * 1024


@answering(Pruned)
async def prune_ghosts(request: PruneGhosts, clients: Clients) -> Pruned:
    """Count again by the statistics file, and remove what is beyond it, unless that is more than half or younger than the file.

    What is younger than the file that does not count it may be an upload's, of which that file comes last. Nothing is removed
    if the files are not those that were refused, and no blob that was written since they were listed.

    Safe to repeat, and to be ended halfway: the highest volumes go first, each one's sequence file last, so what is left is
    always a database with fewer ghosts; a repetition leaves it to the next pass, which has it refused again.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container, db = clients.accounts.container(request.account), request.db
    listing = await container.list(files_prefix(db))
    if digest_of(listed_files(db, listing)) != request.refused:
        raise Conflict(Code.DATABASE_CHANGED, f"'{db}' changed since its ghosts were refused. They stay for now.", target=db)
    volumes = inventory_of(db, listing).volumes
    name = statistics_file(db, volumes.molecule)
    statistics = next((blob for blob in listing if blob.name == name), None)
    if statistics is None:
        return Pruned()
    counted = await _counted(container, db, statistics)
    if counted is None or counted >= volumes.count:
        return Pruned()
    ghosts = [_blobs_of(volumes, ghost, listing) for ghost in volumes.names(counted, volumes.count)]
    _refuse_doubtful(volumes, ghosts, statistics)
    removed = 0
    for ghost in reversed(ghosts):
        removed += await _remove(container, ghost, request.write_before)
    return Pruned(volumes=len(ghosts), blobs=removed)


async def _counted(container: Container, db: str, statistics: ListedBlob) -> int | None:
    content = await container.read(statistics.name, limit_bytes=_LIMIT_BYTES)
    if content is None or content.etag != statistics.etag:
        message = f"'{statistics.name}' changed while the ghosts of '{db}' were counted. They stay for now."
        raise Conflict(Code.DATABASE_CHANGED, message, target=db)
    return parse_statistics_file(db, content.data).volumes


def _refuse_doubtful(volumes: VolumeSet, ghosts: Sequence[Sequence[ListedBlob]], statistics: ListedBlob) -> None:
    db, doubt = volumes.db, None
    if 2 * len(ghosts) > volumes.count:
        doubt = "more than half"
    elif any(blob.modified > statistics.modified for ghost in ghosts for blob in ghost):
        doubt = f"some younger than '{statistics.name}', which does not count them"
    if doubt is not None:
        message = f"{len(ghosts)} of the {volumes.count} volumes of '{db}' would be removed, {doubt}. A person must decide."
        raise Unusable(Code.GHOST_VOLUMES, message, target=db)


def _blobs_of(volumes: VolumeSet, ghost: str, listing: Sequence[ListedBlob]) -> list[ListedBlob]:
    own = [blob for blob in listing if blob.name.startswith(f"{folder(volumes.db)}{ghost}.")]
    return sorted(own, key=lambda blob: blob.name.endswith((".nsq", ".psq")))


async def _remove(container: Container, blobs: Sequence[ListedBlob], write_before: datetime) -> int:
    *others, sequences = blobs
    if datetime.now(UTC) >= write_before:
        raise Conflict(Code.LEASE_LOST, "The lease's time was over before every ghost was removed.")

    async def delete(blob: ListedBlob) -> bool:
        # Ghosts are a person's uploads: snapshots of them are that person's, too.
        return await container.delete(blob.name, Matching(blob.etag), with_snapshots=False)

    return sum((*await asyncio.gather(*map(delete, others)), await delete(sequences)))


_LENGTH = 120


def _check_failed(_: CheckWarmup, error: ShardwarmError) -> WarmupCheck:
    return WarmupCheck(trouble=sanitised_line(f"{error.problem.code.value}: {error.problem.message}", _LENGTH))


@answering_by(_check_failed)
async def check_warmup(request: CheckWarmup, clients: Clients) -> WarmupCheck:
    """Decide as a warmup would and compare with what the cluster has; then judge the nodes. Reads only.

    Raises:
        TransientFailure: storage, ARM or Kubernetes was busy; a retry helps.
    """
    warm = request.warm
    reading = await (await clients.agents(warm.cluster)).read(warm.db)
    if reading is None:
        return WarmupCheck(again="the cluster has nothing of it any more")
    if reading.document.mode == "evict":
        return WarmupCheck()
    _, wanted = await decide(clients, warm.cluster, warm.account, warm.db, shard_count=warm.shard_count, replicas=warm.replicas)
    if wanted.digest != reading.document.digest:
        return WarmupCheck(again="its nodes hold an older generation")
    status = status_of(*reading, datetime.now(UTC))
    if status.status == "Stale":
        return WarmupCheck(again=sanitised_line(status.error or f"shards {', '.join(status.stale_shards)} are cold", _LENGTH))
    if not wanted.asks_the_same_as(reading.document):
        return WarmupCheck(again="nodes were replaced or added, and its shards belong on others")
    if status.status == "Failed":
        # The agents go on trying by themselves; what is in their way is in the warm status.
        return WarmupCheck(trouble=f"{status.nodes_failed} nodes fail; see the warm status")
    return WarmupCheck()


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
    states = ((key, UploadState.model_validate(state)) for key, state in sorted(found.items()))
    for key in islice((key for key, state in states if tidy(state, request) != state), _MOST_UPLOADS):
        await hub.tidy_upload(key, request)
