"""Payloads of a reconcile pass: addresses, reasons and counts, never a listing. Fields are only added, with defaults."""

from datetime import datetime

from shared.blastdb.volumes import Molecule
from shared.errors import Problem
from shared.runs.ids import lease_key
from shared.runs.leases import LeaseRequest
from shared.runs.payload import Payload, RetryOptions, RunInput
from shared.runs.prepare.payloads import CopySteering
from shared.runs.reconcile.reasons import DriftReason
from shared.runs.shard.identifying import IdentifySteering
from shared.runs.upload.payloads import SettleRun
from shared.runs.warmup.clusters import ClusterRef

SCOPE, EVERYTHING = "-", "all"
"""The key of the lease that keeps two passes from running at once. It cannot collide: no account is called `-`."""


class Terms(Payload):
    """The policy of a pass; copied from the settings into its input.

    The pass leaves a database alone while its youngest file is younger than `quiet_seconds`: it is being uploaded. A failed run
    is repeated after `again_seconds` at the earliest. One pass makes at most `most_actions` repairs. A container whose listing
    takes longer than `look_seconds` is surveyed in parts. `prune_ghosts` allows the removal of volumes, `renew_legacy` the
    renewal of whole sets of the replaced system.
    """

    presets: tuple[int, ...]
    legacy_alias: bool = False
    quiet_seconds: float = 900.0
    again_seconds: float = 3600.0
    retention_seconds: float = 2592000.0
    most_actions: int = 20
    look_seconds: float = 35.0
    prune_ghosts: bool = False
    renew_legacy: bool = False
    shard_lease_seconds: float = 1800.0
    patience_seconds: float = 900.0
    retry: RetryOptions = RetryOptions()
    copying: CopySteering = CopySteering()
    identifying: IdentifySteering | None = None


class ReconcileRun(RunInput):
    """The input of a pass."""

    run: str
    number: int
    accounts: tuple[str, ...]
    terms: Terms
    presumed_dead: str | None = None
    lease_seconds: float = 3600.0

    @property
    def claim(self) -> LeaseRequest:
        """The lease that the run needs: the right to reconcile."""
        key = lease_key(SCOPE, EVERYTHING)
        return LeaseRequest(key, self.run, "reconcile", self.number, "reconcile", self.lease_seconds, self.presumed_dead)


class SurveyHub(Payload):
    """The request to survey the task hub. `turn` moves the window when there is more than one pass can handle."""

    accounts: tuple[str, ...]
    most: int
    turn: int = 0


class DeadHolder(Payload):
    """A lease, by its key, whose holder `run` has ended without releasing it."""

    key: str
    run: str


class DeadSettle(Payload):
    """A settle that has ended although its upload still names it, and the input of the settle that will replace it."""

    run: str
    settle: SettleRun


class WarmDatabase(Payload):
    """A database that was warmed and not released, with its cluster and what the warmup asked for.

    `key` names its lease and its expiry entity. `overdue` says why it is still warm although its time is over.
    """

    key: str
    run: str
    cluster: ClusterRef
    account: str
    db: str
    shard_count: int | None = None
    replicas: int | None = None
    strict: bool = False
    overdue: str | None = None


class HubSurvey(Payload):
    """What a survey of the task hub found that a pass must act on."""

    accounts: tuple[str, ...] = ()
    leases: int = 0
    dead: tuple[DeadHolder, ...] = ()
    warm: tuple[WarmDatabase, ...] = ()
    settles: tuple[DeadSettle, ...] = ()
    problem: Problem | None = None


class SurveyAccount(Payload):
    """The request to survey every database of an account by one listing. `initial` narrows it to names that begin with it."""

    account: str
    terms: Terms
    turn: int = 0
    initial: str = ""


class Drifted(Payload):
    """A drifted database and the repairs that are allowed; with none set it is only reported.

    The repairs run in this order: `correct` its metadata, `prune` the ghosts in the listing whose digest is `refused`, `shard`
    it. Or `prepare` it: finish the promotion of that `source_version`.
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
    def can_be_repaired(self) -> bool:
        """Whether a pass may repair anything. A promotion is finished only after its mark was corrected."""
        return self.correct or self.prune or self.shard


class AccountSurvey(Payload):
    """What the survey of an account's container found.

    `to_heal` (to repair) and `to_tell` (to report) hold what one pass can handle; `left` counts the rest. A container that is
    too large for one step gets `initials`: the caller surveys it once for each.
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
    """The request to correct metadata that is no longer true.

    `gone`: the database itself no longer exists. `describe`: set its headers if nothing else needs correcting. `finish`: the
    caller will finish a promotion, if it is still unfinished and no run is working on it.
    """

    account: str
    db: str
    gone: bool = False
    describe: bool = False
    finish: bool = False


class Corrected(Payload):
    """The corrections, in words. `busy`: a run is working on the database, or may be, so the pass leaves it alone."""

    changes: tuple[str, ...] = ()
    busy: bool = False
    problem: Problem | None = None


class PruneGhosts(Payload):
    """The request to remove, before `write_before`, volumes that the statistics do not count; `refused` is the digest."""

    account: str
    db: str
    write_before: datetime
    refused: str | None = None


class Pruned(Payload):
    """How many volumes and blobs were removed, or the problem that forbids it."""

    volumes: int = 0
    blobs: int = 0
    problem: Problem | None = None


class CheckWarmup(Payload):
    """The request to compare a warm database with what a warmup would make of it now."""

    warm: WarmDatabase


class WarmupCheck(Payload):
    """`again` says why the pass must start the warmup again; `trouble`, what only a person can repair."""

    again: str | None = None
    trouble: str | None = None


class PurgeRuns(Payload):
    """The request to purge runs that ended before the retention, empty entities, and the events that idle uploads remember."""

    retention_seconds: float
    idle_seconds: float = 86400.0


class Purged(Payload):
    """How much was purged; `complete` says that nothing remains to purge."""

    runs: int = 0
    entities: int = 0
    complete: bool = True
