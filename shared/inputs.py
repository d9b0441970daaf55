"""Inputs of runs, made from the settings: retries, copying, callbacks, shard runs and settles."""

from shared.blastdb.volumes import Molecule
from shared.runs.callbacks import Callback, CallbackRules
from shared.runs.payload import RetryOptions
from shared.runs.prepare.payloads import CopySteering
from shared.runs.shard.identifying import IdentifySteering
from shared.runs.shard.payloads import ShardRun
from shared.runs.upload.payloads import SettleRun
from shared.settings import Settings


def retry_of(settings: Settings) -> RetryOptions:
    """How often and how fast a run retries its steps."""
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


def identifying_of(settings: Settings) -> IdentifySteering | None:
    """How a shard run gives files without an MD5 theirs; None if it leaves them as they are."""
    return IdentifySteering() if settings.identify == "on" else None


def callback_to(settings: Settings, url: str) -> Callback:
    """The callback of a run: its URL, and how the post is retried."""
    return Callback(
        url=url,
        attempts=settings.callback_attempts,
        first_seconds=settings.callback_first_seconds,
        longest_seconds=settings.callback_longest_seconds,
        wait_seconds=settings.callback_wait_seconds,
    )


def callback_rules(settings: Settings) -> CallbackRules:
    """Which callback URLs the settings allow."""
    return CallbackRules(settings.callback_hosts, settings.callback_secret is not None, settings.callback_local)


def shard_input(
    settings: Settings,
    account: str,
    db: str,
    *,
    run: str = "",
    number: int = 1,
    presets: tuple[int, ...] | None = None,
    force: bool = False,
    legacy_alias: bool | None = None,
    molecule: Molecule | None = None,
    presumed_dead: str | None = None,
    callback: Callback | None = None,
    restore: str | None = None,
) -> ShardRun:
    """The input of a shard run: what the request asks for, and the settings for everything that it leaves open."""
    return ShardRun(
        run=run,
        number=number,
        account=account,
        db=db,
        presets=presets or settings.presets,
        force=force,
        legacy_alias=settings.alias_form == "legacy" if legacy_alias is None else legacy_alias,
        molecule=molecule,
        presumed_dead=presumed_dead,
        lease_seconds=settings.lease_seconds,
        retry=retry_of(settings),
        callback=callback,
        restore=restore,
        identifying=identifying_of(settings),
    )


def settle_input(settings: Settings, account: str, db: str) -> SettleRun:
    """The input of a settle. The upload entity fills in its id, and the settle the ids of the shard runs that it starts."""
    return SettleRun(
        run="",
        shard=shard_input(settings, account, db),
        quiet_seconds=settings.upload_quiet_seconds,
        give_up_seconds=settings.upload_give_up_seconds,
    )
