"""The control blob `{db}-metadata.json`: what a run writes there, as functions from document to document.

Fields are those of the replaced system (contract 3.1), read by its dashboard and command line. This app adds:
`shard_generation` (digest of the listing that the layouts belong to), `shard_alias_version` (form of the aliases),
`shard_epoch` (the fence), `shard_operation_id`,
`shard_started_at` (tells this app's marker from the replaced system's), `shard_volume_count`, `shard_errors` (code by preset),
`shard_refused` (digest of a listing that was refused), `shard_unlisted` (sets that a run took off the list and has not
finished), `statistics` (`njs`, `index` or `absent`), and what
`shared.runs.database.layout_history` keeps of layouts. Every other field survives every write.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from shared.blastdb.alias import LEGACY_ALIAS
from shared.errors import Code, Conflict, Problem, Unusable
from shared.runs.shard.payloads import CommitMetadata, MarkStarted, RecordFailure
from shared.sanitise import sanitised_line

type Document = dict[str, Any]

_DOCUMENT: TypeAdapter[Document] = TypeAdapter(dict[str, Any])
_OF_A_FAILURE = ("sharding_error", "shard_errors", "shard_refused")


class ShardFields(BaseModel):
    """The fields that sharding reads, with the defaults of the replaced system; tolerant, as others write here too."""

    model_config = ConfigDict(frozen=True)

    source_version: str | None = None
    file_count: int | None = None
    total_bytes: int | None = None
    total_letters: int | None = None
    total_sequences: int | None = None
    sharded: bool = False
    shard_sets: tuple[int, ...] = ()
    shard_source_version: str | None = None
    shard_generation: str | None = None
    shard_alias_version: int | None = None
    shard_epoch: int = 0
    sharding_in_progress: bool = False
    sharding_started_at: str | None = None
    sharding_error: str | None = None
    shard_started_at: str | None = None
    shard_operation_id: str | None = None
    shard_refused: str | None = None
    statistics: str | None = None
    shard_restored: bool = False
    shard_unlisted: tuple[int, ...] = ()
    update_in_progress: bool = False
    update_started_at: Any = None
    promoting_source_version: str | None = None
    prepare_operation_id: str | None = None
    copy_status: dict[str, Any] | None = Field(default=None)

    @property
    def is_marked_by_another(self) -> bool:
        """Whether something else than this app says that it is sharding: the replaced system sets no `shard_started_at`."""
        return self.sharding_in_progress and self.shard_started_at != self.sharding_started_at

    @property
    def shards_stale(self) -> bool:
        """Whether the layouts belong to another generation than the database; legacy blobs name none and count as current."""
        return bool(
            self.sharded
            and self.source_version
            and self.shard_source_version
            and self.shard_source_version != self.source_version
        )


def parse(db: str, text: bytes) -> Document:
    """The document. An unreadable one is an error and never taken for an absent one: a write would lose its fields.

    Raises:
        Unusable: it is not a JSON object.
    """
    try:
        return _DOCUMENT.validate_json(text)
    except ValidationError as error:
        raise Unusable(
            Code.UNREADABLE_METADATA,
            f"'{db}-metadata.json' is not a JSON object, and the app left it as it is. Repair it, or remove it if you "
            "need nothing in it, then start again.",
            target=f"{db}-metadata.json",
        ) from error


def render(document: Mapping[str, Any]) -> bytes:
    """The document as it is stored: sorted keys, as the replaced system writes it."""
    return json.dumps(document, sort_keys=True, indent=2).encode()


def fields(db: str, document: Mapping[str, Any]) -> ShardFields:
    """What sharding needs of a document.

    Raises:
        Unusable: one of its own fields has a type it never had.
    """
    known = {name: value for name, value in document.items() if name in ShardFields.model_fields and value is not None}
    try:
        return ShardFields.model_validate(known)
    except ValidationError as error:
        wrong = ", ".join(sorted({str(item["loc"][0]) for item in error.errors()}))
        raise Unusable(
            Code.UNREADABLE_METADATA,
            f"'{db}-metadata.json' has values of the wrong type in: {wrong}. Repair them and start again.",
            target=f"{db}-metadata.json",
        ) from error


def started(document: Mapping[str, Any], request: MarkStarted) -> Document:
    """A run has begun. Sets whose manifests it will change go off the list, so that no search reads them half written.

    Raises:
        Conflict: a run with a higher epoch was here, or this run has ended: a step delivered twice may come that late.
    """
    _refuse_lower_epoch(document, request.epoch, request.db)
    known = fields(request.db, document)
    is_own = known.shard_epoch == request.epoch and document.get("shard_operation_id") == request.run
    if is_own and not known.sharding_in_progress:
        raise Conflict(Code.OPERATION_ENDED, f"The run for '{request.db}' has ended already.", target=request.db)
    return {
        **_without(document, *_OF_A_FAILURE),
        "db_name": request.db,
        "sharding_in_progress": True,
        "sharding_started_at": _iso(request.started),
        "shard_started_at": _iso(request.started),
        "shard_epoch": request.epoch,
        "shard_operation_id": request.run,
        **_unlisted(known, request.unlisted),
    }


def _unlisted(known: ShardFields, counts: Sequence[int]) -> Document:
    going = set(counts) & set(known.shard_sets)
    if not going:
        return {}
    rest = sorted(set(known.shard_sets) - going)
    return {"shard_sets": rest, "sharded": bool(rest), "shard_unlisted": sorted(going | set(known.shard_unlisted))}


def committed(document: Mapping[str, Any], request: CommitMetadata) -> Document:
    """A run has ended with shard sets; some may have failed, which `request.problem` then tells.

    Raises:
        Conflict: a run with a higher epoch was here.
    """
    _refuse_lower_epoch(document, request.epoch, request.db)
    new = _without(
        document, *_OF_A_FAILURE, "total_letters", "total_sequences", "bytes_to_cache", "bytes_total", "shard_unlisted"
    )
    new |= {
        "db_name": request.db,
        "sharded": bool(request.good_sets),
        "shard_sets": sorted(request.good_sets),
        "sharded_at": _iso(request.finished),
        "sharding_in_progress": False,
        "shard_generation": request.generation.digest,
        "shard_volume_count": request.volumes.count,
        "shard_alias_version": LEGACY_ALIAS if request.legacy_alias else request.alias_version,
        "shard_epoch": request.epoch,
        "shard_operation_id": request.run,
        "total_bytes": request.total_bytes,
        "file_count": request.file_count,
        "statistics": request.statistics.source if request.statistics else "absent",
    }
    if request.generation.source_version is not None:
        new["shard_source_version"] = request.generation.source_version
    else:
        new.pop("shard_source_version", None)
    if request.statistics is not None:
        totals = {
            "total_letters": request.statistics.letters,
            "total_sequences": request.statistics.sequences,
            "bytes_to_cache": request.statistics.bytes_to_cache,
            "bytes_total": request.statistics.bytes_total,
        }
        new |= {name: value for name, value in totals.items() if value is not None}
    return new | _error_fields(request.problem)


def failed(document: Mapping[str, Any], request: RecordFailure) -> Document:
    """A run has ended without a result. Sets that it did not touch stay listed, unless the database itself is refused.

    Raises:
        Conflict: a run with a higher epoch was here.
    """
    _refuse_lower_epoch(document, request.epoch, request.db)
    damaged, known = set(request.damaged_sets), fields(request.db, document)
    sets = set[int]() if request.database_refused else {*known.shard_sets, *request.relisted} - damaged
    unlisted = sorted(set(known.shard_unlisted) - damaged - set(request.relisted))
    return {
        **_without(document, *_OF_A_FAILURE, "shard_unlisted"),
        **({"shard_unlisted": unlisted} if unlisted else {}),
        "db_name": request.db,
        "sharded": bool(sets),
        "shard_sets": sorted(sets),
        "sharding_in_progress": False,
        "shard_epoch": request.epoch,
        "shard_operation_id": request.run,
        **_error_fields(request.problem),
        **({"shard_refused": request.refused} if request.refused else {}),
    }


def _refuse_lower_epoch(document: Mapping[str, Any], epoch: int, db: str) -> None:
    found = fields(db, document).shard_epoch
    if found > epoch:
        raise Conflict(
            Code.LEASE_LOST,
            f"Another run (epoch {found}) took '{db}' over from this one (epoch {epoch}), which has therefore written nothing "
            "more.",
            target=db,
        )


def _error_fields(problem: Problem | None) -> Document:
    if problem is None:
        return {}
    errors = {detail.target: detail.code.value for detail in problem.details if detail.target}
    return {
        "sharding_error": sanitised_line(f"{problem.code.value}: {problem.message}"),
        **({"shard_errors": errors} if errors else {}),
    }


def _without(document: Mapping[str, Any], *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
