"""Completeness of a snapshot's database: one that is still being published must not replace a good generation."""

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
    """Refuse an incomplete plan by its names and sizes, before anything is copied.

    Raises:
        Unusable: these files cannot be a complete database.
    """
    with _as_incomplete_source(plan):
        refuse_halves(_inventory(plan))


async def refuse_half_published(plan: CopyPlan, container: Container, bucket: Bucket) -> None:
    """Refuse an incomplete plan by the database's own statistics file as well, once it is staged or in place.

    Raises:
        Unusable: files are missing, or the number of volumes is not what the statistics file says.
        TransientFailure: storage or source was busy; a retry helps.
    """
    with _as_incomplete_source(plan):
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
        # If the file has been removed since, the promotion will notice that it is missing.
        return parse_papers(file.leaf, content.data) if content is not None else None
    published = await bucket.find(plan.source_version, published_metadata_file(plan.db, inventory.volumes.molecule))
    if published is None:
        return None
    size = min(published.size_bytes, PAPERS_LIMIT_BYTES)
    return parse_papers(published.leaf, await bucket.read(plan.source_version, published, 0, size))


@contextmanager
def _as_incomplete_source(plan: CopyPlan) -> Generator[None]:
    try:
        yield
    except Unusable as error:
        # Keep only what is wrong: the advice after it is meant for uploads.
        wrong = error.problem.message.partition(". ")[0]
        message = (
            f"Snapshot {plan.source_version} is not complete at the source: {wrong}. Perhaps it is still being published: start "
            "again later, or with another snapshot."
        )
        raise Unusable(Code.SOURCE_INCOMPLETE, message, target=plan.db) from error
