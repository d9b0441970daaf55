"""Bounds of what travels, the longest names, and how large a payload is."""

import json
from datetime import UTC, datetime

from pydantic import BaseModel

from shared.runs.ids import operation_id

STEP_BYTES = 4096
STATUS_BYTES = 2048

ACCOUNT = "a" * 24
DB = "A" * 64
RUN = operation_id("shard", ACCOUNT, DB, 10**6)
MOMENT = datetime(2026, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def size_bytes(model: BaseModel) -> int:
    """As the engine writes it, with its default separators."""
    return len(json.dumps(model.model_dump(mode="json", exclude_defaults=True)).encode())
