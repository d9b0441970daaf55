"""What a reconcile pass starts or takes to heal a database."""

from shared.errors import Problem
from shared.runs.ids import lease_key
from shared.runs.leases import LeaseRequest
from shared.runs.prepare.payloads import PrepareRun
from shared.runs.reconcile.payloads import Drifted, Terms
from shared.runs.shard.payloads import ShardRun


def pruning_claim(account: str, db: str, run: str, lease_seconds: float) -> LeaseRequest:
    """What a pass has to hold while it removes volumes: the database, as every writer does."""
    return LeaseRequest(lease_key(account, db), run, "reconcile", 1, db, lease_seconds, None)


def prepare_run(account: str, found: Drifted, terms: Terms, run: str) -> PrepareRun:
    """The run that finishes a promotion, and shards what is in place then."""
    return PrepareRun(
        run=run,
        number=1,
        account=account,
        db=found.db,
        shard=shard_run(account, found, terms, run),
        source_version=found.source_version,
        lease_seconds=terms.shard_lease_seconds,
        copying=terms.copying,
        retry=terms.retry,
    )


def shard_run(account: str, found: Drifted, terms: Terms, run: str, refusal: Problem | None = None) -> ShardRun:
    """The run that heals a database, or says in its metadata why it is refused; who holds the database goes first."""
    return ShardRun(
        run=run,
        number=1,
        account=account,
        db=found.db,
        presets=found.presets,
        legacy_alias=terms.legacy_alias,
        molecule=found.molecule,
        lease_seconds=terms.shard_lease_seconds,
        retry=terms.retry,
        refusal=refusal,
        identifying=terms.identifying,
    )
