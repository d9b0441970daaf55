"""Logging with context: each line of a run carries its operation id, account, database and cluster, and can be found by them.

The Functions worker forwards Python's log records to Application Insights. The adapter appends the fields of `context` to the
message and sets them on the record. It sanitises every message.
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
    """Add these fields to every line that this task logs inside the block."""
    token = _CONTEXT.set({**_CONTEXT.get(), **dimensions})
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def dimensions(payload: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a step's input that its log lines carry."""
    return {name: str(payload[name]) for name in _DIMENSIONS if payload.get(name)}


class _Contextual(logging.LoggerAdapter[logging.Logger]):
    @override
    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        known = _CONTEXT.get()
        suffix = "".join(f" {name}={value}" for name, value in known.items())
        if kwargs.pop("exc_info", None):
            # Tracebacks quote servers' replies. Logging would add them later, past the sanitiser.
            suffix += f"\n{traceback.format_exc()}"
        kwargs["extra"] = {**(kwargs.get("extra") or {}), "shardwarm": dict(known)}
        return sanitise(f"{msg}{suffix}"), kwargs


def logger(name: str) -> logging.LoggerAdapter[logging.Logger]:
    """A logger whose lines carry the context. Give it whole sentences: its arguments are not sanitised."""
    return _Contextual(logging.getLogger(name), {})
