"""Layout generations that were replaced: what the metadata keeps of each, and whether it may be put back.

A record has the cut points and what else determines every text byte for byte. `shard_layout` is the present one,
`previous_layouts` are those that it replaced, the newest first. Both are written by the commit that replaces, at no call more.
`shard_restored` says that the present one was put back: it is right as it is recorded, whatever a run would make today, until
the volumes change or a run is forced.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from shared.blastdb.alias import LEGACY_ALIAS, SEARCH_SPACE_ALIAS
from shared.blastdb.blobs import MAX_SHARDS
from shared.blastdb.generations import Generation, digest_of, volume_marks
from shared.blastdb.layout import Layout
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import ListedFile, VolumeSet
from shared.errors import Code, Conflict, NotFound, Problem
from shared.runs.shard.payloads import CommitMetadata

type Document = dict[str, Any]

KEPT = 5
_FIELDS = frozenset({"shard_layout", "previous_layouts", "shard_restored"})
_SHOWN = 5
_DETAILS = 16


class LayoutRecord(BaseModel):
    """One layout generation. `marks` has four hex digits a volume, which only serve to name the volumes that differ."""

    model_config = ConfigDict(frozen=True)

    generation: Generation
    operation_id: str
    sharded_at: datetime
    volumes: VolumeSet
    sets: tuple[tuple[int, ...], ...]
    legacy_alias: bool = False
    alias_version: int = SEARCH_SPACE_ALIAS
    statistics: Statistics | None = None
    marks: str = ""

    @model_validator(mode="after")
    def _cuts_every_volume_once(self) -> Self:
        for cuts in self.sets:
            rising = all(low < high for low, high in pairwise(cuts))
            if not 1 <= len(cuts) - 1 <= MAX_SHARDS or cuts[0] or cuts[-1] != self.volumes.count or not rising:
                raise ValueError("the cut points of a layout rise from nothing to all volumes")
        return self

    @property
    def layouts(self) -> dict[int, Layout]:
        """Its shard sets by shard count."""
        return {len(cuts) - 1: Layout(cuts=cuts) for cuts in self.sets}

    def covers(self, other: "LayoutRecord") -> bool:
        """Whether every text of the other one is a text of this one."""
        return self.source == other.source and set(other.sets) <= set(self.sets)

    @property
    def form(self) -> int:
        """The version of its aliases' form; records of the former release name none for the form they had."""
        return LEGACY_ALIAS if self.legacy_alias else self.alias_version

    @property
    def source(self) -> object:
        """What the texts follow from, other than the cut points."""
        totals = (self.statistics.sequences, self.statistics.letters) if self.statistics and self.form else None
        return self.generation.digest, self.volumes, totals and (self.form, *totals)


def record_of(request: CommitMetadata, files: Iterable[ListedFile]) -> LayoutRecord | None:
    """What a commit makes public, as it is kept; None when it publishes no shard set. `files` are the database's."""
    if not request.layouts:
        return None
    version = request.restored_version or request.generation.source_version
    return LayoutRecord(
        generation=Generation(source_version=version, digest=request.generation.digest),
        operation_id=request.run,
        sharded_at=request.finished,
        volumes=request.volumes,
        sets=tuple(layout.cuts for layout in request.layouts),
        legacy_alias=request.legacy_alias,
        alias_version=request.alias_version,
        statistics=request.statistics,
        marks="".join(volume_marks(request.volumes, files)),
    )


def with_layout(document: Mapping[str, Any], new: LayoutRecord | None, *, restored: bool) -> Document:
    """The document with this layout as the present one; those that it does not cover stay, the newest few."""
    replaced = (old for old in (*present(document), *previous(document)) if new is None or not new.covers(old))
    kept = _without_parts(replaced)
    # Partial records sort first, so that repeating a partly failed restore restores the complete layout.
    kept.sort(key=lambda old: new is None or not old.covers(new))
    changed = {name: value for name, value in document.items() if name not in _FIELDS}
    if new is not None:
        changed["shard_layout"] = _dumped(new)
    if kept:
        changed["previous_layouts"] = [_dumped(record) for record in kept[:KEPT]]
    return changed | ({"shard_restored": True} if restored and new is not None else {})


