"""A prepare run's steps: plan the copy, copy and verify, check, promote, clear, and record progress in the metadata."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic

from activities.binding import answering
from shared.blastdb.blobs import staging_folder
from shared.blastdb.listings import ListedBlob
from shared.blastdb.obstacles import refuse_obstructed
from shared.clients import Clients
from shared.copying.completeness import refuse_half_listed, refuse_half_published
from shared.copying.lanes import Done, Lane, run_pieces
from shared.copying.pieces import Piece, lane_of, pieces_of
from shared.copying.plans import ghosts, missing, read_plan, require_plan, store_plan, with_kept
from shared.errors import Code, Conflict, NotFound, TransientFailure
from shared.ncbi.errors import changed
from shared.runs.database import metadata, updates
from shared.runs.prepare.payloads import (
    CheckCopy,
    Checked,
    Cleared,
    ClearFiles,
    CopyFiles,
    CopyPlan,
    CopyReceipt,
    MarkUpdate,
    PlanCopy,
    PlannedCopy,
    Stage,
)
from shared.runs.shard.payloads import Written
from shared.storage.container import Container, Matching
from shared.storage.errors import ConditionFailedError
from shared.storage.layouts import raise_first
from shared.storage.staging import StagedFile, Staging


@answering(PlannedCopy)
async def plan_copy(request: PlanCopy, clients: Clients) -> PlannedCopy:
    """Plan the copy, and store the plan of files unless there is nothing to copy.

    A promotion that has started goes first while all of its files are stored. If some are missing, the run plans the snapshot
    that it was asked for, which copies them again if it is the same snapshot. If that same snapshot is also gone at the
    source, the promotion is lost; the reply then has a problem beside the stage.

    Safe to repeat: the same source and storage give the same plan.

    Raises:
        TransientFailure: source or storage was busy; a retry helps.
    """
    try:
        return await _plan(request, clients)
    except ConditionFailedError as error:
        message = f"Another run is writing the plan of files for '{request.db}'. Start again."
        raise TransientFailure(Code.WRITTEN_BY_ANOTHER, message, target=request.db) from error


async def _plan(request: PlanCopy, clients: Clients) -> PlannedCopy:
    container = clients.accounts.container(request.account)
    document = (await clients.control.read(container, request.db)).document
    updates.refuse_foreign_update(request.db, document, datetime.now(UTC))
    known = metadata.fields(request.db, document)
    begun = str(document.get("promoting_source_version") or "")
    unfinished = await read_plan(container, request.db, begun) if begun else None
    if unfinished is not None and not await missing(unfinished, Staging(container, request.db, begun)):
        return _stage(unfinished, known, "promoting", is_intact=False)
    version = request.source_version or await clients.bucket.latest()
    try:
        files = await clients.bucket.files(version, request.db)
    except NotFound:
        if version != begun:
            raise
        unfinished = unfinished or CopyPlan(db=request.db, source_version=begun, files=())
        lost = updates.promotion_lost(request.db, begun)
        return _stage(unfinished, known, "promoting", is_intact=False).model_copy(update={"problem": lost})
    in_place = dict(await Staging(container, request.db, version).in_place())
    refuse_obstructed(request.db, (held.blob for held in in_place.values()))
    plan = CopyPlan(db=request.db, source_version=version, files=with_kept(files, in_place))
    is_whole = updates.is_whole(known)
    is_current = is_whole and known.source_version == version and not known.update_in_progress
    if is_current and all(file.kept for file in plan.files) and not ghosts(plan, in_place):
        return _stage(plan, known, "sharding", is_intact=True)
    refuse_half_listed(plan)
    await store_plan(container, plan)
    return _stage(plan, known, "copying", is_intact=is_whole)


def _stage(plan: CopyPlan, known: metadata.ShardFields, step: str, *, is_intact: bool) -> PlannedCopy:
    stage = Stage.model_validate(
        {
            "source_version": plan.source_version,
            "digest": plan.digest,
            "step": step,
            "files_total": len(plan.files),
            "bytes_total": plan.total_bytes,
            "files_kept": sum(1 for file in plan.files if file.kept),
            "bytes_kept": sum(file.size_bytes for file in plan.files if file.kept),
            "is_intact": is_intact,
            "shard_sets": known.shard_sets,
            "epoch": known.shard_epoch,
        }
    )
    return PlannedCopy(stage=stage)


@answering(CopyReceipt)
async def copy_files(request: CopyFiles, clients: Clients) -> CopyReceipt:
    """Stage and verify files for one time slice.

    Safe to repeat: it does not copy stored files again. The reply counts the files that failed for a transient reason, and the
    next call tries them again. Its problem is a failure that no retry cures.

    Raises:
        TransientFailure: storage could not be read; a retry helps.
    """
    container = clients.accounts.container(request.account)
    plan = await require_plan(container, request.db, request.source_version, request.digest)
    files = [file for file in plan.files if not file.kept]
    steering = request.steering
    pieces = lane_of(pieces_of(files, steering.block_bytes, steering.piece_blocks), request.lane, steering.lanes)
    # A run that takes the lease over clears the staged files. This run must stage nothing after that.
    left = (request.write_before - datetime.now(UTC)).total_seconds()
    steering = steering.model_copy(update={"slice_seconds": min(steering.slice_seconds, left)})
    staging = Staging(container, request.db, plan.source_version)
    lane = Lane(plan.source_version, clients.bucket, staging, clients.relay, steering, monotonic)
    return await lane.copy(request.lane, pieces)


@answering(Checked)
async def check_copy(request: CheckCopy, clients: Clients) -> Checked:
    """Check that the source still matches the plan and that storage has every planned file. Reads only.

    Raises:
        TransientFailure: source or storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    plan = await require_plan(container, request.db, request.source_version, request.digest)
    now = {file.leaf: (file.size_bytes, file.etag) for file in await clients.bucket.files(plan.source_version, plan.db)}
    planned = {file.leaf: (file.size_bytes, file.etag) for file in plan.files}
    if now != planned:
        differing = sorted(leaf for leaf in now.keys() | planned.keys() if now.get(leaf) != planned.get(leaf))
        raise changed(differing[0])
    absent = await missing(plan, Staging(container, plan.db, plan.source_version))
    if absent:
        message = f"Another program removed or changed '{absent[0].leaf}' and {len(absent) - 1} more staged files. Start again."
        raise Conflict(Code.DATABASE_CHANGED, message, target=absent[0].leaf)
    await refuse_half_published(plan, container, clients.bucket)
    return Checked()


