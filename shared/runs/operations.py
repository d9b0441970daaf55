"""The operation: the public resource for a run. States and fields follow the Azure API guidelines for long-running work."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Code, Problem
from shared.sanitise import sanitised_line

type Status = Literal["NotStarted", "Running", "Succeeded", "Failed", "Canceled"]
type Phase = Literal["acquiring", "inspecting", "uploading", "committing", "cleaning", "done", "failed", "canceled"]
type WarmPhase = Literal["acquiring", "sharding", "planning", "applying", "warming", "releasing", "done", "failed", "canceled"]

ENDED: frozenset[str] = frozenset({"Succeeded", "Failed", "Canceled"})
_STATUS: dict[str, Status] = {
    "PENDING": "NotStarted",
    "RUNNING": "Running",
    "CONTINUED_AS_NEW": "Running",
    "SUSPENDED": "Running",
    "COMPLETED": "Succeeded",
    "FAILED": "Failed",
    "TERMINATED": "Canceled",
}


class Progress(BaseModel):
    """How far a run is, in counts; also its custom status in the portal, therefore under 2 KB.

    `error` is there once the run has failed.
    """

    model_config = ConfigDict(frozen=True)

    phase: Phase
    presets_total: int = 0
    presets_done: int = 0
    presets_failed: int = 0
    blobs_total: int = 0
    blobs_done: int = 0
    error: Problem | None = None


class WarmProgress(BaseModel):
    """How far a warmup is, by the agents' reports; the same rules as `Progress`."""

    model_config = ConfigDict(frozen=True)

    phase: WarmPhase
    nodes_total: int = 0
    nodes_ready: int = 0
    files_total: int = 0
    files_done: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    resident_percent: int = 0
    error: Problem | None = None


class RunState(BaseModel):
    """What the engine knows of a run: its own status word, and what the run wrote of itself, as parsed JSON."""

    model_config = ConfigDict(frozen=True)

    run: str
    kind: str
    engine_status: str
    created_at: datetime
    last_updated_at: datetime
    input: dict[str, Any] | None = None
    output: dict[str, Any] | None = None
    custom_status: Any = None
    failure: str | None = None


class Operation(BaseModel):
    """One operation as the API shows it."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    status: Status
    account_name: str | None = None
    db_name: str | None = None
    created_at: datetime
    last_updated_at: datetime
    progress: Progress | WarmProgress | None = None
    result: dict[str, Any] | None = None
    error: Problem | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.status in ENDED


def operation_of(state: RunState) -> Operation:
    """The public view of a run. A run that ended by being asked to is `Canceled`, whatever the engine calls it."""
    given = state.input or {}
    # A warmup names its database in the shard run that it may need.
    given = given.get("shard") or given
    output = state.output
    status = _STATUS.get(state.engine_status, "Running")
    if status == "Succeeded" and output is not None and output.get("outcome") == "canceled":
        status = "Canceled"
    progress = _progress(state)
    return Operation(
        id=state.run,
        kind=state.kind,
        status=status,
        account_name=given.get("account"),
        db_name=given.get("db"),
        created_at=state.created_at,
        last_updated_at=state.last_updated_at,
        progress=progress,
        result=output if status in ("Succeeded", "Canceled") else None,
        error=_error(status, state, progress),
    )


def _progress(state: RunState) -> Progress | WarmProgress | None:
    try:
        return (Progress if state.kind == "shard" else WarmProgress).model_validate(state.custom_status)
    except ValidationError:
        return None


def _error(status: Status, state: RunState, progress: Progress | WarmProgress | None) -> Problem | None:
    if status == "Canceled":
        terminated = state.engine_status == "TERMINATED"
        code = Code.TERMINATED if terminated else Code.CANCELED
        return Problem(code=code, message="An administrator terminated the run." if terminated else "Canceled on request.")
    if status != "Failed":
        return None
    if progress is not None and progress.error is not None:
        return progress.error
    return Problem(code=Code.RUN_FAILED, message=sanitised_line(state.failure or "The run failed without a reason."))
