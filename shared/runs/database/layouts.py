"""Shard sets as values: the texts that a set must have, the blobs that are stored, and the difference."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from shared.blastdb.alias import WHOLE_ALIAS, render_alias
from shared.blastdb.blobs import alias_blob, manifest_blob, parse_layout_blob
from shared.blastdb.layout import Layout
from shared.blastdb.listings import ListedBlob, md5_hex
from shared.blastdb.manifest import render_manifest
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet
from shared.runs.shard.payloads import LONG_AGO, BlobIndices, SetPlan


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


def texts(
    volumes: VolumeSet, layout: Layout, statistics: Statistics | None, alias_version: int = WHOLE_ALIAS
) -> dict[str, bytes]:
    """Every blob of a shard set: its name and its bytes, manifests first."""
    count = layout.shard_count
    manifests = {manifest_blob(volumes.db, count, i): render_manifest(volumes, layout, i) for i in range(count)}
    aliases = {
        alias_blob(volumes.db, count, i, volumes.molecule): render_alias(volumes, layout, i, statistics, alias_version)
        for i in range(count)
    }
    return manifests | aliases


def plan_set(
    volumes: VolumeSet,
    layout: Layout,
    statistics: Statistics | None,
    stored: Mapping[str, str | None],
    *,
    alias_version: int = WHOLE_ALIAS,
    force: bool,
) -> SetPlan:
    """What a shard set lacks, by comparing MD5s. A blob without an MD5 counts as differing, and so do all with `force`."""
    absent, differing = _Marks(), _Marks()
    for name, data in texts(volumes, layout, statistics, alias_version).items():
        if name not in stored:
            absent.add(volumes.db, name)
        elif force or stored[name] != md5_hex(data):
            differing.add(volumes.db, name)
    return SetPlan(layout=layout, absent=absent.indices(), differing=differing.indices())


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
