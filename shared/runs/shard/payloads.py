"""What travels between the steps of a shard run. Plain JSON on the wire, under 4 KB for 1,024 volumes and 32 shards.

A layout travels as its cut points, and the blobs to write as shard indices: the names follow from both. Fields are only
ever added, with defaults: a run in flight is replayed by the next release (tests/wire keeps what past releases wrote).
"""

from datetime import UTC, datetime

from shared.blastdb.alias import SEARCH_SPACE_ALIAS
from shared.blastdb.generations import Generation
from shared.blastdb.layout import Layout
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import Molecule, VolumeSet
from shared.errors import Problem
from shared.runs.callbacks import Callback
from shared.runs.ids import lease_key
from shared.runs.leases import LeaseRequest
from shared.runs.payload import Payload, RetryOptions, RunInput
from shared.runs.shard.identifying import IdentifySteering
from shared.runs.shard.legacy import LegacySets

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class ShardRun(RunInput):
    """The input of a shard run; `restore` puts that kept layout back, a run with a `refusal` only reports it."""

    run: str
    number: int
    account: str
    db: str
    presets: tuple[int, ...]
    force: bool = False
    legacy_alias: bool = False
    molecule: Molecule | None = None
    presumed_dead: str | None = None
    lease_seconds: float = 1800.0
    retry: RetryOptions = RetryOptions()
    callback: Callback | None = None
    restore: str | None = None
    refusal: Problem | None = None
    identifying: IdentifySteering | None = None

    @property
    def claim(self) -> LeaseRequest:
        """What the run has to hold."""
        key = lease_key(self.account, self.db)
        kind = "restore" if self.restore else "shard"
        return LeaseRequest(key, self.run, kind, self.number, self.db, self.lease_seconds, self.presumed_dead)


class BlobIndices(Payload):
    """Some manifests and some aliases of one shard set, as shard indices."""

    manifests: tuple[int, ...] = ()
    aliases: tuple[int, ...] = ()

    def __len__(self) -> int:
        """How many blobs."""
        return len(self.manifests) + len(self.aliases)


class SetPlan(Payload):
    """One shard set: its layout, and the blobs that are absent from storage or differ there."""

    layout: Layout
    absent: BlobIndices = BlobIndices()
    differing: BlobIndices = BlobIndices()

    @property
    def shard_count(self) -> int:
        """N."""
        return self.layout.shard_count

    @property
    def writes(self) -> int:
        """How many blobs the run has to write."""
        return len(self.absent) + len(self.differing)


class Inspect(Payload):
    """Look at one database: everything that decides what a run has to do, in one round trip."""

    account: str
    db: str
    presets: tuple[int, ...]
    force: bool = False
    legacy_alias: bool = False
    molecule: Molecule | None = None
    restore: str | None = None


class Inspection(Payload):
    """What a database is, and what differs from what it must be.

    `last_change`: when the youngest layout blob changed. `metadata_etag`: None without metadata. `skipped`: presets above the
    number of volumes. `marked`: metadata shows a run in progress. `current`: metadata describes this generation and these sets.
    `orphans`: shard counts whose folders hold blobs of no layout. `restored`: sets, statistics and form are a record's.
    `unlisted`: listed sets that must go off the list before their manifests change. `legacy`: the replaced system's layouts.
    `unidentified`: files without an MD5 in storage, and `unidentified_bytes` their bytes.
    """

    volumes: VolumeSet
    generation: Generation
    statistics: Statistics | None
    total_bytes: int
    file_count: int
    sets: tuple[SetPlan, ...]
    skipped: tuple[int, ...] = ()
    orphans: tuple[int, ...] = ()
    metadata_etag: str | None = None
    epoch: int = 0
    marked: bool = False
    current: bool = False
    last_change: datetime
    restored: bool = False
    legacy_alias: bool = False
    restored_version: str | None = None
    alias_version: int = SEARCH_SPACE_ALIAS
    unlisted: tuple[int, ...] = ()
    legacy: tuple[Layout, ...] = ()
    unidentified: int = 0
    unidentified_bytes: int = 0

    @property
    def writes(self) -> int:
        """How many layout blobs the run has to write."""
        return sum(plan.writes for plan in self.sets)

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do: no blob to write or remove, and metadata that already says so."""
        return self.current and not self.marked and not self.writes and not self.orphans


class Inspected(Payload):
    """The outcome of looking: an inspection, or the problem that forbids a run. `refused` is the digest of what was refused."""

    inspection: Inspection | None = None
    problem: Problem | None = None
    refused: str | None = None


class MarkStarted(Payload):
    """Say in the metadata that a run has begun. `if_match` is the ETag that was inspected, None to create.

    The sets that are `unlisted` go off the list in the same write, and `legacy` sets are recorded, so that they can be restored.
    """

    account: str
    db: str
    run: str
    epoch: int
    started: datetime
    if_match: str | None
    unlisted: tuple[int, ...] = ()
    legacy: LegacySets | None = None


class UploadSet(Payload):
    """Write what one shard set lacks. It writes nothing after `write_before`, when another run may hold the lease.

    `statistics` go into the aliases; None gives aliases without totals. `alias_version` is as in `Inspection`.
    """

    account: str
    db: str
    plan: SetPlan
    volumes: VolumeSet
    statistics: Statistics | None
    last_change: datetime
    write_before: datetime
    alias_version: int = SEARCH_SPACE_ALIAS


class SetReceipt(Payload):
    """What became of one shard set: complete and verified, unless there is a problem."""

    shard_count: int
    written: int = 0
    already_right: int = 0
    problem: Problem | None = None


class CommitMetadata(Payload):
    """Make a run's result public, after comparing the generation once more. `layouts` are those of the good sets."""

    account: str
    db: str
    run: str
    epoch: int
    finished: datetime
    generation: Generation
    volumes: VolumeSet
    statistics: Statistics | None
    total_bytes: int
    file_count: int
    good_sets: tuple[int, ...]
    problem: Problem | None = None
    etag: str | None = None
    layouts: tuple[Layout, ...] = ()
    restored: bool = False
    legacy_alias: bool = False
    restored_version: str | None = None
    alias_version: int = SEARCH_SPACE_ALIAS


class RecordFailure(Payload):
    """Say in the metadata that a run ended without a result.

    `damaged_sets` may have been written to. `database_refused` says that the database lacks or mixes volumes: none of its
    sets can be searched without losing sequences. `refused` is the digest of the listing that was refused: until it changes,
    no run would end otherwise. `relisted` are sets that the run took off the list and did not write to.
    """

    account: str
    db: str
    run: str
    epoch: int
    damaged_sets: tuple[int, ...] = ()
    relisted: tuple[int, ...] = ()
    database_refused: bool = False
    refused: str | None = None
    problem: Problem | None = None


class RemoveOrphans(Payload):
    """Remove blobs that none of the `kept` sets has, from the folders of these shard counts."""

    account: str
    db: str
    volumes: VolumeSet
    shard_counts: tuple[int, ...]
    kept: tuple[int, ...]
    write_before: datetime


class Written(Payload):
    """The outcome of a step that writes metadata: its new ETag, or the problem that kept it from writing."""

    etag: str | None = None
    problem: Problem | None = None


class Removed(Payload):
    """How many orphans were removed, or the problem that kept them from being removed."""

    blobs: int = 0
    problem: Problem | None = None
