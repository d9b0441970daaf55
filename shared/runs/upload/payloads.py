"""Payloads of a settle: its input and result, and how it looks at an upload.

Fields are only ever added, with defaults, as in `shared.runs.shard.payloads`.
"""

from datetime import datetime
from typing import Literal

from shared.errors import Problem
from shared.runs.ids import lease_key
from shared.runs.payload import Payload
from shared.runs.shard.payloads import ShardRun
from shared.runs.shard.result import ShardResult


class Waiting(Payload):
    """The wait of a settle. `looked_at` is the version that its last look saw; `shards` counts the runs that it started."""

    looked_at: int = 0
    next_look: datetime | None = None
    looks_in_vain: int = 0
    shards: int = 0
    problem: Problem | None = None


class SettleRun(Payload):
    """The input of a settle: wait until an upload is quiet and complete, then run `shard`, whose id the settle gives."""

    run: str
    shard: ShardRun
    quiet_seconds: float = 60.0
    give_up_seconds: float = 21600.0
    waiting: Waiting = Waiting()

    @property
    def key(self) -> str:
        """The key of the upload's entity, and of the database's lease."""
        return lease_key(self.shard.account, self.shard.db)

    @property
    def alive_seconds(self) -> float:
        """How long the settle may be silent: while it waits, or while its run holds the database."""
        return self.quiet_seconds + self.shard.lease_seconds


class SettleResult(Payload):
    """The result of a settle, and of its operation. `absent`: no volume is there, as after a deletion."""

    outcome: Literal["sharded", "unchanged", "absent", "superseded", "canceled"]
    db: str
    shard_operation_id: str | None = None
    result: ShardResult | None = None


class InspectUpload(Payload):
    """Inspect an upload: is it complete?"""

    account: str
    db: str


class UploadSeen(Payload):
    """What a look at an upload saw.

    `unchanged`: complete, and the published layouts were made for these very files. `incomplete`: the problem says what is
    missing. `busy`: another run or a copy is at work on the database, or the app has no access; the problem says which.
    `absent`: there is no volume and none is expected.
    """

    state: Literal["complete", "unchanged", "incomplete", "busy", "absent"]
    problem: Problem | None = None
