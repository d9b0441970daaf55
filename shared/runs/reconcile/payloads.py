"""Payloads of a reconcile pass: the inputs and outputs of its steps, as addresses, reasons and counts; never a listing.

Fields are only ever added, with defaults, as in `shared.runs.shard.payloads`.
"""

from datetime import datetime
from typing import Literal

from shared.blastdb.volumes import Molecule
from shared.errors import Problem
from shared.runs.ids import lease_key
from shared.runs.leases import LeaseRequest
from shared.runs.payload import Payload, RetryOptions
from shared.runs.prepare.payloads import CopySteering
from shared.runs.upload.transitions import SettleRun
from shared.runs.warmup.clusters import ClusterRef

SCOPE, EVERYTHING = "-", "all"
"""The key of the lease that keeps two passes from running at once. It cannot collide: no account is called `-`."""

type DriftReason = Literal[
    "mark",
    "copy",
    "promotion",
    "never",
    "stale",
    "missing",
    "damaged",
    "orphans",
    "metadata",
    "headers",
    "refused",
    "failed",
    "settling",
    "gone",
]
"""Why a database has drifted.

`mark`, `copy` and `promotion`: the metadata says that work is under way; a promotion without a repair is lost. `never`: no run has
sharded it. `stale`: its files have changed since it was sharded. `missing`, `damaged`, `orphans`: layout blobs are absent, differ,
or should not exist. `metadata`: the metadata is not true. `headers`: another program wrote the metadata without headers, so that
every listing has to read the blob. `refused`: it cannot be sharded as it stands. `failed`: its last run failed a short while ago.
`settling`: its upload's settle is waiting and will shard it. `gone`: there is metadata or a layout, but no database.
"""


class Terms(Payload):
    """What a pass goes by; copied from the settings into its input.

    A database is left alone while its youngest file is younger than `quiet_seconds`: it is being uploaded. A run that failed is
    repeated after `again_seconds` at the earliest. At most `most_actions` things are healed in one pass. A container whose
    listing takes longer than `look_seconds` is looked at in parts. `prune_ghosts` allows the removal of volumes.
    """

    presets: tuple[int, ...]
    legacy_alias: bool = False
    quiet_seconds: float = 900.0
    again_seconds: float = 3600.0
    retention_seconds: float = 2592000.0
    most_actions: int = 20
    look_seconds: float = 35.0
    prune_ghosts: bool = False
    shard_lease_seconds: float = 1800.0
    patience_seconds: float = 900.0
    retry: RetryOptions = RetryOptions()
    copying: CopySteering = CopySteering()


class ReconcileRun(Payload):
    """The input of a pass."""

    run: str
    number: int
    accounts: tuple[str, ...]
    terms: Terms
    presumed_dead: str | None = None
    lease_seconds: float = 3600.0

    @property
    def claim(self) -> LeaseRequest:
        """What the run has to hold: the right to reconcile."""
        key = lease_key(SCOPE, EVERYTHING)
        return LeaseRequest(key, self.run, "reconcile", self.number, "reconcile", self.lease_seconds, self.presumed_dead)


class SurveyHub(Payload):
    """Look at what the task hub keeps. `turn` moves the window over what is more than fits one pass."""

    accounts: tuple[str, ...]
    most: int
    turn: int = 0


class DeadHolder(Payload):
    """A lease, by its key, and the run that holds it although it is over."""

    key: str
    run: str


class DeadSettle(Payload):
    """The settle of an upload that is over although the upload still names it, and the input of the one to follow."""

    run: str
    settle: SettleRun


class WarmDatabase(Payload):
    """A database that was made warm and not released: where, and what was asked for. `key` is its lease's and entity's.

    `overdue` says why it is still there although its time is over.
    """

    key: str
    run: str
    cluster: ClusterRef
    account: str
    db: str
    shard_count: int | None = None
    replicas: int | None = None
    overdue: str | None = None


class HubSurvey(Payload):
    """What the task hub keeps that is to be looked at."""

    accounts: tuple[str, ...] = ()
    leases: int = 0
    dead: tuple[DeadHolder, ...] = ()
    warm: tuple[WarmDatabase, ...] = ()
    settles: tuple[DeadSettle, ...] = ()
    problem: Problem | None = None


class SurveyAccount(Payload):
    """Look at every database of an account by listing its container once. `initials` narrows it to names that begin so."""

    account: str
    terms: Terms
    turn: int = 0
    initial: str = ""


class Drifted(Payload):
    """A database that is not well, and what may be done; nothing of it is only to be told.

    `correct` its metadata, `prune` the ghosts in the listing that was `refused`, by its digest, `shard` it, in this order; or
    `prepare` it: finish the promotion of that `source_version`.
    """

    db: str
    reason: DriftReason
    detail: str = ""
    correct: bool = False
    prune: bool = False
    shard: bool = False
    prepare: bool = False
    source_version: str | None = None
    refused: str | None = None
    molecule: Molecule | None = None
    presets: tuple[int, ...] = ()

    @property
    def can_be_healed(self) -> bool:
        """Whether a pass may do anything; a promotion is finished once its mark was corrected."""
        return self.correct or self.prune or self.shard


class AccountSurvey(Payload):
    """What an account's container shows.

    `to_heal` and `to_tell` are cut to what one pass deals with; `left` counts what was cut off. `initials` is there instead when
    the container is too large to be looked at in one step: look again, by initial.
    """

    databases: int = 0
    blobs: int = 0
    pages: int = 0
    to_heal: tuple[Drifted, ...] = ()
    to_tell: tuple[Drifted, ...] = ()
    left: int = 0
    initials: str = ""
    problem: Problem | None = None


class CorrectMetadata(Payload):
    """Take back what a database's metadata claims and is not so.

    `gone` says that the database itself is not there any more; `describe`, that its headers are to be set if nothing else is;
    `finish`, that a promotion is to be finished, if it is still there and nobody is at it.
    """

    account: str
    db: str
    gone: bool = False
    describe: bool = False
    finish: bool = False


class Corrected(Payload):
    """What was corrected, in words; `busy` says that somebody is at work on the database, or may be: it is left alone."""

    changes: tuple[str, ...] = ()
    busy: bool = False
    problem: Problem | None = None


class PruneGhosts(Payload):
    """Remove volumes that a database's statistics do not count, before `write_before`, from the listing that was `refused`."""

    account: str
    db: str
    write_before: datetime
    refused: str | None = None


class Pruned(Payload):
    """How many volumes and blobs were removed, or what forbids it."""

    volumes: int = 0
    blobs: int = 0
    problem: Problem | None = None


class CheckWarmup(Payload):
    """Look whether a warm database still is what a warmup of today would make it."""

    warm: WarmDatabase


class WarmupCheck(Payload):
    """`again` says why a warmup is to be started again; `trouble`, what only a person can help with."""

    again: str | None = None
    trouble: str | None = None


class PurgeRuns(Payload):
    """Forget runs that ended so long ago, entities that hold nothing, and what idle uploads remember of events."""

    retention_seconds: float
    idle_seconds: float = 86400.0


class Purged(Payload):
    """How much was forgotten; `complete` says that nothing was left over."""

    runs: int = 0
    entities: int = 0
    complete: bool = True
