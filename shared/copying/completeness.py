"""Whether what a snapshot lists is a whole database: one that is still being published must not replace a good generation."""

from collections.abc import Generator
from contextlib import contextmanager

from shared.blastdb.blobs import folder, published_metadata_file, statistics_file
from shared.blastdb.completeness import PAPERS_LIMIT_BYTES, Papers, parse_papers, refuse_halves, refuse_incomplete
from shared.blastdb.volumes import Inventory, ListedFile, take_inventory
from shared.errors import Code, Unusable
from shared.ncbi.bucket import Bucket
from shared.runs.prepare.payloads import CopyPlan
from shared.storage.container import Container
from shared.storage.staging import Staging


def refuse_half_listed(plan: CopyPlan) -> None:
    """Judge a plan by its names and sizes, before anything is copied.

    Raises:
        Unusable: no papers could make a whole database of these files.
    """
    with _of_the_source(plan):
        refuse_halves(_inventory(plan))


async def refuse_half_published(plan: CopyPlan, container: Container, bucket: Bucket) -> None:
    """Judge a plan by the database's own papers as well, once they are staged or in place.

    Raises:
        Unusable: files are missing, or volumes are more or fewer than the papers say.
        TransientFailure: storage or source was busy; a retry helps.
    """
    with _of_the_source(plan):
        inventory = _inventory(plan)
        refuse_incomplete(inventory, await _papers(plan, inventory, container, bucket))


def _inventory(plan: CopyPlan) -> Inventory:
    return take_inventory(plan.db, (ListedFile(file.leaf, file.size_bytes, file.etag) for file in plan.files))


async def _papers(plan: CopyPlan, inventory: Inventory, container: Container, bucket: Bucket) -> Papers | None:
    place = statistics_file(plan.db, inventory.volumes.molecule)
    file = next((file for file in plan.files if f"{folder(plan.db)}{file.leaf}" == place), None)
    if file is not None:
        name = place if file.kept else Staging(container, plan.db, plan.source_version).name(file)
        content = await container.read(name, limit_bytes=PAPERS_LIMIT_BYTES)
        # One that went away meanwhile is missed by whoever puts the files in place.
        return parse_papers(file.leaf, content.data) if content is not None else None
    published = await bucket.find(plan.source_version, published_metadata_file(plan.db, inventory.volumes.molecule))
    if published is None:
        return None
    size = min(published.size_bytes, PAPERS_LIMIT_BYTES)
    return parse_papers(published.leaf, await bucket.read(plan.source_version, published, 0, size))


@contextmanager
def _of_the_source(plan: CopyPlan) -> Generator[None]:
    try:
        yield
    except Unusable as error:
        # Only what is wrong: its cure is meant for uploads.
        wrong = error.problem.message.partition(". ")[0]
        message = (
            f"Snapshot {plan.source_version} is not whole at the source: {wrong}. Perhaps it is still being published: start "
            "again later, or with another snapshot."
        )
        raise Unusable(Code.SOURCE_INCOMPLETE, message, target=plan.db) from error
