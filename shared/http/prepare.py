"""Routes under `/api/storage`: bring a database to one of NCBI's snapshots, and stop doing so."""

import asyncio

from shared.errors import Code, NotFound
from shared.http import requests
from shared.http.access import Role, require
from shared.http.bodies import CancelPrepareRequest, PrepareRequest
from shared.http.messages import Answer, Call, accepted, operation_url
from shared.http.ports import Backing
from shared.http.starting import Start, start_run
from shared.inputs import copying_of, retry_of, shard_input
from shared.runs.ids import operation_id
from shared.runs.operations import operation_of
from shared.runs.prepare.payloads import PrepareRun
from shared.runs.replies.models import PrepareAccepted


async def start_prepare(call: Call, backing: Backing) -> Answer:
    """`POST /api/storage/prepare-db`: copy a snapshot's files, put them in place as a whole, shard them."""
    require(call, backing.settings, Role.WRITE)
    requests.only(call.query)
    body = requests.parse_body(call, PrepareRequest)
    account, db = body.account_name, body.db_name
    callback = requests.callback(body.callback_url, backing.settings)
    begun, lease = await asyncio.gather(backing.catalogue.promoting(account, db), backing.hub.lease(account, db))
    # What was begun is finished first, and needs nothing of the source.
    version = begun or body.source or await backing.source.latest()
    if begun is None:
        await backing.source.probe(version, db)

    def run_input(run: str, number: int, presumed_dead: str | None) -> PrepareRun:
        return _input(backing, body, run, number, presumed_dead).model_copy(update={"callback": callback})

    run = await start_run(backing.hub, lease, Start("prepare", "prepare", account, db, run_input), call.arrived)
    deed = "Copying" if begun is None else "Putting in place what was begun of"
    return _accepted(call, run, db, f"{deed} '{db}' of snapshot {version} has started.", version)


async def cancel_prepare(call: Call, backing: Backing) -> Answer:
    """`POST /api/storage/prepare-db/{db}/cancel`: ask the run to stop; what it has staged is removed."""
    require(call, backing.settings, Role.WRITE)
    requests.only(call.query)
    db = requests.database(call)
    account = requests.parse_body(call, CancelPrepareRequest).account_name
    lease = await backing.hub.lease(account, db)
    # A run that was only just started does not hold the lease yet.
    names = [lease.holding.run if lease.holding else None, operation_id("prepare", account, db, lease.epoch + 1)]
    for name in names:
        state = await backing.hub.find(name) if name else None
        if state is not None and state.kind == "prepare" and not operation_of(state).has_ended:
            await backing.hub.cancel(state)
            return _accepted(call, state.run, db, f"Copying '{db}' has been asked to stop.", None)
    raise NotFound(Code.OPERATION_NOT_FOUND, f"No prepare-db run for '{db}' is under way.", target="db")


def _accepted(call: Call, run: str, db: str, output: str, version: str | None) -> Answer:
    output = f"{output} Follow it at {operation_url(call, run)}."
    told = PrepareAccepted(db_name=db, source_version=version, output=output, operation_id=run)
    return accepted(call, run, told, retry_after_seconds=5)


def _input(backing: Backing, body: PrepareRequest, run: str, number: int, presumed_dead: str | None) -> PrepareRun:
    settings = backing.settings
    return PrepareRun(
        run=run,
        number=number,
        account=body.account_name,
        db=body.db_name,
        shard=shard_input(settings, body.account_name, body.db_name, run=run, number=number),
        source_version=body.source,
        presumed_dead=presumed_dead,
        lease_seconds=settings.lease_seconds,
        copying=copying_of(settings),
        retry=retry_of(settings),
    )
