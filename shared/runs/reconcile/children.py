"""Inputs of the child runs that a reconcile pass starts, and the lease that it takes to remove ghosts.

They follow from the pass's own input (`Terms`), and those of `shared.inputs` from the settings. The two stay apart: a pass is
replayed, and a setting that changed meanwhile would give its replay another child.
"""

from shared.errors import Problem
from shared.runs.ids import lease_key
from shared.runs.leases import LeaseRequest
from shared.runs.prepare.payloads import PrepareRun
from shared.runs.reconcile.payloads import Drifted, Terms
from shared.runs.shard.payloads import ShardRun


def pruning_claim(account: str, db: str, run: str, lease_seconds: float) -> LeaseRequest:
    """The lease that a pass needs while it removes volumes: the database's, as for every writer."""
    return LeaseRequest(lease_key(account, db), run, "reconcile", 1, db, lease_seconds, None)


def prepare_run(account: str, found: Drifted, terms: Terms, run: str) -> PrepareRun:
    """The prepare run that finishes a promotion and then shards the database."""
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
    """The shard run that repairs a database, or writes its refusal into the metadata. It takes the lease from no other run."""
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
