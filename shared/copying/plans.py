"""The copy plan: made from source and storage, stored in a blob, and read again by every step that needs it."""

from pydantic import ValidationError

from shared.blastdb.blobs import plan_blob
from shared.blastdb.volumes import is_file_of
from shared.errors import Code, Conflict
from shared.runs.prepare.payloads import CopyPlan, SourceFile
from shared.storage.container import Absent, Container, Matching
from shared.storage.staging import StagedFile, Staging

_LIMIT_BYTES = 32 * 1024 * 1024


async def read_plan(container: Container, db: str, source_version: str) -> CopyPlan | None:
    """Read the stored plan; None when it is missing or unreadable."""
    content = await container.read(plan_blob(db, source_version), limit_bytes=_LIMIT_BYTES)
    if content is None:
        return None
    try:
        return CopyPlan.model_validate_json(content.data)
    except ValidationError:
        return None


async def require_plan(container: Container, db: str, source_version: str, digest: str) -> CopyPlan:
    """Read the plan of a run, which must have this digest.

    Raises:
        Conflict: a run that took over the database has replaced the plan, or the plan is gone.
    """
    plan = await read_plan(container, db, source_version)
    if plan is None:
        # Perhaps a person removed it. The run still holds the database and must record its end.
        message = f"The plan of files for '{db}' is gone or damaged. Start again."
        raise Conflict(Code.DATABASE_CHANGED, message, target=db)
    if plan.digest != digest:
        message = f"The plan of files for '{db}' no longer belongs to this run. Start again."
        raise Conflict(Code.LEASE_LOST, message, target=db)
    return plan


async def store_plan(container: Container, plan: CopyPlan) -> None:
    """Store the plan, unless the stored one is identical.

    Raises:
        ConditionFailedError: another writer stored a plan at the same time.
    """
    name, data = plan_blob(plan.db, plan.source_version), plan.model_dump_json(exclude_defaults=True).encode()
    present = await container.read(name, limit_bytes=_LIMIT_BYTES)
    if present is None or present.data != data:
        await container.write(name, data, Absent() if present is None else Matching(present.etag))


def with_kept(files: tuple[SourceFile, ...], in_place: dict[str, StagedFile]) -> tuple[SourceFile, ...]:
    """The files, with `kept` set on those that are already in place."""

    def is_kept(file: SourceFile) -> bool:
        return file.leaf in in_place and in_place[file.leaf].is_copy_of(file)

    return tuple(file.model_copy(update={"kept": is_kept(file)}) for file in files)


def ghosts(plan: CopyPlan, in_place: dict[str, StagedFile]) -> list[StagedFile]:
    """Ghosts: files of the database that the plan does not list. Blobs not named like a file of the database are ignored."""
    wanted = {file.leaf for file in plan.files}
    return [held for leaf, held in sorted(in_place.items()) if is_file_of(plan.db, leaf) and leaf not in wanted]


async def missing(plan: CopyPlan, staging: Staging) -> tuple[SourceFile, ...]:
    """The files of the plan that are neither in place nor staged and verified."""
    in_place, held = await staging.in_place(), await staging.held()
    places = ((file, in_place.get(file.leaf), held.get(staging.name(file))) for file in plan.files)
    return tuple(file for file, there, here in places if not any(one and one.is_copy_of(file) for one in (there, here)))
