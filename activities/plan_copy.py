"""Look at source and storage, and write down which files are to be copied."""

from datetime import UTC, datetime

from activities.binding import answering
from shared.clients import Clients
from shared.copying.plans import ghosts, missing, read_plan, store_plan, with_kept
from shared.copying.wholeness import refuse_half_listed
from shared.errors import Code, NotFound, TransientFailure
from shared.runs import metadata, updates
from shared.runs.prepare import CopyPlan, PlanCopy, PlannedCopy, Stage
from shared.storage.errors import ConditionFailedError
from shared.storage.staging import Staging


@answering(PlannedCopy)
async def plan_copy(request: PlanCopy, clients: Clients) -> PlannedCopy:
    """Store the plan of files, unless nothing is to be copied.

    A promotion that was begun goes before everything else while all its files are there. If some are not, they are copied
    again like those of any snapshot that is asked for; only when they are gone at the source too is it lost, which the reply
    says by a problem beside the stage.

    Safe to repeat: the same source and storage give the same plan.

    Raises:
        TransientFailure: source or storage was busy; a retry helps.
    """
    try:
        return await _plan(request, clients)
    except ConditionFailedError as error:
        message = f"The plan of files for '{request.db}' is being written by another."
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
