"""Metadata headers of the control blob: a summary of its content, so that a listing of the container need not read the blob.

A write that does not set the headers removes them, so headers are never older than the content.
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
    "shard_alias_version",
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
    "shard_unlisted",
    "statistics",
    "total_letters",
    "total_sequences",
)
_FORM = 2
"""The version of the summary. Version 1 had no number and lacked the fields that tell a healthy database from a drifted one."""
_LONGEST = 7 * 1024
"""In characters. The service accepts 8 KiB of headers."""


def summary(document: Mapping[str, Any]) -> dict[str, str]:
    """Write the metadata headers of a document: the fields that a listing needs, in one ASCII value.

    Empty when the document's fields are too long for headers; a listing then reads the blob.
    """
    values = {name: document[name] for name in _FIELDS if document.get(name) is not None}
    values["form"] = _FORM
    # DEL is ASCII and json does not escape it, but no header may contain it.
    text = json.dumps(values, separators=(",", ":")).replace("\x7f", "\\u007f")
    return {_HEADER: text} if len(text) <= _LONGEST else {}


def is_whole(summary: Mapping[str, Any]) -> bool:
    """Whether a summary has every field that this release needs; summaries of older releases lack some."""
    return summary.get("form") == _FORM


def read(headers: Mapping[str, str]) -> dict[str, Any] | None:
    """Read the summary from a listed blob's headers; None when it is missing or unreadable."""
    try:
        found: Any = json.loads(headers[_HEADER])
    except (KeyError, ValueError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None
