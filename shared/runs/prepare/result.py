"""The result of a prepare-db run, as its operation shows it."""

from typing import Literal

from shared.runs.payload import Payload


class PrepareResult(Payload):
    """The outcome of a prepare-db run; the operation's `result`.

    A cancelled run that names a `source_version` has put it in place but not sharded it. `warnings` are those of its shard run.
    """

    outcome: Literal["prepared", "unchanged", "canceled"]
    db: str
    source_version: str | None = None
    files: int = 0
    bytes_total: int = 0
    bytes_copied: int = 0
    ghosts_removed: int = 0
    warnings: tuple[str, ...] = ()
