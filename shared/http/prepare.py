"""Routes under `/api/storage`: copy a database from one of NCBI's snapshots, and cancel such a run."""

import asyncio

from shared.errors import Code, NotFound
from shared.http import requests
from shared.http.bodies import CancelPrepareRequest, PrepareRequest
from shared.http.messages import Answer, Call, accepted, operation_url
from shared.http.ports import Backing
from shared.http.starting import NewRun, Start, parse_start, start_run
from shared.inputs import copying_of, retry_of, shard_input
from shared.runs.ids import operation_id
from shared.runs.operations import operation_of
from shared.runs.prepare.payloads import PrepareRun
from shared.runs.replies.models import PrepareAccepted


async def start_prepare(call: Call, backing: Backing) -> Answer:
    """`POST /api/storage/prepare-db`: copy a snapshot's files, promote them together, and shard them."""
    settings = backing.settings
    body, callback = parse_start(call, settings, PrepareRequest)
    account, db = body.account_name, body.db_name
    begun, lease = await asyncio.gather(backing.catalogue.promoting(account, db), backing.hub.lease(account, db))
    # A promotion that has begun is finished first, and needs nothing from the source.
    version = begun or body.source or await backing.source.latest()
    if begun is None:
        await backing.source.probe(version, db)

    def run_input(new: NewRun) -> PrepareRun:
        return PrepareRun(
            run=new.run,
            number=new.number,
            account=account,
            db=db,
            shard=shard_input(settings, account, db, run=new.run, number=new.number),
            source_version=body.source,
            presumed_dead=new.presumed_dead,
            lease_seconds=settings.lease_seconds,
            copying=copying_of(settings),
            retry=retry_of(settings),
            callback=callback,
        )

    run = await start_run(backing.hub, lease, Start("prepare", "prepare", account, db, run_input), call.arrived)
    if begun is None:
        output = f"Copying '{db}' from snapshot {version} has started."
    else:
        output = f"An earlier run began to promote snapshot {version} of '{db}'; this run finishes it."
    return _accepted(call, run, db, output, version)


async def cancel_prepare(call: Call, backing: Backing) -> Answer:
    """`POST /api/storage/prepare-db/{db}/cancel`: ask the run to stop; it removes the files that it has staged."""
    requests.only(call.query)
    db = requests.database(call)
    account = requests.parse_body(call, CancelPrepareRequest).account_name
    lease = await backing.hub.lease(account, db)
    # A run that has just started does not hold the lease yet.
    names = [lease.holding.run if lease.holding else None, operation_id("prepare", account, db, lease.epoch + 1)]
    for name in names:
        state = await backing.hub.find(name) if name else None
        if state is not None and state.kind == "prepare" and not operation_of(state).has_ended:
            await backing.hub.cancel(state)
            return _accepted(call, state.run, db, f"The app has asked the run that copies '{db}' to stop.", None)
    raise NotFound(Code.OPERATION_NOT_FOUND, f"No prepare-db run of '{db}' is in progress.", target="db")


def _accepted(call: Call, run: str, db: str, output: str, version: str | None) -> Answer:
    output = f"{output} Follow it at {operation_url(call, run)}."
    reply = PrepareAccepted(db_name=db, source_version=version, output=output, operation_id=run)
    return accepted(call, run, reply, retry_after_seconds=5)
