"""Reads and writes of shard sets in storage."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from shared.blastdb.blobs import alias_blob, layout_prefix, manifest_blob
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet
from shared.errors import Code, Conflict
from shared.runs.database.layouts import StoredSet, texts
from shared.runs.shard.payloads import BlobIndices, SetPlan
from shared.storage.container import Absent, Condition, Container, UnchangedSince
from shared.storage.errors import ConditionFailedError


async def read_sets(container: Container, db: str, shard_counts: Iterable[int]) -> dict[int, StoredSet]:
    """List what is stored of these shard sets: one listing each, all at once."""

    async def read(count: int) -> StoredSet:
        return StoredSet(db, count, await container.list(layout_prefix(db, count)))

    return {stored.shard_count: stored for stored in await asyncio.gather(*map(read, shard_counts))}


async def write_set(
    container: Container,
    plan: SetPlan,
    volumes: VolumeSet,
    statistics: Statistics | None,
    *,
    alias_version: int,
    changed: datetime,
    write_before: datetime,
) -> int:
    """Write the absent and differing blobs of a shard set, all at once; each is verified by the MD5 that storage computed.

    Safe to repeat: a blob that already holds the right bytes is not written.

    Args:
        container: the container of the account.
        plan: the blobs that are absent and those that differ.
        volumes: the volumes of the whole database.
        statistics: for the aliases; None for aliases without totals.
        alias_version: the version of the aliases' form.
        changed: when the differing blobs were last changed; blobs changed later are not overwritten.
        write_before: when this run's lease ends.

    Returns:
        How many blobs were written by this call.

    Raises:
        Conflict: the lease has ended, or another writer changed a blob since it was listed.
        ShardwarmError: storage refused or failed.
    """
    wanted = texts(volumes, plan.layout, statistics, alias_version)
    conditions: dict[str, Condition] = dict.fromkeys(_names(plan.absent, plan, volumes), Absent())
    conditions |= dict.fromkeys(_names(plan.differing, plan, volumes), UnchangedSince(changed))

    async def write(name: str, condition: Condition) -> bool:
        if datetime.now(UTC) >= write_before:
            raise Conflict(Code.LEASE_LOST, "The run's lease ended before it wrote every blob. Start again.", target=volumes.db)
        try:
            await container.write(name, wanted[name], condition)
        except ConditionFailedError:
            if await container.holds(name, wanted[name]):
                return False
            message = f"Another writer changed '{name}' during this run. Start again."
            raise Conflict(Code.WRITTEN_BY_ANOTHER, message, target=name) from None
        return True

    outcomes = await asyncio.gather(*(write(*item) for item in conditions.items()), return_exceptions=True)
    raise_first([outcome for outcome in outcomes if isinstance(outcome, BaseException)])
    return sum(outcome is True for outcome in outcomes)


def raise_first(errors: Iterable[BaseException]) -> None:
    """Raise the first of the errors of several tasks, once all have ended; does nothing without an error."""
    for error in errors:
        raise error


def _names(indices: BlobIndices, plan: SetPlan, volumes: VolumeSet) -> list[str]:
    count = plan.shard_count
    manifests = [manifest_blob(volumes.db, count, index) for index in indices.manifests]
    return manifests + [alias_blob(volumes.db, count, index, volumes.molecule) for index in indices.aliases]
