"""The result of a shard run, as its operation shows it."""

from typing import Literal

from shared.blastdb.generations import Generation
from shared.runs.payload import Payload


class ShardResult(Payload):
    """What a shard run achieved; the operation's `result`.

    `warnings` say why searches of the sets are not exact, and how many files have no MD5.
    """

    outcome: Literal["sharded", "restored", "unchanged", "canceled"]
    db: str
    volumes: int = 0
    shard_sets: tuple[int, ...] = ()
    skipped: tuple[int, ...] = ()
    blobs_written: int = 0
    blobs_unchanged: int = 0
    orphans_removed: int = 0
    statistics: Literal["njs", "index", "absent"] = "absent"
    generation: Generation | None = None
    warnings: tuple[str, ...] = ()
