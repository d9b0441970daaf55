"""Payloads of a prepare-db run: the inputs and outputs of its steps, and the copy plan that it keeps in storage.

The plan has thousands of names and stays in a blob; only its snapshot and digest travel between steps.
"""

from datetime import datetime
from hashlib import sha256
from typing import Literal

from shared.errors import Problem
from shared.runs.callbacks import Callback
from shared.runs.ids import lease_key
from shared.runs.leases import LeaseRequest
from shared.runs.payload import Payload, RetryOptions, RunInput
from shared.runs.shard.payloads import ShardRun

type Step = Literal["copying", "promoting", "promoted", "failed", "canceled"]


class SourceFile(Payload):
    """One file of a snapshot. `etag` has no quotes; `kept` says that storage already has the file in place."""

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
        """32 hex digits over the names, sizes and ETags at the source; they identify the generation there."""
        lines = sorted(f"{file.leaf}\t{file.size_bytes}\t{file.etag}\n" for file in self.files)
        return sha256("".join(lines).encode()).hexdigest()[:32]

    @property
    def total_bytes(self) -> int:
        """The sum of all file sizes."""
        return sum(file.size_bytes for file in self.files)


class VerifiedParts(Payload):
    """Verification progress of a staged file that is too large for one step: the MD5s in hex of its first parts.

    It is stored beside the file. `blob_etag` names the stored content that the MD5s belong to. `refused` counts how often a file
    of any size arrived with other content.
    """

    blob_etag: str = ""
    part_bytes: int = 0
    digests: tuple[str, ...] = ()
    refused: int = 0


class CopySteering(Payload):
    """The options of a copy: `lanes` activities at once, each starting copies for `slice_seconds`, large files block by block.

    One lane copies `piece_blocks` blocks of a file one after the other.

    A file of up to `whole_bytes` is read back in one step, which outlasts its slice, and its MD5 is kept. A larger file is read
    back in slices, by the parts of its ETag. S3 accepts at most 5 GiB in one upload, so every file whose ETag is an MD5 is below
    that, and so are BLAST's volumes. A step may take 10 minutes, so each lane needs 10 MB a second from storage.

    Storage itself carries out the copies into place. `pending_seconds` bounds how long they may go on without one of them ending.
    """

    lanes: int = 8
    slice_seconds: float = 40.0
    block_bytes: int = 8 * 1024 * 1024
    at_once: int = 4
    whole_bytes: int = 5 * 1024 * 1024 * 1024
    piece_blocks: int = 512
    pending_seconds: float = 6 * 3600.0


class Stage(Payload):
    """The state of a run, carried to its next execution.

    `is_intact`: until the promotion begins, no unfinished copy has changed the files in place, if there are any; `shard_sets` are
    the sets listed for those files. `files_kept` and `bytes_kept` are already in place. `stuck` counts consecutive rounds without
    progress. Since `pending_since` storage has been copying without completing a single copy.
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


class PrepareRun(RunInput):
    """The input of a prepare-db run.

    `source_version` is the requested snapshot, None for the newest. `shard` is the input of the shard run at the end: a child
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
        """The lease that the run needs: the database in storage."""
        key = lease_key(self.account, self.db)
        return LeaseRequest(key, self.run, "prepare", self.number, self.db, self.lease_seconds, self.presumed_dead)


class PlanCopy(Payload):
    """The request to compare source and storage, and to store the copy plan."""

    account: str
    db: str
    source_version: str | None = None


class PlannedCopy(Payload):
    """The plan, or the problem that prevents one. Both are set when a started promotion has lost its files."""

    stage: Stage | None = None
    problem: Problem | None = None


class CopyFiles(Payload):
    """The request to copy or promote one of `steering.lanes` lanes; the step starts nothing after its time slice."""

    account: str
    db: str
    source_version: str
    digest: str
    lane: int
    steering: CopySteering = CopySteering()
    write_before: datetime


class CopyReceipt(Payload):
    """The progress of a lane: counts over all its work, including earlier calls.

    `bytes_copied` and `bytes_verified` cover this call only. `failures` are a few of the `failed`; the run tries those again. A
    `problem` stops the run. `pending` counts the files that storage itself is copying.
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
    """The request to compare source, plan and staged files once more before the promotion."""

    account: str
    db: str
    source_version: str
    digest: str


class Checked(Payload):
    """The problem if a file is missing or the source has changed; None if the promotion may begin."""

    problem: Problem | None = None


class ClearFiles(Payload):
    """The request to remove ghosts (files of the database that the plan does not list) or all staged files."""

    account: str
    db: str
    what: Literal["ghosts", "staging"]
    source_version: str
    digest: str
    slice_seconds: float = 40.0
    write_before: datetime


class Cleared(Payload):
    """How many blobs were removed; `is_done` says that none are left to remove."""

    blobs: int = 0
    is_done: bool = True
    problem: Problem | None = None


class MarkUpdate(Payload):
    """The request to record an update's step in the metadata. `stage` has the counts; `problem.details` name failed files."""

    account: str
    db: str
    run: str
    epoch: int
    moment: datetime
    step: Step
    stage: Stage
    problem: Problem | None = None
