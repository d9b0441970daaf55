"""Timer triggers: fire functions on their schedules, or by hand through the host's admin address."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local.functions.cron import Schedule
from local.functions.environment import resolve
from local.functions.wire import Value
from local.functions.worker_connection import WorkerLost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.functions.calls import Caller
    from local.functions.catalogue import BoundFunction, Catalogue

_LOG = logging.getLogger(__name__)


class Timers:
    """The timer functions of an app. Like the real host, it does not repeat a firing whose worker died."""

    def __init__(self, caller: Caller, catalogue: Catalogue, env: Mapping[str, str]) -> None:
        self._caller = caller
        functions = catalogue.of("timerTrigger")
        self._schedules = [(f, Schedule.parse(resolve(f.trigger["schedule"], env))) for f in functions]

    async def run(self) -> None:
        """Fire every timer on its schedule until cancelled."""
        async with asyncio.TaskGroup() as group:
            for function, schedule in self._schedules:
                group.create_task(self._follow(function, schedule))

    async def fire(self, function: BoundFunction) -> None:
        """Run a timer function once; logs its failure and raises nothing."""
        now = datetime.now(UTC).isoformat()
        status = {"Last": now, "Next": now, "LastUpdated": now}
        timer = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}
        try:
            answer = await self._caller.call(function, Value(kind="json", text=json.dumps(timer)))
        except WorkerLost:
            _LOG.warning("The worker died while the timer function %s ran.", function.name)
            return
        if answer.failure:
            _LOG.error("%s failed: %s: %s", function.name, answer.failure.type, answer.failure.message)

    async def _follow(self, function: BoundFunction, schedule: Schedule) -> None:
        if function.trigger.get("runOnStartup"):
            await self.fire(function)
        while True:
            now = datetime.now(UTC)
            await asyncio.sleep((schedule.after(now) - now).total_seconds())
            await self.fire(function)
