"""Log lines that can be found again: operation id, account, database, shard count and cluster are on every one.

The Functions worker forwards Python's log records to Application Insights; what stands in `context` is appended to the
message and set on the record. Every message is sanitised.
"""

import logging
import traceback
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, override

from shared.sanitise import sanitise

_CONTEXT: ContextVar[Mapping[str, str]] = ContextVar("shardwarm_log_context", default=MappingProxyType({}))
_DIMENSIONS = ("run", "account", "db", "cluster")


@contextmanager
def context(**dimensions: str) -> Generator[None]:
    """Put these on every line that is logged inside, in this task."""
    token = _CONTEXT.set({**_CONTEXT.get(), **dimensions})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def dimensions(payload: Mapping[str, Any]) -> dict[str, str]:
    """Those of a step's fields that log lines carry."""
    return {name: str(payload[name]) for name in _DIMENSIONS if payload.get(name)}


class _Contextual(logging.LoggerAdapter[logging.Logger]):
    @override
    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        known = _CONTEXT.get()
        suffix = "".join(f" {name}={value}" for name, value in known.items())
        if kwargs.pop("exc_info", None):
            # Tracebacks quote what servers said; logging would add them after this.
            suffix += f"\n{traceback.format_exc()}"
        kwargs["extra"] = {**(kwargs.get("extra") or {}), "shardwarm": dict(known)}
        return sanitise(f"{msg}{suffix}"), kwargs


def logger(name: str) -> logging.LoggerAdapter[logging.Logger]:
    """A logger whose lines carry the context. Give it whole sentences: its arguments are not sanitised."""
    return _Contextual(logging.getLogger(name), {})