def present(document: Mapping[str, Any]) -> tuple[LayoutRecord, ...]:
    """The layout that was published last, though it may be listed no more; nothing if none is recorded, or cannot be read."""
    return _records([document.get("shard_layout")])


def previous(document: Mapping[str, Any]) -> tuple[LayoutRecord, ...]:
    """The layouts that were replaced, the newest first; what cannot be read is passed over."""
    listed = document.get("previous_layouts")
    return _records(cast("Sequence[Any]", listed)) if isinstance(listed, list) else ()


def pinned(document: Mapping[str, Any], digest: str) -> LayoutRecord | None:
    """The present layout if it was put back and is that of this generation: then it is the right one."""
    records = present(document) if document.get("shard_restored") is True else ()
    return next((record for record in records if record.generation.digest == digest), None)


def shard_counts_of(document: Mapping[str, Any], digest: str | None = None) -> set[int]:
    """The shard counts of the recorded layouts: of the present one, or of all that are kept of the generation `digest`."""
    records = present(document)
    if digest is not None:
        records = tuple(one for one in (*records, *previous(document)) if one.generation.digest == digest)
    return {count for record in records for count in record.layouts}


def wanted(db: str, document: Mapping[str, Any], digest: str | None) -> LayoutRecord:
    """The newest replaced layout of a generation, or the newest of all; the present one if it alone is of that generation.

    Raises:
        NotFound: none is kept.
    """
    records = (*previous(document), *(present(document) if digest is not None else ()))
    found = next((record for record in records if digest in {None, record.generation.digest}), None)
    if found is None:
        of = f"of generation {digest[:32]}" if digest else "to put back"
        raise NotFound(Code.PREVIOUS_LAYOUT_NOT_FOUND, f"The metadata of '{db}' keeps no layout {of}.", target="digest")
    return found


def refuse_other_volumes(record: LayoutRecord, files: Sequence[ListedFile]) -> None:
    """Refuse a layout whose volumes are not there as they were; `files` are the database's own.

    Raises:
        Conflict: volumes are missing, differ, or are new; the details name them.
    """
    if digest_of(files) == record.generation.digest:
        return
    volumes = record.volumes
    found = volume_marks(volumes, files)
    missing = [volumes.name(index) for index, mark in enumerate(found) if not mark]
    others = [volumes.name(index) for index, mark in enumerate(found) if mark and mark != record.marks[index * 4 : index * 4 + 4]]
    told = [*_told("missing", missing), *_told("different", others)] or [
        "another of its files differs, or there are more volumes"
    ]
    message = (
        f"The layout of generation {record.generation.digest[:8]} is of volumes that '{volumes.db}' does not have now: "
        f"{'; '.join(told)}. Put the volumes back, or shard what is there."
    )
    details = [("is missing", name) for name in missing] + [("differs", name) for name in others]
    raise Conflict.of(
        Problem(
            code=Code.VOLUMES_DIFFER,
            message=message,
            target=volumes.db,
            details=tuple(
                Problem(code=Code.VOLUMES_DIFFER, message=f"This volume {how}.", target=name) for how, name in details[:_DETAILS]
            ),
        )
    )


def _without_parts(records: Iterable[LayoutRecord]) -> list[LayoutRecord]:
    """The records in their order, but for those that another one covers: that one takes the place of the first of them."""
    kept: list[LayoutRecord] = []
    for old in records:
        if not any(one.covers(old) for one in kept):
            place = next((index for index, one in enumerate(kept) if old.covers(one)), len(kept))
            kept = [one for one in kept if not old.covers(one)]
            kept.insert(place, old)
    return kept


def _told(how: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"{how} {', '.join(names[:_SHOWN])}{more}"]


def _records(values: Iterable[Any]) -> tuple[LayoutRecord, ...]:
    found: list[LayoutRecord] = []
    for value in values:
        try:
            found.append(LayoutRecord.model_validate(value))
        except ValidationError:
            continue
    return tuple(found)


def _dumped(record: LayoutRecord) -> Document:
    return record.model_dump(mode="json", exclude_defaults=True)
