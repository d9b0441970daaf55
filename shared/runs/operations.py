"""The operation: the public resource for a run. Its states and fields follow the Azure API guidelines for long-running work."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import Code, Problem
from shared.runs.callbacks import CallbackState
from shared.sanitise import sanitised_line

type Status = Literal["NotStarted", "Running", "Succeeded", "Failed", "Canceled"]
type Phase = Literal[
    "acquiring", "inspecting", "identifying", "uploading", "committing", "cleaning", "done", "failed", "canceled"
]
type PreparePhase = Literal[
    "acquiring", "planning", "copying", "checking", "promoting", "cleaning", "sharding", "done", "failed", "canceled"
]
type WarmPhase = Literal["acquiring", "sharding", "planning", "applying", "warming", "releasing", "done", "failed", "canceled"]

type SettlePhase = Literal["waiting", "looking", "incomplete", "sharding", "done", "failed", "canceled"]

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
    """Progress of a shard run, in counts. It is also the run's custom status in the portal, so it must stay under 2 KB.

    `files_total` to `bytes_done` count the files without an MD5 that the run reads. `error` is set once the run has failed.
    """

    model_config = ConfigDict(frozen=True)

    phase: Phase
    presets_total: int = 0
    presets_done: int = 0
    presets_failed: int = 0
    blobs_total: int = 0
    blobs_done: int = 0
    files_total: int = 0
    files_done: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    error: Problem | None = None


class WarmProgress(BaseModel):
    """Progress of a warmup, from the agents' reports; the same rules as `Progress`."""

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


class SettleProgress(BaseModel):
    """Progress of a settle: `waiting` until the upload is quiet; `incomplete` or held up for the given `reason`."""

    model_config = ConfigDict(frozen=True)

    phase: SettlePhase
    reason: Problem | None = None
    error: Problem | None = None


class ReconcileProgress(BaseModel):
    """Progress of a reconcile pass: `healed` counts repairs, `told` reports; the same rules as `Progress`."""

    model_config = ConfigDict(frozen=True)

    phase: Literal["acquiring", "looking", "healing", "done", "failed", "canceled"]
    databases_total: int = 0
    healed: int = 0
    told: int = 0
    error: Problem | None = None


class PrepareProgress(BaseModel):
    """Progress of a prepare-db run, in files and bytes that are stored and verified; the same rules as `Progress`."""

    model_config = ConfigDict(frozen=True)

    phase: PreparePhase
    source_version: str | None = None
    files_total: int = 0
    files_done: int = 0
    files_failed: int = 0
    bytes_total: int = 0
    bytes_done: int = 0
    error: Problem | None = None


type AnyProgress = Progress | WarmProgress | SettleProgress | PrepareProgress | ReconcileProgress

_PROGRESS: dict[str, type[Progress | WarmProgress | SettleProgress | PrepareProgress | ReconcileProgress]] = {
    "shard": Progress,
    "restore": Progress,
    "prepare": PrepareProgress,
    "settle": SettleProgress,
    "reconcile": ReconcileProgress,
}


class RunState(BaseModel):
    """What the engine knows of a run: the engine's status word, and the run's own input, output and status as parsed JSON."""

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
    """One operation as the API shows it. `callback` is shown only when the operation is requested by its id."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    status: Status
    account_name: str | None = None
    db_name: str | None = None
    created_at: datetime
    last_updated_at: datetime
    progress: AnyProgress | None = None
    result: dict[str, Any] | None = None
    error: Problem | None = None
    callback: CallbackState | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the run has ended, so that nothing of the operation will change."""
        return self.status in ENDED


def operation_of(state: RunState) -> Operation:
    """The public view of a run. A run that ended on request is `Canceled`, even where the engine calls it completed."""
    given = state.input or {}
    # Warmups and settles name their database in the shard run that they may need.
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


def is_to_be_posted(state: RunState) -> bool:
    """Whether the caller asked for a callback when the run ends."""
    return bool((state.input or {}).get("callback"))


def callback_of(state: RunState | None) -> CallbackState:
    """The state of a run's callback; `state` is that of the `notify` run, which may not have begun."""
    try:
        return CallbackState.model_validate(state.custom_status if state else None)
    except ValidationError:
        return CallbackState(phase="waiting")


def _progress(state: RunState) -> AnyProgress | None:
    try:
        return _PROGRESS.get(state.kind, WarmProgress).model_validate(state.custom_status)
    except ValidationError:
        return None


def _error(status: Status, state: RunState, progress: AnyProgress | None) -> Problem | None:
    if status == "Canceled":
        terminated = state.engine_status == "TERMINATED"
        code = Code.TERMINATED if terminated else Code.CANCELED
        return Problem(code=code, message="An administrator terminated the run." if terminated else "Canceled on request.")
    if status != "Failed":
        return None
    if progress is not None and progress.error is not None:
        return progress.error
    return Problem(code=Code.RUN_FAILED, message=sanitised_line(state.failure or "The run failed without a reason."))
