"""How much work a piece of code does, counted in lines executed: the same on every machine, however busy it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_TOOL = 4


def lines_executed[T](call: Callable[[], T]) -> tuple[T, int]:
    """The call's result, and how many lines it executed, each turn of a loop counted; work inside of C is not counted."""
    count = 0

    def note(_code: object, _line: int) -> None:
        nonlocal count
        count += 1

    monitoring = sys.monitoring
    monitoring.use_tool_id(_TOOL, "effort")
    try:
        monitoring.register_callback(_TOOL, monitoring.events.LINE, note)
        monitoring.set_events(_TOOL, monitoring.events.LINE)
        result = call()
    finally:
        monitoring.set_events(_TOOL, 0)
        monitoring.free_tool_id(_TOOL)
    return result, count
