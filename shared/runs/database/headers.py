"""What a control blob's metadata headers repeat of its content, so that a listing of the container needs no read of it.

Whoever writes the blob without setting the headers removes them: what is there is never older than the content.
"""

import json
from collections.abc import Mapping
from typing import Any, cast

_HEADER = "shardwarm"
_FIELDS = (
    "source_version",
    "file_count",
    "total_bytes",
    "sharded",
    "shard_sets",
    "shard_source_version",
    "shard_generation",
    "shard_restored",
    "sharding_in_progress",
    "sharding_started_at",
    "sharding_error",
    "update_in_progress",
    "update_started_at",
    "promoting_source_version",
    "copy_status",
    "shard_started_at",
    "shard_operation_id",
    "shard_refused",
    "statistics",
    "total_letters",
    "total_sequences",
)
_FORM = 2
"""Of the summary. Form 1 had no number and lacked what tells a healthy database from a drifted one."""
_LONGEST = 7 * 1024
"""The service takes 8 KiB of headers."""


def summary(document: Mapping[str, Any]) -> dict[str, str]:
    """The blob's metadata headers: what a listing needs, in one ASCII value, so that it costs no read of the blob.

    Empty when others wrote so much that headers cannot hold it; a listing then reads the blob.
    """
    values = {name: document[name] for name in _FIELDS if document.get(name) is not None}
    values["form"] = _FORM
    # DEL is ASCII, but no header may hold it, and json leaves it as it is.
    text = json.dumps(values, separators=(",", ":")).replace("\x7f", "\\u007f")
    return {_HEADER: text} if len(text) <= _LONGEST else {}


def is_whole(summary: Mapping[str, Any]) -> bool:
    """Whether a summary has everything that this release asks of one; those of older releases lack some."""
    return summary.get("form") == _FORM


def read(headers: Mapping[str, str]) -> dict[str, Any] | None:
    """The summary in a listed blob's headers; None when there is none, or when it cannot be read."""
    try:
        found: Any = json.loads(headers[_HEADER])
    except (KeyError, ValueError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
