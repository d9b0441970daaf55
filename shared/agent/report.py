"""The annotation `shardwarm/report` of an agent's pod: phases, reason codes and counts, written by agents, read by the app."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PlainSerializer,
    StrictBool,
    ValidationError,
)

REPORT_ANNOTATION = "shardwarm/report"
"""On the agent's pod, where the app reads it."""

REPORT_FILE = "report.json"
"""In the agent's own folder, where its readiness probe reads it."""

type Phase = Literal["waiting", "starting", "copying_files", "verifying_db", "touching_memory", "completed", "failed"]
"""How far an agent is, in the words of this release."""

type KnownPhase = Phase | Literal["unknown"]


class Reason(StrEnum):
    """Why a node's shards are not warm, as its agent says it. The app shows these codes to people, so none is ever renamed."""

    DISK_FULL = "DiskFull"
    STORAGE_FORBIDDEN = "StorageForbidden"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    CORRUPT_FILE = "CorruptFile"
    MISSING_FILE = "MissingFile"
    BLOB_ARCHIVED = "BlobArchived"
    BLOB_ENCRYPTED = "BlobEncrypted"
    WRONG_BLOB_TYPE = "WrongBlobType"
    MANIFEST_MISMATCH = "ManifestMismatch"
    ALIAS_MISMATCH = "AliasMismatch"
    GENERATION_MISMATCH = "GenerationMismatch"
    TEXTS_MISMATCH = "TextsMismatch"
    FILE_NAME_TAKEN = "FileNameTaken"
    VERIFICATION_FAILED = "VerificationFailed"
    MEMORY_TOO_SMALL = "MemoryTooSmall"
    NOT_ASSIGNED = "NotAssigned"


def _known(value: Any) -> Any:
    return value if value in get_args(Phase.__value__) else "unknown"


def _spelled(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


type AgentPhase = Annotated[KnownPhase, BeforeValidator(_known)]
"""A phase as the app reads it; a word that only a newer agent knows reads as unknown."""

type Moment = Annotated[AwareDatetime, PlainSerializer(_spelled, when_used="json")]
"""Written in UTC, to the millisecond."""


class _Tolerant(BaseModel):
    """Unknown fields are passed over, so that a newer agent can add some."""

    model_config = ConfigDict(frozen=True)


class ShardReport(_Tolerant):
    """One shard's volumes and alias. Files that all shards of a node share are counted only in the node's totals."""

    phase: AgentPhase
    bytes_done: NonNegativeInt
    bytes_total: NonNegativeInt
    resident_percent: float = Field(ge=0, le=100)


class AgentReport(_Tolerant):
    """One node's report. `warm` is the agent's own claim; the app decides whether to believe it.

    `bytes_done` counts verified bytes on disk. `bytes_moved` counts what this agent process downloaded for `run`, the warmup
    that wrote its assignment, repeated parts included. `shards` is keyed by two digits.

    `reason` is a code; while the agent tries again, `reason` and `message` stay until the files are verified, although `phase`
    has moved on. Once the work is done, `updated_at` is the time of the last measurement.
    """

    version: Literal[1]
    run: str = ""
    db: str
    digest: str
    texts: str = ""
    shard_count: NonNegativeInt
    mode: str
    node: str
    pod: str
    phase: AgentPhase
    warm: StrictBool
    reason: str | None = None
    message: str | None = None
    files_done: NonNegativeInt
    files_total: NonNegativeInt
    bytes_done: NonNegativeInt
    bytes_total: NonNegativeInt
    bytes_moved: NonNegativeInt = 0
    resident_bytes: NonNegativeInt
    resident_total: NonNegativeInt
    shards: dict[str, ShardReport]
    started_at: Moment
    updated_at: Moment

    @property
    def is_complete(self) -> bool:
        """Whether no file and no byte is missing, of the node and of each shard."""
        return (
            0 < self.files_total == self.files_done
            and 0 < self.bytes_total == self.bytes_done
            and all(shard.bytes_done == shard.bytes_total for shard in self.shards.values())
        )


def parse_report(text: str) -> AgentReport | None:
    """The report in an annotation; None when the text is no report, or is one of an unknown version."""
    try:
        return AgentReport.model_validate_json(text)
    except ValidationError:
        return None


def percent(done: int, total: int) -> int:
    """A share in whole per cent, 100 only when nothing is missing; nothing of nothing is 0."""
    return min(100, 100 * done // total) if total else 0
