"""A reconcile pass's surveys: of the task hub, and of every database of an account."""

import asyncio
from datetime import UTC, datetime

from activities.binding import answering
from shared.allowed import ANY
from shared.azure.hub import Hub
from shared.clients import Clients
from shared.inputs import settle_input
from shared.runs.ids import EXPIRY_ENTITY, LEASE_ENTITY, UPLOAD_ENTITY
from shared.runs.leases import Lease
from shared.runs.operations import operation_of
from shared.runs.reconcile.payloads import (
    SCOPE,
    AccountSurvey,
    DeadHolder,
    DeadSettle,
    Drifted,
    HubSurvey,
    SurveyAccount,
    SurveyHub,
    WarmDatabase,
)
from shared.runs.reconcile.window import rotating_window
from shared.runs.upload.transitions import UploadState
from shared.runs.warmup.expiry import Expiry, overdue
from shared.runs.warmup.payloads import WarmRun
from shared.storage.survey import survey

_MOST_SETTLES = 200


async def survey_hub(request: SurveyHub, clients: Clients, hub: Hub) -> HubSurvey:
    """Survey the task hub: dead lease holders, dead settles, and warmed databases. Reads only.

    It makes one query for each hundred entities, for each holder of a lease, and for each upload under way, of which one pass
    checks at most 200.

    Raises:
        TransientFailure: the hub does not answer; a retry helps.
    """
    leases = {key: Lease.model_validate(state) for key, state in (await hub.entities(LEASE_ENTITY)).items()}
    held = {key: lease.holding.run for key, lease in sorted(leases.items()) if lease.holding is not None}
    over = {key for key, run in held.items() if await hub.is_over(run)}
    expiries = {key: Expiry.model_validate(state) for key, state in (await hub.entities(EXPIRY_ENTITY)).items()}
    # A run under way takes care of its nodes itself.
    idle = [(key, state) for key, state in sorted(expiries.items()) if key not in held or key in over]
    warm = [_warm(key, state, state.warm) for key, state in idle if state.warm is not None]
    return HubSurvey(
        accounts=_accounts(request, clients, leases),
        leases=len(leases),
        dead=tuple(DeadHolder(key=key, run=held[key]) for key in sorted(over))[: request.most],
        settles=await _dead_settles(request, clients, hub),
        warm=rotating_window(warm, most=request.most, turn=request.turn),
    )


async def _dead_settles(request: SurveyHub, clients: Clients, hub: Hub) -> tuple[DeadSettle, ...]:
    if clients.settings.upload_events == "off":
        return ()
    uploads = {key: UploadState.model_validate(state) for key, state in (await hub.entities(UPLOAD_ENTITY)).items()}
    under_way = [(key, upload, upload.run) for key, upload in sorted(uploads.items()) if upload.run is not None]
    dead: list[DeadSettle] = []
    for key, upload, run in rotating_window(under_way, most=_MOST_SETTLES, turn=request.turn):
        if len(dead) < request.most and not await has_living_settle(upload, hub):
            account, _, db = key.partition(":")
            dead.append(DeadSettle(run=run, settle=settle_input(clients.settings, account, db)))
    return tuple(dead)


async def has_living_settle(upload: UploadState, hub: Hub) -> bool:
    """Whether an upload has a settle under way. A settle counts as alive until the engine says that it has ended."""
    if upload.run is None:
        return False
    state = await hub.find(upload.run)
    if state is not None:
        return not operation_of(state).has_ended
    # The engine may not know a settle yet that has just been started.
    return upload.alive_until is not None and datetime.now(UTC) <= upload.alive_until


def _warm(key: str, state: Expiry, warm: WarmRun) -> WarmDatabase:
    return WarmDatabase(
        key=key,
        run=state.run,
        cluster=warm.cluster,
        account=warm.account,
        db=warm.db,
        shard_count=warm.shard_count,
        replicas=warm.replicas,
        strict=warm.strict,
        overdue=overdue(state),
    )


def _accounts(request: SurveyHub, clients: Clients, leases: dict[str, Lease]) -> tuple[str, ...]:
    """The accounts that the settings name. If the settings allow any account, also those that ever had a run."""
    if ANY not in clients.settings.accounts:
        return request.accounts
    seen = {key.partition(":")[0] for key in leases}
    # A cluster's key has a hyphen; an account's name never has one.
    return tuple(sorted({*request.accounts, *(account for account in seen if "-" not in account and account != SCOPE)}))


@answering(AccountSurvey)
async def survey_account(request: SurveyAccount, clients: Clients, hub: Hub) -> AccountSurvey:
    """Survey an account: list the container once and compare each database with what it must be. Reads only.

    A pass leaves a database to its living settle, if it has one: a pass waits for less time, and would take an upload that
    pauses for a complete one. It makes two queries of the hub for each database that it would shard or prune.

    Raises:
        TransientFailure: storage or the hub was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    seen = await survey(container, clients.control, request.terms, turn=request.turn, initial=request.initial)

    async def is_settling(found: Drifted) -> bool:
        if not (found.shard or found.prune):
            return False
        return await has_living_settle(await hub.upload(request.account, found.db), hub)

    settling = await asyncio.gather(*map(is_settling, seen.to_heal))
    to_heal, to_tell = list[Drifted](), list(seen.to_tell)
    for found, waits in zip(seen.to_heal, settling, strict=True):
        left = found.model_copy(update={"shard": False, "prune": False}) if waits else found
        if left.can_be_repaired:
            to_heal.append(left)
        if waits:
            to_tell.append(Drifted(db=found.db, reason="settling", detail=f"a settle waits for its upload; {found.reason}"))
    return seen.model_copy(update={"to_heal": tuple(to_heal), "to_tell": tuple(to_tell)})
