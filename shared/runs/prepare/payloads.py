"""What travels between the steps of a prepare-db run, and the plan of files that it keeps in storage.

The plan, thousands of names, stays in a blob; between steps only its snapshot and digest travel.
"""

from datetime import datetime
from hashlib import sha256
from typing import Literal

from shared.errors import Problem
from shared.runs.callbacks import Callback
from shared.runs.ids import lease_key
from shared.runs.leases import LeaseRequest
from shared.runs.payload import Payload, RetryOptions
from shared.runs.shard.payloads import ShardRun

type Step = Literal["copying", "promoting", "promoted", "failed", "canceled"]


class SourceFile(Payload):
    """One file of a snapshot. `etag` is bare; `kept` says that storage has it in place already."""

    leaf: str
    size_bytes: int
    etag: str
    kept: bool = False


class CopyPlan(Payload):
    """The files of one database in one snapshot, by name; stored as `plan.json` among the staged files."""

    db: str
    source_version: str
    files: tuple[SourceFile, ...]

    @property
    def digest(self) -> str:
        """32 hex digits over the names, sizes and ETags at the source: the generation as the source has it."""
        lines = sorted(f"{file.leaf}\t{file.size_bytes}\t{file.etag}\n" for file in self.files)
        return sha256("".join(lines).encode()).hexdigest()[:32]

    @property
    def total_bytes(self) -> int:
        """All files together."""
        return sum(file.size_bytes for file in self.files)


class VerifiedParts(Payload):
    """How far a staged file is digested that is too large for one step, stored beside it: MD5s in hex of its first parts.

    `blob_etag` names the content in storage that they are of. `refused` counts contents, of a file of whatever size, that
    turned out to be another.
    """

    blob_etag: str = ""
    part_bytes: int = 0
    digests: tuple[str, ...] = ()
    refused: int = 0


class CopySteering(Payload):
    """How a run copies: `lanes` activities at once, each beginning copies for `slice_seconds`, large files block by block.

    One lane copies `piece_blocks` blocks of a file one after the other.

    Up to `whole_bytes` a file is read back in one step, which outlasts its slice, and its MD5 kept; a larger one in slices,
    by the parts of its ETag. S3 takes 5 GiB in one piece: whatever has an MD5 for an ETag is below that, and BLAST's volumes
    are. A step may take 10 minutes, so that each lane needs 10 MB a second from storage.

    `pending_seconds` bounds how long copies into place, which storage carries out by itself, may be without any of them ending.
    """

    lanes: int = 8
    slice_seconds: float = 40.0
    block_bytes: int = 8 * 1024 * 1024
    at_once: int = 4
    whole_bytes: int = 5 * 1024 * 1024 * 1024
    piece_blocks: int = 512
    pending_seconds: float = 6 * 3600.0


class Stage(Payload):
    """How far a run is, for its next execution.

    `is_intact` says that what is in place, perhaps nothing, is of no unfinished copy until the promotion begins; `shard_sets`
    were listed for it; `..._kept` are in place already; `stuck` counts rounds in a row that achieved nothing; since
    `pending_since` storage is at copies of which none has ended.
    """

    source_version: str
    digest: str
    step: Literal["copying", "promoting", "sharding"]
    files_total: int
    bytes_total: int
    is_intact: bool = False
    shard_sets: tuple[int, ...] = ()
    epoch: int = 0
    files_kept: int = 0
    bytes_kept: int = 0
    files_done: int = 0
    bytes_done: int = 0
    bytes_copied: int = 0
    stuck: int = 0
    pending_since: datetime | None = None


class PrepareRun(Payload):
    """The input of a prepare-db run.

    `source_version` is the snapshot asked for, None for the newest. `shard` is the input of the shard run at the end: a child
    under the same lease, hence with this run's own id.
    """

    run: str
    number: int
    account: str
    db: str
    shard: ShardRun
    source_version: str | None = None
    presumed_dead: str | None = None
    lease_seconds: float = 1800.0
    copying: CopySteering = CopySteering()
    retry: RetryOptions = RetryOptions()
    stage: Stage | None = None
    callback: Callback | None = None

    @property
    def claim(self) -> LeaseRequest:
        """What the run has to hold."""
        key = lease_key(self.account, self.db)
        return LeaseRequest(key, self.run, "prepare", self.number, self.db, self.lease_seconds, self.presumed_dead)


class PlanCopy(Payload):
    """Look at source and storage, and store the plan."""

    account: str
    db: str
    source_version: str | None = None


class PlannedCopy(Payload):
    """What is to be done, or why nothing can be; both for a promotion that was begun and is lost."""

    stage: Stage | None = None
    problem: Problem | None = None


class CopyFiles(Payload):
    """Copy, or promote, what one of `steering.lanes` lanes has to; nothing is begun after the slice is over."""

    account: str
    db: str
    source_version: str
    digest: str
    lane: int
    steering: CopySteering = CopySteering()
    write_before: datetime


class CopyReceipt(Payload):
    """How far a lane is: counts over everything that it has to do, also what was done before.

    `bytes_copied` and `bytes_verified` are those of this call. `failures` (a few of `failed`) may pass and are tried again; a
    `problem` stops the run. `pending` files are being copied by storage itself.
    """

    lane: int = 0
    is_done: bool = False
    files_done: int = 0
    bytes_done: int = 0
    bytes_copied: int = 0
    bytes_verified: int = 0
    failed: int = 0
    failures: tuple[Problem, ...] = ()
    problem: Problem | None = None
    pending: int = 0


class CheckCopy(Payload):
    """Compare source, plan and staged files once more before anything is put in place."""

    account: str
    db: str
    source_version: str
    digest: str


class Checked(Payload):
    """Whether all is there and the source is what it was."""

    problem: Problem | None = None


class ClearFiles(Payload):
    """Remove ghosts (files of the database that the plan does not have) or everything that is staged."""

    account: str
    db: str
    what: Literal["ghosts", "staging"]
    source_version: str
    digest: str
    slice_seconds: float = 40.0
    write_before: datetime


class Cleared(Payload):
    """How many blobs were removed, and whether that was all."""

    blobs: int = 0
    is_done: bool = True
    problem: Problem | None = None


class MarkUpdate(Payload):
    """Say in the metadata how far an update is. `stage` carries the counts; `failures` name files."""

    account: str
    db: str
    run: str
    epoch: int
    moment: datetime
    step: Step
    stage: Stage
    problem: Problem | None = None


class PrepareResult(Payload):
    """What a prepare-db run achieved; the operation's `result`.

    A cancelled run that names a `source_version` has put it in place all the same, and not sharded it.
    """

    outcome: Literal["prepared", "unchanged", "canceled"]
    db: str
    source_version: str | None = None
    files: int = 0
    bytes_total: int = 0
    bytes_copied: int = 0
    ghosts_removed: int = 0