@answering(CopyReceipt)
async def promote_files(request: CopyFiles, clients: Clients) -> CopyReceipt:
    """Promote one lane's files: copy each from its staging name into place, on condition that the old file has not changed.

    Safe to repeat: it leaves files that are already in place. It starts no copy after the lease's time is over.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    plan = await require_plan(container, request.db, request.source_version, request.digest)
    staging = Staging(container, request.db, plan.source_version)
    pieces = lane_of([Piece(file, 0, 1) for file in plan.files], request.lane, request.steering.lanes)
    promotion = _Promotion(staging, await staging.in_place(), await staging.held(), request)
    return await run_pieces(request.lane, pieces, request.steering.at_once, promotion.place)


class _Promotion:
    def __init__(
        self, staging: Staging, in_place: Mapping[str, StagedFile], held: Mapping[str, StagedFile], request: CopyFiles
    ) -> None:
        self._staging = staging
        self._in_place = in_place
        self._held = held
        self._until = monotonic() + request.steering.slice_seconds
        self._write_before = request.write_before
        self._has_begun = False

    async def place(self, piece: Piece) -> Done:
        file = piece.file
        over, staged = self._in_place.get(file.leaf), self._held.get(self._staging.name(file))
        if over is not None and over.is_copy_of(file):
            return Done(file.size_bytes, is_done=True, files_done=1)
        if staged is None or not staged.is_copy_of(file):
            message = f"'{file.leaf}' is neither in place nor staged any more. Start again."
            raise Conflict(Code.DATABASE_CHANGED, message, target=file.leaf)
        if over is not None and over.blob.copying:
            return Done(pending=1)
        if (self._has_begun and monotonic() >= self._until) or datetime.now(UTC) >= self._write_before:
            return Done()
        self._has_begun = True
        if await self._staging.promote(file, over):
            return Done(file.size_bytes, is_done=True, files_done=1)
        return Done(pending=1)


_AT_ONCE = 32


@answering(Cleared)
async def clear_files(request: ClearFiles, clients: Clients) -> Cleared:
    """Remove staged files or ghosts for one time slice, each only if it has not changed since it was listed.

    Safe to repeat. It removes nothing after the lease's time is over.

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
        # The plan goes last: while it exists, the staged files can still be promoted.
        staged = await container.list(staging_folder(request.db))
        return sorted(staged, key=lambda blob: blob.name.endswith("/plan.json"))
    plan = await require_plan(container, request.db, request.source_version, request.digest)
    in_place = await Staging(container, request.db, request.source_version).in_place()
    return [held.blob for held in ghosts(plan, dict(in_place))]


@answering(Written)
async def mark_update(request: MarkUpdate, clients: Clients) -> Written:
    """Record an update's progress in the metadata, by compare-and-swap.

    Safe to repeat: the same run writes the same values. If the metadata has a higher epoch, it writes nothing, and the reply's
    problem says so.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    return Written(etag=await clients.control.update(container, request.db, lambda document: updates.marked(document, request)))
