"""What was seen in storage, as the documents that the API shows. From values to values; nothing is read here."""

from collections.abc import Mapping
from typing import Any, cast

from shared.blastdb import blobs
from shared.blastdb.layout import split
from shared.blastdb.manifest import parse_manifest
from shared.errors import Problem
from shared.runs import restore
from shared.runs.documents import DatabaseDocument, DatabaseRow, LayoutDocument, PreviousLayout, ShardDocument, Volume
from shared.runs.metadata import ShardFields
from shared.runs.restore import LayoutRecord
from shared.runs.updates import is_promotion_lost, promotion_lost
from shared.sanitise import sanitise, sanitised_line
from shared.storage.inspection import Seen
from shared.storage.layouts import plan_set


def row(db: str, known: ShardFields) -> DatabaseRow:
    """A database in a listing, from what its metadata says."""
    return DatabaseRow.model_validate(_row_fields(db, known))


def _row_fields(db: str, known: ShardFields) -> dict[str, Any]:
    shared = _without_secrets(known.model_dump(include=set(DatabaseRow.model_fields)))
    error = sanitised_line(known.sharding_error) if known.sharding_error else None
    lost = promotion_lost(db, known.promoting_source_version or "") if is_promotion_lost(known) else None
    return {
        **shared,
        "name": db,
        "problem": told(lost) if lost else None,
        "shards_stale": known.shards_stale,
        "shard_sets": tuple(sorted(set(known.shard_sets))),
        "sharding_error": error,
    }


def _without_secrets(value: Any) -> Any:
    """JSON that somebody else wrote, as it may leave the app."""
    match value:
        case str():
            return sanitise(value)
        case dict():
            members = cast("dict[str, Any]", value)
            return {sanitise(name): _without_secrets(member) for name, member in members.items()}
        case list() | tuple():
            return [_without_secrets(member) for member in cast("list[Any]", value)]
        case _:
            return value


def database(db: str, seen: Seen, *, legacy_alias: bool) -> DatabaseDocument:
    """One database in full."""
    inventory, known = seen.inventory, seen.known
    volumes = inventory.volumes
    return DatabaseDocument.model_validate(
        {
            **_row_fields(db, known),
            "total_bytes": inventory.total_bytes,
            "file_count": len(inventory.files),
            "molecule_type": volumes.molecule,
            "generation": seen.generation,
            "shard_generation": known.shard_generation,
            "statistics": seen.statistics,
            "volume_count": volumes.count,
            "volumes": [Volume(name=volumes.name(index), size_bytes=size) for index, size in enumerate(inventory.volume_bytes)],
            "layouts": _layouts(seen, legacy_alias=legacy_alias),
            "shard_restored": restore.pinned(seen.control.document, seen.generation.digest) is not None,
            "previous_layouts": _previous_layouts(seen.control.document, seen.generation.digest),
        }
    )


def refused(db: str, document: Mapping[str, Any], known: ShardFields, why: Problem) -> DatabaseDocument:
    """A database whose files make none: what its metadata says of it, and what is wrong."""
    return DatabaseDocument.model_validate(
        {
            **_row_fields(db, known),
            "problem": told(why),
            "shard_generation": known.shard_generation,
            "previous_layouts": _previous_layouts(document, None),
        }
    )


def told(problem: Problem) -> str:
    """A problem in one line."""
    return sanitised_line(f"{problem.code.value}: {problem.message}")


def _previous_layouts(document: Mapping[str, Any], digest: str | None) -> list[PreviousLayout]:
    return [_previous(record, digest) for record in restore.previous(document)]


def _previous(record: LayoutRecord, digest: str | None) -> PreviousLayout:
    generation = record.generation
    return PreviousLayout(
        digest=generation.digest,
        source_version=sanitise(generation.source_version) if generation.source_version else None,
        sharded_at=record.sharded_at.isoformat(),
        operation_id=sanitise(record.operation_id),
        volume_count=record.volumes.count,
        shard_sets=tuple(sorted(record.layouts)),
        restorable=generation.digest == digest,
    )


def _layouts(seen: Seen, *, legacy_alias: bool) -> list[LayoutDocument]:
    inventory = seen.inventory
    pinned = restore.pinned(seen.control.document, seen.generation.digest)
    fixed = pinned.layouts if pinned else {}
    statistics = pinned.statistics if pinned else seen.statistics
    in_aliases = None if (pinned.legacy_alias if pinned else legacy_alias) else statistics
    found: list[LayoutDocument] = []
    for count, stored in sorted(seen.stored.items()):
        if not stored.md5_by_name or count > inventory.volumes.count:
            continue
        layout = fixed.get(count) or split(inventory.volume_bytes, count)
        plan = plan_set(inventory.volumes, layout, in_aliases, stored.md5_by_name, force=False)
        shards = layout.shard_bytes(inventory.volume_bytes)
        state = "incomplete" if len(plan.absent) else "differs" if len(plan.differing) else "current"
        is_listed = count in seen.known.shard_sets
        found.append(
            LayoutDocument(
                shard_count=count,
                listed=is_listed,
                state=state,
                generation=seen.generation.digest if state == "current" else seen.known.shard_generation if is_listed else None,
                shard_bytes=shards,
                imbalance=round(max(shards) * count / max(1, sum(shards)), 4),
            )
        )
    return found


def shard(db: str, count: int, index: int, texts: Mapping[str, bytes], sizes: Mapping[str, int]) -> ShardDocument:
    """One shard from the texts that are stored, by blob name, and the bytes of each volume, by base name."""
    manifest = texts.get(blobs.manifest_blob(db, count, index), b"")
    aliases = [texts.get(blobs.alias_blob(db, count, index, molecule), b"") for molecule in ("nucl", "prot")]
    text = manifest.decode(errors="replace")
    listed = parse_manifest(text.encode())
    return ShardDocument(
        index=index,
        name=blobs.shard_name(db, index),
        manifest=text,
        alias=(aliases[0] or aliases[1]).decode(errors="replace"),
        size_bytes=sum(sizes[name] for name in listed) if listed and all(name in sizes for name in listed) else None,
    )
