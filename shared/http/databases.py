"""Routes under `/api/blast/databases` that read: list, show, show a shard set, verify."""

import asyncio
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlencode

from shared.blastdb.blobs import MAX_SHARDS
from shared.errors import Code, Conflict, TransientFailure
from shared.http import requests
from shared.http.bodies import VerifyRequest
from shared.http.messages import Answer, Call
from shared.http.ports import Backing, HubPort
from shared.http.starting import HeldError
from shared.runs.ids import EXPIRY_ENTITY
from shared.runs.leases import Lease
from shared.runs.operations import operation_of
from shared.runs.replies.models import DatabasePage, DatabaseRow, LeaseDocument
from shared.runs.warmup.expiry import Expiry
from shared.runs.warmup.places import WarmPlace, places

type _Warm = Mapping[str, tuple[WarmPlace, ...]]

_PAGE = 1000


async def list_databases(call: Call, backing: Backing) -> Answer:
    """`GET /api/blast/databases`: all databases of an account, sorted by name."""
    requests.only(call.query, "account_name", "top", "after")
    account = requests.account(call, backing.settings)
    top = requests.whole_number(call.query.get("top"), "top", default=_PAGE, lowest=1, highest=_PAGE)
    after = call.query.get("after", "")
    every, latest, warm = await asyncio.gather(
        backing.catalogue.rows(account), backing.source.latest_hint(), _warm(backing.hub, account)
    )
    rows = [row for row in every if row.name > after]
    page = tuple(row.model_copy(update=_known(row, latest, warm)) for row in rows[:top])
    link = None
    if len(rows) > top:
        link = f"{call.base_url}/blast/databases?{urlencode({'account_name': account, 'top': top, 'after': page[-1].name})}"
    return Answer(DatabasePage(value=page, nextLink=link))


async def show_database(call: Call, backing: Backing) -> Answer:
    """`GET /api/blast/databases/{db}`: volumes, statistics, layouts, lease and the last operations."""
    requests.only(call.query, "account_name")
    db, account = requests.database(call), requests.account(call, backing.settings)
    (document, runs), latest, warm = await asyncio.gather(
        backing.catalogue.describe(account, db), backing.source.latest_hint(), _warm(backing.hub, account)
    )
    lease, states = await asyncio.gather(backing.hub.lease(account, db), asyncio.gather(*map(backing.hub.find, runs)))
    newest_first = sorted(filter(None, states), key=lambda state: state.created_at, reverse=True)
    operations = tuple(map(operation_of, newest_first))
    known = {**_known(document, latest, warm), "lease": _lease(lease), "operations": operations}
    return Answer(document.model_copy(update=known))


async def show_shard_set(call: Call, backing: Backing) -> Answer:
    """`GET /api/blast/databases/{db}/shard-sets/{n}`: manifests, aliases, bytes and the partition prefix."""
    requests.only(call.query, "account_name")
    db, account = requests.database(call), requests.account(call, backing.settings)
    count = requests.whole_number(call.path.get("n"), "n", default=0, lowest=1, highest=MAX_SHARDS)
    return Answer(await backing.catalogue.shard_set(account, db, count))


async def verify_database(call: Call, backing: Backing) -> Answer:
    """`POST /api/blast/databases/{db}/verify`: compare the stored database with what it must be; 409 while a run holds it."""
    requests.only(call.query)
    db = requests.database(call)
    account = requests.parse_body(call, VerifyRequest).account_name
    before = await _unheld(backing, account, db)
    certificate = await backing.catalogue.verify(account, db)
    # If a run started or ended during the reads, they may mix two states and prove nothing.
    after = await _unheld(backing, account, db)
    if after.epoch != before.epoch:
        message = f"A run changed '{db}' while it was being verified. Verify again."
        raise Conflict(Code.DATABASE_CHANGED, message, target=db)
    return Answer(certificate)


async def _unheld(backing: Backing, account: str, db: str) -> Lease:
    lease = await backing.hub.lease(account, db)
    holder = await backing.hub.find(lease.holding.run) if lease.holding else None
    if holder is not None and not operation_of(holder).has_ended:
        raise HeldError(holder, lease, db)
    return lease


async def _warm(hub: HubPort, account: str) -> _Warm | None:
    """The places where the account's databases are warm; None when the hub does not answer. The reply is useful without them."""
    try:
        states = await hub.entities(EXPIRY_ENTITY)
    except TransientFailure:
        return None
    return {db: found for (owner, db), found in places(map(Expiry.model_validate, states.values())).items() if owner == account}


def _known(row: DatabaseRow, latest: str | None, warm: _Warm | None) -> dict[str, object]:
    """The fields of a database that do not come from storage: updates from NCBI, and warm places from the hub."""
    found = warm.get(row.name, ()) if warm is not None else None
    return {"updates_available": updates_available(row, latest), "warm": found}


def updates_available(row: DatabaseRow, latest: str | None) -> bool | Literal["unknown"]:
    """Whether NCBI has a newer snapshot; unknown when the database names no snapshot, or while NCBI does not answer."""
    if row.source_version is None or latest is None:
        return "unknown"
    return row.source_version != latest


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
