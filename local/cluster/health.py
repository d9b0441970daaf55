"""Results of a container's probes: it counts as started, it is ready or not, or it is ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from local.cluster.probes import verdicts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from local.cluster.probes import Run
    from local.cluster.status import ContainerState

type Object = dict[str, Any]


class Health:
    """The probes of one run of a container."""

    def __init__(
        self, spec: Object, state: ContainerState, changed: Callable[[], None], run: Run, end: Callable[[], Awaitable[None]]
    ) -> None:
        """Describe the probes.

        Args:
            spec: of the container.
            state: receives the results.
            changed: called after a change of `state`.
            run: starts a command inside the container.
            end: ends the container; its restart policy decides what follows.
        """
        self._spec = spec
        self._state = state
        self._changed = changed
        self._run = run
        self._end = end

    async def watch(self) -> None:
        """Probe until cancelled: first the startup probe, then the two others at the same time."""
        await self._ask("startupProbe", self._startup_answered)
        self._state.is_started = True
        if "readinessProbe" not in self._spec:
            self._state.is_ready = True
        self._changed()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._ask("readinessProbe", self._readiness_answered))
            group.create_task(self._ask("livenessProbe", self._liveness_answered))

    async def _ask(self, kind: str, is_enough: Callable[[bool], Awaitable[bool]]) -> None:
        if (probe := self._spec.get(kind)) is not None:
            async for answer in verdicts(probe, self._spec, self._run):
                if await is_enough(answer):
                    return

    async def _startup_answered(self, answer: bool) -> bool:  # noqa: FBT001 - a verdict is a truth
        if not answer:
            await self._end()
        return answer

    async def _readiness_answered(self, answer: bool) -> bool:  # noqa: FBT001
        if self._state.is_ready is not answer:
            self._state.is_ready = answer
            self._changed()
        return False

    async def _liveness_answered(self, answer: bool) -> bool:  # noqa: FBT001
        if not answer:
            await self._end()
        return False
