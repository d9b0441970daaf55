"""Start a reconcile pass by the timer. Two timers that fire together start one pass, because both compute the same id."""

from datetime import UTC, datetime

from shared import telemetry
from shared.allowed import named
from shared.http.ports import Backing
from shared.http.starting import HeldError, NewRun, Start, start_run
from shared.inputs import copying_of, identifying_of, retry_of
from shared.runs.reconcile.payloads import EVERYTHING, SCOPE, ReconcileRun, Terms
from shared.settings import Settings

_LOG = telemetry.logger(__name__)
_DAY_SECONDS = 86400.0


async def begin(backing: Backing) -> None:
    """Start a pass, unless the last one is still running or `SHARDWARM_RECONCILE` is `off`."""
    settings, arrived = backing.settings, datetime.now(UTC)
    if settings.reconcile == "off":
        return
    terms = terms_of(settings)
    accounts = named(settings.accounts)

    def run_input(new: NewRun) -> ReconcileRun:
        return ReconcileRun(run=new.run, number=new.number, accounts=accounts, terms=terms, presumed_dead=new.presumed_dead)

    lease = await backing.hub.lease(SCOPE, EVERYTHING)
    try:
        run = await start_run(backing.hub, lease, Start("reconcile", "reconcile", SCOPE, EVERYTHING, run_input), arrived)
    except HeldError as error:
        _LOG.info(f"The last reconcile pass is still running: {error.state.run}.")
        return
    _LOG.info(f"A reconcile pass has started: {run}.")


def terms_of(settings: Settings) -> Terms:
    """The terms of a pass, made from the settings: limits, waiting times, and what it may repair."""
    return Terms(
        presets=settings.presets,
        legacy_alias=settings.alias_form == "legacy",
        quiet_seconds=settings.reconcile_quiet_seconds,
        again_seconds=settings.reconcile_again_seconds,
        retention_seconds=settings.retention_days * _DAY_SECONDS,
        most_actions=settings.reconcile_most,
        prune_ghosts=settings.reconcile_ghosts == "remove",
        renew_legacy=settings.reconcile_legacy == "renew",
        shard_lease_seconds=settings.lease_seconds,
        retry=retry_of(settings),
        copying=copying_of(settings),
        identifying=identifying_of(settings),
    )
