"""Routes that start shard runs: shard a database, or restore a layout that another one replaced."""

import asyncio

from shared.http import requests
from shared.http.access import Role, require
from shared.http.bodies import RestoreRequest, ShardRequest
from shared.http.messages import Answer, Call, accepted, operation_url
from shared.http.ports import Backing
from shared.http.starting import Start, start_run
from shared.inputs import shard_input
from shared.runs.replies.models import RestoreAccepted, ShardAccepted
from shared.runs.shard.payloads import ShardRun


async def start_shard(call: Call, backing: Backing) -> Answer:
    """`POST /api/blast/databases/{db}/shard`: start a run; 409 names the holder when one is under way."""
    require(call, backing.settings, Role.WRITE)
    requests.only(call.query)
    db = requests.database(call)
    body = requests.parse_body(call, ShardRequest)
    callback = requests.callback(body.callback_url, backing.settings)
    molecule, lease = await asyncio.gather(
        backing.catalogue.probe(body.account_name, db), backing.hub.lease(body.account_name, db)
    )
    settings = backing.settings

    def run_input(run: str, number: int, presumed_dead: str | None) -> ShardRun:
        """What was asked for, and the settings that steer the run from now on."""
        asked = {"presets": body.presets or settings.presets, "force": body.force, "molecule": molecule}
        by_settings = shard_input(settings, body.account_name, db, run=run, number=number)
        return by_settings.model_copy(update={**asked, "presumed_dead": presumed_dead, "callback": callback})

    run = await start_run(backing.hub, lease, Start("shard", "shard", body.account_name, db, run_input), call.arrived)
    told = ShardAccepted(
        db_name=db,
        sharding_started_at=call.arrived.isoformat(timespec="seconds"),
        output=f"Sharding '{db}' has started. Follow it at {operation_url(call, run)}.",
        operation_id=run,
    )
    return accepted(call, run, told, retry_after_seconds=1)


async def start_restore(call: Call, backing: Backing) -> Answer:
    """`POST /api/blast/databases/{db}/restore`: put a layout back that another one replaced, if its volumes are there."""
    require(call, backing.settings, Role.WRITE)
    requests.only(call.query)
    db = requests.database(call)
    body = requests.parse_body(call, RestoreRequest)
    settings, account = backing.settings, body.account_name
    callback = requests.callback(body.callback_url, settings)
    record, lease = await asyncio.gather(backing.catalogue.restorable(account, db, body.digest), backing.hub.lease(account, db))
    digest = record.generation.digest
    kept = {"presets": tuple(sorted(record.layouts)), "legacy_alias": record.legacy_alias, "molecule": record.volumes.molecule}

    def run_input(run: str, number: int, presumed_dead: str | None) -> ShardRun:
        by_settings = shard_input(settings, account, db, run=run, number=number)
        return by_settings.model_copy(update={**kept, "restore": digest, "presumed_dead": presumed_dead, "callback": callback})

    run = await start_run(backing.hub, lease, Start("restore", "restore", account, db, run_input), call.arrived)
    return accepted(call, run, RestoreAccepted(db_name=db, digest=digest, operation_id=run), retry_after_seconds=1)
