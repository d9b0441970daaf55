"""Starting a reconcile pass, by the timer. Two timers at once start one pass: both compute the same id."""

from datetime import UTC, datetime

from shared import telemetry
from shared.allowed import named
from shared.http.ports import Backing
from shared.http.starting import HeldError, Start, start_run
from shared.inputs import copying_of, retry_of
from shared.runs.reconcile.payloads import EVERYTHING, SCOPE, ReconcileRun, Terms
from shared.settings import Settings

_LOG = telemetry.logger(__name__)
_DAY_SECONDS = 86400.0


async def begin(backing: Backing) -> None:
    """Start a pass, unless the last one is still under way or the settings say no."""
    settings, arrived = backing.settings, datetime.now(UTC)
    if settings.reconcile == "off":
        return
    terms = terms_of(settings)
    accounts = named(settings.accounts)

    def run_input(run: str, number: int, presumed_dead: str | None) -> ReconcileRun:
        return ReconcileRun(run=run, number=number, accounts=accounts, terms=terms, presumed_dead=presumed_dead)

    lease = await backing.hub.lease(SCOPE, EVERYTHING)
    try:
        run = await start_run(backing.hub, lease, Start("reconcile", "reconcile", SCOPE, EVERYTHING, run_input), arrived)
    except HeldError as error:
        _LOG.info(f"The last pass is still under way: {error.state.run}.")
        return
    _LOG.info(f"A pass has started: {run}.")


def terms_of(settings: Settings) -> Terms:
    """What a pass goes by."""
    return Terms(
        presets=settings.presets,
        legacy_alias=settings.alias_form == "legacy",
        quiet_seconds=settings.reconcile_quiet_seconds,
        again_seconds=settings.reconcile_again_seconds,
        retention_seconds=settings.retention_days * _DAY_SECONDS,
        most_actions=settings.reconcile_most,
        prune_ghosts=settings.reconcile_ghosts == "remove",
        shard_lease_seconds=settings.lease_seconds,
        retry=retry_of(settings),
        copying=copying_of(settings),
    )
