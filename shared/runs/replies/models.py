"""Response models of the routes. Fields that the replaced system had keep their names and forms."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.blastdb.generations import Generation
from shared.blastdb.statistics import Statistics
from shared.errors import Problem
from shared.runs.operations import AnyProgress, Operation
from shared.runs.warmup.places import WarmPlace
from shared.runs.warmup.status import WarmStatus


class Document(BaseModel):
    """The base of every response body. Frozen; an absent value is null, never a missing field."""

    model_config = ConfigDict(frozen=True)


class Health(Document):
    """The liveness of the app."""

    status: Literal["ok"] = "ok"
    version: str


class Probe(Document):
    """One readiness check. `command` grants what is missing; what stands in angle brackets is for the reader to fill in."""

    name: str
    ok: bool
    milliseconds: int
    message: str | None = None
    command: str | None = None


class Readiness(Document):
    """Whether the app can work, with the result of each readiness check."""

    status: Literal["ok", "unavailable"]
    version: str
    probes: tuple[Probe, ...]
    versions: dict[str, str]


class DatabaseRow(Document):
    """One database in a listing. `warm` is null when the task hub did not answer.

    `problem` says why it cannot be sharded as it stands; `warnings` say why searches of its shard sets are not exact.
    """

    name: str
    source_version: str | None = None
    file_count: int | None = None
    total_bytes: int | None = None
    sharded: bool = False
    shard_sets: tuple[int, ...] = ()
    shard_source_version: str | None = None
    shards_stale: bool = False
    sharding_in_progress: bool = False
    sharding_started_at: str | None = None
    sharding_error: str | None = None
    update_in_progress: bool = False
    updates_available: bool | Literal["unknown"] = "unknown"
    copy_status: dict[str, Any] | None = None
    warm: tuple[WarmPlace, ...] | None = None
    problem: str | None = None
    warnings: tuple[str, ...] = ()


class DatabasePage(Document):
    """A page of databases; `nextLink` is set while there are more pages."""

    value: tuple[DatabaseRow, ...]
    nextLink: str | None = None  # noqa: N815 - the Azure guidelines' name


class Volume(Document):
    """One volume: its base name and the bytes of all its files."""

    name: str
    size_bytes: int


class LayoutDocument(Document):
    """A summary of one shard set. `state` compares what is stored with the expected layout of this generation.

    `legacy` is a whole set that the replaced system wrote, with cut points of its own and two-line aliases. `generation` is the
    digest of the generation that the set was made for: the present one while the set is current, else the one in the metadata if
    it lists the set. `imbalance` is the largest shard's size over the average; 1 is even.
    """

    shard_count: int
    listed: bool
    state: Literal["current", "incomplete", "differs", "legacy"]
    generation: str | None = None
    shard_bytes: tuple[int, ...]
    imbalance: float


class LeaseDocument(Document):
    """The lease on the database; all null when no run holds it."""

    epoch: int = 0
    operation_id: str | None = None
    kind: str | None = None
    since: str | None = None
    expires: str | None = None


class PreviousLayout(Document):
    """A layout that a later one replaced. It is `restorable` while the volumes are the same as they were then."""

    digest: str
    source_version: str | None
    sharded_at: str
    operation_id: str
    volume_count: int
    shard_sets: tuple[int, ...]
    restorable: bool


class DatabaseDocument(DatabaseRow):
    """One database in full.

    When it cannot be sharded as it stands, `problem` says why. The fields from the metadata are then still set, but the volumes
    are unknown unless an unfinished copy is the only problem. `operations` are the runs that last wrote the metadata, newest
    first.
    """

    molecule_type: Literal["nucl", "prot"] | None = None
    generation: Generation | None = None
    shard_generation: str | None = None
    statistics: Statistics | None = None
    volume_count: int | None = None
    volumes: tuple[Volume, ...] = ()
    layouts: tuple[LayoutDocument, ...] = ()
    shard_restored: bool = False
    previous_layouts: tuple[PreviousLayout, ...] = ()
    lease: LeaseDocument = LeaseDocument()
    operations: tuple[Operation, ...] = ()


class ShardDocument(Document):
    """One shard: its name (also its BLAST database name), its manifest and alias as stored, and the bytes of its volumes."""

    index: int
    name: str
    manifest: str
    alias: str
    size_bytes: int | None


class ShardSetDocument(Document):
    """One shard set as stored, with the URL prefix under which consumers find its shards."""

    db_name: str
    shard_count: int
    listed: bool
    partition_prefix: str
    shards: tuple[ShardDocument, ...]


class ShardAccepted(Document):
    """The answer that a shard run was started; the first four fields are the replaced system's."""

    accepted: bool = True
    db_name: str
    sharding_started_at: str
    output: str
    operation_id: str


class RestoreAccepted(Document):
    """The answer that a restore was started; `digest` names the generation whose layout it restores."""

    accepted: bool = True
    db_name: str
    digest: str
    operation_id: str


class PrepareAccepted(Document):
    """The answer that a prepare-db run was started or asked to stop; the first six fields are the replaced system's."""

    model_config = ConfigDict(frozen=True, serialize_by_alias=True)

    ok: bool = True
    db_name: str
    files_copied: int = 0
    source_version: str | None = None
    output: str
    is_async: bool = Field(default=True, serialization_alias="async")
    accepted: bool = True
    operation_id: str


class OperationPage(Document):
    """A page of operations, newest first; `nextLink` is set while the requested period has more."""

    value: tuple[Operation, ...]
    nextLink: str | None = None  # noqa: N815 - the Azure guidelines' name


class WarmupAccepted(Document):
    """The answer that a warmup or its release was started; the first five fields are the replaced system's."""

    id: str
    instance_id: str
    db: str
    statusQueryGetUri: str  # noqa: N815 - the replaced system's name
    status: Literal["queued"] = "queued"
    operation_id: str


class WarmupStatus(Document):
    """A warmup in the Durable Functions form that the replaced system used."""

    instance_id: str
    runtime_status: Literal["Pending", "Running", "Completed", "Failed", "Terminated"]
    custom_status: AnyProgress | None = None
    output: dict[str, Any] | None = None
    error: Problem | None = None


class ActiveWarmups(Document):
    """The warmups under way. The first also has fields of its own, as in the replaced system."""

    active: bool
    instance_id: str | None = None
    warmup: WarmupStatus | None = None
    warmups: tuple[WarmupStatus, ...] = ()


class WarmSummary(Document):
    """Every warmed database of a cluster. With `error` the cluster could not be read: nothing is known to be warm or cold."""

    warm: bool = False
    workspace_ready: int = 0
    workspace_desired: int = 0
    databases: tuple[WarmStatus, ...] = ()
    vmtouch_ready: int = 0
    namespaces: tuple[str, ...] = ()
    error: str | None = None
