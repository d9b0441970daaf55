"""The replaced system's shard sets: recognised from a listing, so that they are kept, listed and restorable.

Its manifests are those of this app, with other cut points (blocks of ceil(n/N) volumes), and its aliases have two lines (contract
1.5, 1.7). A manifest's length tells how many volumes it lists and its MD5 tells which, so no text is read.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from shared.blastdb.alias import LEGACY_ALIAS, render_alias
from shared.blastdb.blobs import MAX_SHARDS, alias_blob, manifest_blob
from shared.blastdb.generations import volume_marks
from shared.blastdb.layout import Layout
from shared.blastdb.listings import ListedBlob, md5_hex
from shared.blastdb.manifest import render_manifest
from shared.blastdb.volumes import ListedFile, VolumeSet
from shared.runs.database.layout_history import LayoutRecord, with_layout
from shared.runs.database.layouts import StoredSet
from shared.runs.database.metadata import Document, ShardFields
from shared.runs.shard.legacy import LegacySets

WRITER = "replaced-system"
"""Stands for the operation that wrote a recorded layout, which had no id."""


def is_legacy(known: ShardFields) -> bool:
    """Whether the metadata lists shard sets of the replaced system: it names neither their generation nor their form."""
    return bool(known.sharded and known.shard_sets and known.shard_generation is None and known.shard_alias_version is None)


def legacy_layouts(known: ShardFields, volumes: VolumeSet, stored: Mapping[int, StoredSet]) -> tuple[Layout, ...]:
    """The layouts of the replaced system's sets, ascending; none unless every listed set is whole and of these volumes.

    A protein set is whole only with `.pal` aliases: the replaced system wrote `.nal`, by which BLAST opens no protein database.
    """
    if not is_legacy(known) or known.shards_stale:
        return ()
    found = [_layout(volumes, count, stored.get(count)) for count in sorted(set(known.shard_sets))]
    return tuple(one for one in found if one is not None) if all(found) else ()


def with_legacy(document: Mapping[str, Any], sets: LegacySets, files: Iterable[ListedFile], now: datetime) -> Document:
    """The document with the replaced system's layouts as the present record, from which their texts follow byte for byte.

    Args:
        document: the metadata; says when the layouts were made.
        sets: what to record.
        files: the database's own.
        now: stands for that moment where it cannot be read.
    """
    record = LayoutRecord(
        generation=sets.generation,
        operation_id=WRITER,
        sharded_at=_moment(document.get("sharded_at"), now),
        volumes=sets.volumes,
        sets=tuple(layout.cuts for layout in sets.layouts),
        legacy_alias=True,
        alias_version=LEGACY_ALIAS,
        statistics=sets.statistics,
        marks="".join(volume_marks(sets.volumes, files)),
    )
    return with_layout(document, record, restored=False)


def _moment(text: object, otherwise: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return otherwise
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _layout(volumes: VolumeSet, count: int, stored: StoredSet | None) -> Layout | None:
    if stored is None or not 1 <= count <= min(volumes.count, MAX_SHARDS):
        return None
    manifests = [stored.blobs.get(manifest_blob(volumes.db, count, index)) for index in range(count)]
    cuts = [0]
    for blob in manifests:
        stop = _stop(volumes, cuts[-1], blob.size_bytes if blob else 0)
        if stop is None:
            return None
        cuts.append(stop)
    layout = Layout(cuts=tuple(cuts))
    if cuts[-1] != volumes.count:
        return None
    aliases = [stored.blobs.get(alias_blob(volumes.db, count, index, volumes.molecule)) for index in range(count)]
    whole = all(
        _has(manifests[index], render_manifest(volumes, layout, index))
        and _has(aliases[index], render_alias(volumes, layout, index, None, LEGACY_ALIAS))
        for index in range(count)
    )
    return layout if whole else None


def _stop(volumes: VolumeSet, start: int, size_bytes: int) -> int | None:
    """The volume after the last of a manifest of that length that begins with the volume `start`; None when none fits."""
    stop, left = start, size_bytes
    while left > 0 and stop < volumes.count:
        left -= len(volumes.name(stop)) + 1
        stop += 1
    return stop if stop > start and left == 0 else None


def _has(blob: ListedBlob | None, text: bytes) -> bool:
    return blob is not None and blob.md5 == md5_hex(text)
