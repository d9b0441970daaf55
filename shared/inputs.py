"""Inputs of runs that are started from several places, by the settings of the moment."""

from shared.runs.shard import ShardRun
from shared.runs.uploads import SettleRun
from shared.settings import Settings


def shard_input(settings: Settings, account: str, db: str, *, run: str = "", number: int = 1) -> ShardRun:
    """A shard run by the settings alone; who starts one gives the id, and what was asked for besides."""
    return ShardRun(
        run=run,
        number=number,
        account=account,
        db=db,
        presets=settings.presets,
        legacy_alias=settings.alias_form == "legacy",
        lease_seconds=settings.lease_seconds,
        retry=settings.retry,
    )


def settle_input(settings: Settings, account: str, db: str) -> SettleRun:
    """How to settle an upload; the entity gives the id, and the settle the ids of its runs."""
    return SettleRun(
        run="",
        shard=shard_input(settings, account, db),
        quiet_seconds=settings.upload_quiet_seconds,
        give_up_seconds=settings.upload_give_up_seconds,
    )
