"""Shard sets in storage: what is there, what is to be there, and the difference between the two."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

from shared.blastdb.alias import render_alias
from shared.blastdb.blobs import alias_blob, layout_prefix, manifest_blob, parse_layout_blob
from shared.blastdb.layout import Layout
from shared.blastdb.manifest import render_manifest
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet
from shared.errors import Code, Conflict
from shared.runs.shard import LONG_AGO, BlobIndices, SetPlan
from shared.storage.container import Absent, Condition, Container, UnchangedSince, md5_hex
from shared.storage.errors import ConditionFailedError
from shared.storage.listing import ListedBlob


class StoredSet:
    """The blobs of one shard set as they were listed, by name."""

    def __init__(self, db: str, shard_count: int, listing: Iterable[ListedBlob]) -> None:
        self.shard_count = shard_count
        self.blobs = {blob.name: blob for blob in listing if _is_of(db, shard_count, blob.name)}

    @property
    def md5_by_name(self) -> dict[str, str | None]:
        """The MD5 of each blob."""
        return {name: blob.md5 for name, blob in self.blobs.items()}


def last_change(sets: Iterable[StoredSet]) -> datetime:
    """When the youngest of their blobs was changed, to the second; long ago when there is none."""
    return max((blob.modified for stored in sets for blob in stored.blobs.values()), default=LONG_AGO)


async def read_sets(container: Container, db: str, shard_counts: Iterable[int]) -> dict[int, StoredSet]:
    """What is stored of these shard sets: one listing each, all at once."""

    async def read(count: int) -> StoredSet:
        return StoredSet(db, count, await container.list(layout_prefix(db, count)))

    return {stored.shard_count: stored for stored in await asyncio.gather(*map(read, shard_counts))}


def texts(volumes: VolumeSet, layout: Layout, statistics: Statistics | None) -> dict[str, bytes]:
    """Every blob of a shard set: its name and its bytes, manifests first."""
    count = layout.shard_count
    manifests = {manifest_blob(volumes.db, count, i): render_manifest(volumes, layout, i) for i in range(count)}
    aliases = {
        alias_blob(volumes.db, count, i, volumes.molecule): render_alias(volumes, layout, i, statistics) for i in range(count)
    }
    return manifests | aliases


def plan_set(
    volumes: VolumeSet, layout: Layout, statistics: Statistics | None, stored: Mapping[str, str | None], *, force: bool
) -> SetPlan:
    """What a shard set lacks, by comparing MD5s. A blob without an MD5 counts as differing, and so do all with `force`."""
    absent, differing = _Marks(), _Marks()
    for name, data in texts(volumes, layout, statistics).items():
        if name not in stored:
            absent.add(volumes.db, name)
        elif force or stored[name] != md5_hex(data):
            differing.add(volumes.db, name)
    return SetPlan(layout=layout, absent=absent.indices(), differing=differing.indices())


async def write_set(
    container: Container,
    plan: SetPlan,
    volumes: VolumeSet,
    statistics: Statistics | None,
    *,
    changed: datetime,
    write_before: datetime,
) -> int:
    """Write what a shard set lacks, all at once, each blob verified by the MD5 that storage computed.

    Safe to repeat: a blob that holds the right bytes already is left as it is.

    Args:
        container: where.
        plan: what is absent and what differs.
        volumes: of the whole database.
        statistics: for the aliases; None for the two-line form.
        changed: when the blobs that differ were last changed; those that changed later are not overwritten.
        write_before: when this run's right to write ends.

    Returns:
        How many blobs were written by this call.

    Raises:
        Conflict: the lease's time is over, or another writer changed a blob since it was looked at.
        ShardwarmError: what storage said.
    """
    wanted = texts(volumes, plan.layout, statistics)
    conditions: dict[str, Condition] = dict.fromkeys(_names(plan.absent, plan, volumes), Absent())
    conditions |= dict.fromkeys(_names(plan.differing, plan, volumes), UnchangedSince(changed))

    async def write(name: str, condition: Condition) -> bool:
        if datetime.now(UTC) >= write_before:
            raise Conflict(Code.LEASE_LOST, "The lease's time was over before everything was written.", target=volumes.db)
        try:
            await container.write(name, wanted[name], condition)
        except ConditionFailedError:
            if await container.holds(name, wanted[name]):
                return False
            message = f"'{name}' was changed by another writer during this run. Start again."
            raise Conflict(Code.WRITTEN_BY_ANOTHER, message, target=name) from None
        return True

    outcomes = await asyncio.gather(*(write(*item) for item in conditions.items()), return_exceptions=True)
    raise_first([outcome for outcome in outcomes if isinstance(outcome, BaseException)])
    return sum(outcome is True for outcome in outcomes)


def raise_first(errors: Iterable[BaseException]) -> None:
    """Raise the first of what many tasks failed with, after all of them have ended; nothing if none did."""
    for error in errors:
        raise error


def is_orphan(volumes: VolumeSet, shard_counts: Iterable[int]) -> Callable[[str], bool]:
    """Tells whether a layout blob's name belongs to none of these shard sets of this database."""
    kept = {
        name
        for count in shard_counts
        for index in range(count)
        for name in (manifest_blob(volumes.db, count, index), alias_blob(volumes.db, count, index, volumes.molecule))
    }
    return lambda name: name not in kept


class _Marks:
    def __init__(self) -> None:
        self._manifests: list[int] = []
        self._aliases: list[int] = []

    def add(self, db: str, name: str) -> None:
        parsed = parse_layout_blob(db, name)
        if parsed is not None:
            (self._manifests if parsed.extension == "manifest" else self._aliases).append(parsed.shard)

    def indices(self) -> BlobIndices:
        return BlobIndices(manifests=tuple(self._manifests), aliases=tuple(self._aliases))


def _is_of(db: str, shard_count: int, name: str) -> bool:
    parsed = parse_layout_blob(db, name)
    return parsed is not None and parsed.shard_count == shard_count


def _names(indices: BlobIndices, plan: SetPlan, volumes: VolumeSet) -> list[str]:
    count = plan.shard_count
    manifests = [manifest_blob(volumes.db, count, index) for index in indices.manifests]
    return manifests + [alias_blob(volumes.db, count, index, volumes.molecule) for index in indices.aliases]
