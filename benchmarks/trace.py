"""One run of ours as the proxy saw it: from the POST to the answer of the write that makes the result public."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from local.proxy import longest_chain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from local.proxy import Record

_WRITES = {"PUT", "POST", "DELETE", "PATCH"}
_REDIRECT, _SERVER_ERROR = 300, 500


class Trace(NamedTuple):
    """What one run cost. `engine_seconds` are those in which no storage call was under way: everything but storage."""

    seconds: float
    """From the POST to the commit; to the end of the operation when nothing was written."""
    succeeded_seconds: float
    """From the POST until the client has read Succeeded."""
    accepted_seconds: float
    """From the POST to its 202."""
    engine_seconds: float
    calls: int
    failed_calls: int
    """Unanswered, or answered with a server error, and therefore repeated; none on a machine that keeps up."""
    writes: int
    blobs_written: int
    sequential_round_trips: int


def trace(records: Sequence[Record], db: str, *, posted: float, accepted: float, succeeded: float) -> Trace:
    """Read a run off the records; times are of the monotonic clock."""
    end = committed_at(records, db) or succeeded
    writes = [record for record in records if record.method in _WRITES]
    return Trace(
        seconds=end - posted,
        succeeded_seconds=succeeded - posted,
        accepted_seconds=accepted - posted,
        engine_seconds=end - posted - _busy_seconds(records, posted, end),
        calls=len(records),
        failed_calls=sum(record.status == 0 or record.status >= _SERVER_ERROR for record in records),
        writes=len(writes),
        blobs_written=len({record.path for record in writes if _is_good(record) and f"shards/{db}_shard_" in record.path}),
        sequential_round_trips=longest_chain(record for record in records if record.ended <= end),
    )


def committed_at(records: Iterable[Record], db: str) -> float | None:
    """When the commit was answered: the second good write of the metadata; the first says that a run has begun."""
    written = [
        record.ended
        for record in records
        if record.method == "PUT" and record.path.endswith(f"/{db}-metadata.json") and _is_good(record)
    ]
    return written[1] if len(written) > 1 else None


def _is_good(record: Record) -> bool:
    return 0 < record.status < _REDIRECT


def _busy_seconds(records: Iterable[Record], since: float, until: float) -> float:
    """How long at least one call was under way."""
    busy, covered = 0.0, since
    for record in sorted(records, key=lambda record: record.started):
        start, end = max(record.started, covered), min(record.ended, until)
        if end > start:
            busy += end - start
            covered = end
    return busy
