"""What runs take of the settings of the moment, and inputs that several places start runs with."""

from shared.runs.callbacks import Callback, CallbackRules
from shared.runs.payload import RetryOptions
from shared.runs.prepare.payloads import CopySteering
from shared.runs.shard.payloads import ShardRun
from shared.runs.upload.transitions import SettleRun
from shared.settings import Settings


def retry_of(settings: Settings) -> RetryOptions:
    """How a run repeats its steps."""
    return RetryOptions(
        attempts=settings.retry_attempts,
        first_seconds=settings.retry_first_seconds,
        longest_seconds=settings.retry_longest_seconds,
    )


def copying_of(settings: Settings) -> CopySteering:
    """How a prepare-db run copies."""
    return CopySteering(
        lanes=settings.copy_lanes, slice_seconds=settings.copy_slice_seconds, block_bytes=settings.copy_block_bytes
    )


def callback_to(settings: Settings, url: str) -> Callback:
    """How a run's end is posted there."""
    return Callback(
        url=url,
        attempts=settings.callback_attempts,
        first_seconds=settings.callback_first_seconds,
        longest_seconds=settings.callback_longest_seconds,
        wait_seconds=settings.callback_wait_seconds,
    )


def callback_rules(settings: Settings) -> CallbackRules:
    """Where runs' ends may be posted."""
    return CallbackRules(settings.callback_hosts, settings.callback_secret is not None, settings.callback_local)


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
        retry=retry_of(settings),
    )


def settle_input(settings: Settings, account: str, db: str) -> SettleRun:
    """How to settle an upload; the entity gives the id, and the settle the ids of its runs."""
    return SettleRun(
        run="",
        shard=shard_input(settings, account, db),
        quiet_seconds=settings.upload_quiet_seconds,
        give_up_seconds=settings.upload_give_up_seconds,
    )
