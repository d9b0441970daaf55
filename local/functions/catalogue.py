"""The app's functions by trigger, and the part of host.json that the host reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from local.functions.environment import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from local.functions.wire import LoadedFunction

_PER_CORE = 10 * (os.cpu_count() or 1)
_NAME_KEYS = {"orchestrationTrigger": "orchestration", "activityTrigger": "activity", "entityTrigger": "entity_name"}


class BoundFunction(NamedTuple):
    """A function with its trigger's binding and its other bindings."""

    name: str
    id: str
    trigger: dict[str, Any]
    others: list[dict[str, Any]]


class Catalogue:
    """The app's functions. Lookups of durable names ignore case, as the extension does."""

    def __init__(self, functions: Iterable[LoadedFunction]) -> None:
        self._by_trigger: dict[str, dict[str, BoundFunction]] = {}
        for function in functions:
            trigger = next(b for b in function.bindings if str(b["type"]).endswith("Trigger"))
            others = [b for b in function.bindings if b is not trigger]
            bound = BoundFunction(function.name, function.id, trigger, others)
            key = str(trigger.get(_NAME_KEYS.get(trigger["type"], "")) or function.name).lower()
            self._by_trigger.setdefault(trigger["type"], {})[key] = bound

    def of(self, trigger_type: str) -> list[BoundFunction]:
        """All functions with that trigger."""
        return list(self._by_trigger.get(trigger_type, {}).values())

    def find(self, trigger_type: str, name: str) -> BoundFunction | None:
        """The function of that durable name or function name."""
        return self._by_trigger.get(trigger_type, {}).get(name.lower())

    def __iter__(self) -> Iterator[BoundFunction]:
        for functions in self._by_trigger.values():
            yield from functions.values()


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class DurableSettings(_Section):
    """Task hub, and how many items of each kind run at once; the defaults are the extension's."""

    task_hub: str = Field("TestHubName", alias="hubName")
    orchestrators: int = Field(_PER_CORE, alias="maxConcurrentOrchestratorFunctions", ge=1)
    activities: int = Field(_PER_CORE, alias="maxConcurrentActivityFunctions", ge=1)
    entities: int = Field(_PER_CORE, alias="maxConcurrentEntityFunctions", ge=1)


class _Http(_Section):
    route_prefix: str = Field("api", alias="routePrefix")


class _Extensions(_Section):
    durable: DurableSettings = Field(default_factory=DurableSettings.model_construct, alias="durableTask")
    http: _Http = Field(default_factory=_Http.model_construct)


class HostSettings(_Section):
    """The sections of host.json that the host reads; it ignores the others."""

    extensions: _Extensions = Field(default_factory=_Extensions.model_construct)

    @classmethod
    def read(cls, app: Path, env: Mapping[str, str]) -> HostSettings:
        """Settings of the app in that folder; an app without host.json has the defaults."""
        file = app / "host.json"
        return cls.model_validate_json(resolve(file.read_text(), env)) if file.exists() else cls()
