"""A pod's status, computed from the states of its containers. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

type Object = dict[str, Any]


def _no_object() -> Object:
    return {}


def _creating() -> Object:
    return {"waiting": {"reason": "ContainerCreating"}}


@dataclass(slots=True)
class ContainerState:
    """The reported state of one container."""

    name: str
    image: str
    state: Object = field(default_factory=_creating)
    last_state: Object = field(default_factory=_no_object)
    restarts: int = 0
    is_ready: bool = False
    is_started: bool = False
    """Runs, and its startup probe has passed."""
    is_final: bool = False
    """Has ended and will not be restarted."""
    run_id: str = ""

    @property
    def has_run(self) -> bool:
        """Whether the container was ever started."""
        return bool(self.run_id)

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last run; None before its end and after a restart."""
        ended = self.state.get("terminated")
        return None if ended is None else int(ended["exitCode"])

    def to_api(self) -> Object:
        """The state in the API's form."""
        return {
            "name": self.name,
            "image": self.image,
            "imageID": f"local://{self.image}" if self.has_run else "",
            "containerID": f"local://{self.run_id}" if self.has_run else "",
            "state": self.state,
            "lastState": self.last_state,
            "restartCount": self.restarts,
            "ready": self.is_ready,
            "started": self.is_started,
        }


def now() -> str:
    """The time in the API's form."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def phase_of(inits: Sequence[ContainerState], containers: Sequence[ContainerState]) -> str:
    """The pod's phase."""
    if any(init.is_final and init.exit_code != 0 for init in inits):
        return "Failed"
    if containers and all(container.is_final for container in containers):
        return "Succeeded" if all(container.exit_code == 0 for container in containers) else "Failed"
    return "Running" if any(container.has_run for container in containers) else "Pending"


def status_of(
    inits: Sequence[ContainerState], containers: Sequence[ContainerState], *, start_time: str, before: Object
) -> Object:
    """The whole status. Conditions keep the times that they have in `before`, the last report, unless they change."""
    phase = phase_of(inits, containers)
    is_initialized = all(init.is_final and init.exit_code == 0 for init in inits)
    unready = [container.name for container in containers if not container.is_ready]
    unfinished = [init.name for init in inits if not (init.is_final and init.exit_code == 0)]
    conditions = [
        _condition("Initialized", is_initialized, "ContainersNotInitialized", "incomplete", unfinished, phase),
        _condition("Ready", not unready, "ContainersNotReady", "unready", unready, phase),
        _condition("ContainersReady", not unready, "ContainersNotReady", "unready", unready, phase),
    ]
    return {
        "phase": phase,
        "conditions": [_timed(condition, before.get("conditions", [])) for condition in conditions],
        "hostIP": "127.0.0.1",
        "podIP": "127.0.0.1",
        "podIPs": [{"ip": "127.0.0.1"}],
        "startTime": start_time,
        "initContainerStatuses": [init.to_api() for init in inits],
        "containerStatuses": [container.to_api() for container in containers],
    }


def _condition(kind: str, holds: bool, reason: str, word: str, names: list[str], phase: str) -> Object:  # noqa: FBT001 - a condition is a name and a truth
    if holds:
        # Explicit nulls: a merge would keep the old reason.
        return {"type": kind, "status": "True", "reason": None, "message": None}
    if phase == "Succeeded" and kind != "Initialized":
        return {"type": kind, "status": "False", "reason": "PodCompleted", "message": None}
    message = f"containers with {word} status: [{' '.join(names)}]"
    return {"type": kind, "status": "False", "reason": reason, "message": message}


def _timed(condition: Object, before: Sequence[Mapping[str, Any]]) -> Object:
    for old in before:
        if old["type"] == condition["type"] and old["status"] == condition["status"]:
            return {**condition, "lastTransitionTime": old["lastTransitionTime"]}
    return {**condition, "lastTransitionTime": now()}
