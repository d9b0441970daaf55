"""Routes that start shard runs: shard a database, or restore a layout that another one replaced."""

import asyncio

from shared.http import requests
from shared.http.bodies import RestoreRequest, ShardRequest
from shared.http.messages import Answer, Call, accepted, operation_url
from shared.http.ports import Backing
from shared.http.starting import NewRun, Start, parse_start, start_run
from shared.inputs import shard_input
from shared.runs.replies.models import RestoreAccepted, ShardAccepted
from shared.runs.shard.payloads import ShardRun


async def start_shard(call: Call, backing: Backing) -> Answer:
    """`POST /api/blast/databases/{db}/shard`: start a run; 409 names the run that holds the database."""
    settings = backing.settings
    body, callback = parse_start(call, settings, ShardRequest)
    db, account = requests.database(call), body.account_name
    molecule, lease = await asyncio.gather(backing.catalogue.probe(account, db), backing.hub.lease(account, db))

    def run_input(new: NewRun) -> ShardRun:
        return shard_input(
            settings,
            account,
            db,
            run=new.run,
            number=new.number,
            presets=body.presets,
            force=body.force,
            molecule=molecule,
            presumed_dead=new.presumed_dead,
            callback=callback,
        )

    run = await start_run(backing.hub, lease, Start("shard", "shard", account, db, run_input), call.arrived)
    reply = ShardAccepted(
        db_name=db,
        sharding_started_at=call.arrived.isoformat(timespec="seconds"),
        output=f"Sharding '{db}' has started. Follow it at {operation_url(call, run)}.",
        operation_id=run,
    )
    return accepted(call, run, reply, retry_after_seconds=1)


async def start_restore(call: Call, backing: Backing) -> Answer:
    """`POST /api/blast/databases/{db}/restore`: restore a layout that another one replaced, if its volumes are there."""
    settings = backing.settings
    body, callback = parse_start(call, settings, RestoreRequest)
    db, account = requests.database(call), body.account_name
    record, lease = await asyncio.gather(backing.catalogue.restorable(account, db, body.digest), backing.hub.lease(account, db))
    digest = record.generation.digest

    def run_input(new: NewRun) -> ShardRun:
        return shard_input(
            settings,
            account,
            db,
            run=new.run,
            number=new.number,
            presets=tuple(sorted(record.layouts)),
            legacy_alias=record.legacy_alias,
            molecule=record.volumes.molecule,
            presumed_dead=new.presumed_dead,
            callback=callback,
            restore=digest,
        )

    run = await start_run(backing.hub, lease, Start("restore", "restore", account, db, run_input), call.arrived)
    return accepted(call, run, RestoreAccepted(db_name=db, digest=digest, operation_id=run), retry_after_seconds=1)
