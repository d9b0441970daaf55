"""Views of stored databases: the response models, built from values. Pure; nothing is read here."""

from collections.abc import Mapping
from typing import Any, cast

from shared.blastdb import blobs
from shared.blastdb.alias import LEGACY_ALIAS, WHOLE_ALIAS
from shared.blastdb.exactness import inexact
from shared.blastdb.layout import Layout
from shared.blastdb.manifest import parse_manifest
from shared.errors import Problem
from shared.runs.database import layout_history
from shared.runs.database.exactness import inexact_as_listed
from shared.runs.database.layout_history import LayoutRecord
from shared.runs.database.metadata import ShardFields
from shared.runs.database.state import DatabaseState, expected
from shared.runs.database.updates import is_promotion_lost, promotion_lost
from shared.runs.replies.models import DatabaseDocument, DatabaseRow, LayoutDocument, PreviousLayout, ShardDocument, Volume
from shared.runs.shard.payloads import SetPlan
from shared.sanitise import sanitise, sanitised_line


def row(db: str, known: ShardFields) -> DatabaseRow:
    """A database's row in a listing, from its metadata."""
    return DatabaseRow.model_validate(_row_fields(db, known))


def _row_fields(db: str, known: ShardFields) -> dict[str, Any]:
    shared = _without_secrets(known.model_dump(include=set(DatabaseRow.model_fields)))
    error = sanitised_line(known.sharding_error) if known.sharding_error else None
    lost = promotion_lost(db, known.promoting_source_version or "") if is_promotion_lost(known) else None
    return {
        **shared,
        "name": db,
        "problem": problem_line(lost) if lost else None,
        "shards_stale": known.shards_stale,
        "shard_sets": tuple(sorted(set(known.shard_sets))),
        "sharding_error": error,
        "warnings": inexact_as_listed(db, known),
    }


def _without_secrets(value: Any) -> Any:
    """Sanitise JSON that another program wrote, so that no secret leaves the app."""
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


def database(db: str, state: DatabaseState, *, legacy_alias: bool) -> DatabaseDocument:
    """The full document of one database."""
    inventory, known = state.inventory, state.known
    volumes, digest = inventory.volumes, state.generation.digest
    return DatabaseDocument.model_validate(
        {
            **_row_fields(db, known),
            "shards_stale": known.shards_stale or (known.sharded and known.shard_generation not in {None, digest}),
            "total_bytes": inventory.total_bytes,
            "file_count": len(inventory.files),
            "molecule_type": volumes.molecule,
            "generation": state.generation,
            "shard_generation": known.shard_generation,
            "statistics": state.statistics,
            "volume_count": volumes.count,
            "volumes": [Volume(name=volumes.name(index), size_bytes=size) for index, size in enumerate(inventory.volume_bytes)],
            "layouts": _layouts(state, legacy_alias=legacy_alias),
            "warnings": _warnings(state, legacy_alias=legacy_alias),
            "shard_restored": state.pinned is not None,
            "previous_layouts": _previous_layouts(state.document, digest),
        }
    )


def _warnings(state: DatabaseState, *, legacy_alias: bool) -> tuple[str, ...]:
    """What makes the listed sets inexact or, while none is listed, those that a run would make now."""
    db, has_totals = state.inventory.volumes.db, state.statistics is not None
    if state.known.sharded:
        return inexact_as_listed(db, state.known, has_totals=has_totals)
    return inexact(db, has_totals=has_totals, form=LEGACY_ALIAS if legacy_alias else WHOLE_ALIAS)


def refused(db: str, document: Mapping[str, Any], known: ShardFields, why: Problem) -> DatabaseDocument:
    """The document of a database that is refused as it stands: its metadata, and what is wrong."""
    return DatabaseDocument.model_validate(
        {
            **_row_fields(db, known),
            "problem": problem_line(why),
            "shard_generation": known.shard_generation,
            "previous_layouts": _previous_layouts(document, None),
        }
    )


def problem_line(problem: Problem) -> str:
    """A problem as one line for a person: its code and message."""
    return sanitised_line(f"{problem.code.value}: {problem.message}")


def _previous_layouts(document: Mapping[str, Any], digest: str | None) -> list[PreviousLayout]:
    return [_previous(record, digest) for record in layout_history.previous(document)]


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


def _layouts(state: DatabaseState, *, legacy_alias: bool) -> list[LayoutDocument]:
    present = {count: stored for count, stored in state.stored.items() if stored.blobs}
    inventory, known = state.inventory, state.known
    target = expected(inventory, state.statistics, present, legacy_alias=legacy_alias, record=state.pinned)
    legacy = {layout.shard_count: layout for layout in state.legacy}
    return [
        _layout(plan, state, legacy.get(plan.shard_count), is_listed=plan.shard_count in known.shard_sets)
        for plan in target.differences(present)
    ]


def _layout(plan: SetPlan, state: DatabaseState, legacy: Layout | None, *, is_listed: bool) -> LayoutDocument:
    shards = (legacy or plan.layout).shard_bytes(state.inventory.volume_bytes)
    condition = "incomplete" if len(plan.absent) else "differs" if len(plan.differing) else "current"
    if legacy is not None:
        condition = "legacy"
    return LayoutDocument(
        shard_count=plan.shard_count,
        listed=is_listed,
        state=condition,
        generation=state.generation.digest if condition == "current" else state.known.shard_generation if is_listed else None,
        shard_bytes=shards,
        imbalance=round(max(shards) * plan.shard_count / max(1, sum(shards)), 4),
    )


def shard(db: str, count: int, index: int, texts: Mapping[str, bytes], sizes: Mapping[str, int]) -> ShardDocument:
    """The document of one shard, from the stored texts by blob name and the bytes of each volume by base name."""
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
