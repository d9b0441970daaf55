"""Routes under `/api/blast/databases`."""

import asyncio
from urllib.parse import urlencode

from shared.blastdb.blobs import MAX_SHARDS
from shared.http import requests
from shared.http.access import Role, require
from shared.http.messages import Answer, Call, operation_url
from shared.http.ports import Backing
from shared.http.starting import HeldError, Start, held, start_run
from shared.runs.documents import DatabasePage, LeaseDocument, ShardAccepted
from shared.runs.leases import Lease
from shared.runs.operations import operation_of
from shared.runs.shard import ShardRun

_PAGE = 1000


async def list_databases(call: Call, backing: Backing) -> Answer:
    """`GET /api/blast/databases`: every database of an account, by name."""
    require(call, backing.settings, Role.READ)
    requests.only(call.query, "account_name", "top", "after")
    account = requests.account(call, backing.settings)
    top = requests.whole_number(call.query.get("top"), "top", default=_PAGE, lowest=1, highest=_PAGE)
    after = call.query.get("after", "")
    rows = [row for row in await backing.catalogue.rows(account) if row.name > after]
    page = tuple(rows[:top])
    link = None
    if len(rows) > top:
        link = f"{call.base_url}/blast/databases?{urlencode({'account_name': account, 'top': top, 'after': page[-1].name})}"
    return Answer(DatabasePage(value=page, nextLink=link))


async def show_database(call: Call, backing: Backing) -> Answer:
    """`GET /api/blast/databases/{db}`: volumes, statistics, layouts, lease and the last operation."""
    require(call, backing.settings, Role.READ)
    requests.only(call.query, "account_name")
    db, account = requests.database(call), requests.account(call, backing.settings)
    document, last = await backing.catalogue.describe(account, db)
    lease = await backing.hub.lease(account, db)
    state = await backing.hub.find(last) if last else None
    operations = (operation_of(state),) if state is not None else ()
    return Answer(document.model_copy(update={"lease": _lease(lease), "operations": operations}))


async def show_shard_set(call: Call, backing: Backing) -> Answer:
    """`GET /api/blast/databases/{db}/shard-sets/{n}`: manifests, aliases, bytes and the partition prefix."""
    require(call, backing.settings, Role.READ)
    requests.only(call.query, "account_name")
    db, account = requests.database(call), requests.account(call, backing.settings)
    count = requests.whole_number(call.path.get("n"), "n", default=0, lowest=1, highest=MAX_SHARDS)
    return Answer(await backing.catalogue.shard_set(account, db, count))


async def start_shard(call: Call, backing: Backing) -> Answer:
    """`POST /api/blast/databases/{db}/shard`: start a run; 409 names the holder when one is under way."""
    require(call, backing.settings, Role.WRITE)
    requests.only(call.query)
    db = requests.database(call)
    body = requests.parse_body(call, requests.ShardRequest)
    molecule, lease = await asyncio.gather(
        backing.catalogue.probe(body.account_name, db), backing.hub.lease(body.account_name, db)
    )
    settings = backing.settings

    def run_input(run: str, number: int, presumed_dead: str | None) -> ShardRun:
        """What was asked for, and the settings that steer the run from now on."""
        return ShardRun(
            run=run,
            number=number,
            account=body.account_name,
            db=db,
            presets=body.presets or settings.presets,
            force=body.force,
            legacy_alias=settings.alias_form == "legacy",
            molecule=molecule,
            presumed_dead=presumed_dead,
            lease_seconds=settings.lease_seconds,
            retry=settings.retry,
        )

    try:
        run = await start_run(backing.hub, lease, Start("shard", "shard", body.account_name, db, run_input), call.arrived)
    except HeldError as error:
        return held(call, error)
    url = operation_url(call, run)
    accepted = ShardAccepted(
        db_name=db,
        sharding_started_at=call.arrived.isoformat(timespec="seconds"),
        output=f"Sharding '{db}' has started. Follow it at {url}.",
        operation_id=run,
    )
    return Answer(accepted, 202, {"Operation-Location": url, "Location": url, "Retry-After": "1"})


def _lease(lease: Lease) -> LeaseDocument:
    holding = lease.holding
    if holding is None:
        return LeaseDocument(epoch=lease.epoch)
    return LeaseDocument(
        epoch=lease.epoch,
        operation_id=holding.run,
        kind=holding.kind,
        since=holding.since.isoformat(),
        expires=holding.expires.isoformat(),
    )
