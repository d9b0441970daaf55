"""What an agent says of its node: the annotation `shardwarm/report` of its pod, read with tolerance for newer agents."""

from typing import Annotated, Any, Literal, get_args

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeInt, StrictBool, ValidationError

REPORT_ANNOTATION = "shardwarm/report"

type KnownPhase = Literal[
    "waiting", "starting", "copying_files", "verifying_db", "touching_memory", "completed", "failed", "unknown"
]


def _known(value: Any) -> Any:
    return value if value in get_args(KnownPhase.__value__) else "unknown"


type AgentPhase = Annotated[KnownPhase, BeforeValidator(_known)]
"""How far an agent is; a word that only a newer agent knows reads as unknown."""


class _Tolerant(BaseModel):
    model_config = ConfigDict(frozen=True)


class ShardReport(_Tolerant):
    """One shard's volumes and alias, without what the shards of a node share."""

    phase: AgentPhase
    bytes_done: NonNegativeInt
    bytes_total: NonNegativeInt
    resident_percent: float = Field(ge=0, le=100)


class AgentReport(_Tolerant):
    """One node's report. `warm` is the agent's own claim; whether it is believed is for `verdicts` to say.

    `bytes_done` counts verified bytes on disk, `bytes_moved` what this agent process downloaded for `run`, the warmup that
    wrote its assignment. `reason` is a code, also while a failure is being tried again; `shards` is keyed by two digits.
    """

    version: Literal[1]
    run: str = ""
    db: str
    digest: str
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
    started_at: AwareDatetime
    updated_at: AwareDatetime

    @property
    def is_complete(self) -> bool:
        """Whether all that is counted is there: files and bytes, of the node and of each shard."""
        return (
            0 < self.files_total == self.files_done
            and 0 < self.bytes_total == self.bytes_done
            and all(shard.bytes_done == shard.bytes_total for shard in self.shards.values())
        )


def parse_report(text: str) -> AgentReport | None:
    """The report in an annotation; None when it is not one, or one of a version that is not known here."""
    try:
        return AgentReport.model_validate_json(text)
    except ValidationError:
        return None


def percent(done: int, total: int) -> int:
    """A share in whole per cent, 100 only when nothing is missing; nothing of nothing is 0."""
    return min(100, 100 * done // total) if total else 0
