"""Look at what the task hub keeps: leases whose holder is over, uploads whose settle is, databases that were made warm."""

from collections.abc import Sequence
from datetime import UTC, datetime

from shared.allowed import ANY
from shared.azure.hub import Hub
from shared.clients import Clients
from shared.inputs import settle_input
from shared.runs.expiries import Expiry, overdue
from shared.runs.identity import EXPIRY_ENTITY, LEASE_ENTITY, UPLOAD_ENTITY
from shared.runs.leases import Lease
from shared.runs.operations import operation_of
from shared.runs.reconcile import SCOPE, DeadHolder, DeadSettle, HubSurvey, SurveyHub, WarmDatabase
from shared.runs.uploads import Upload
from shared.runs.warmup import WarmRun

_MOST_SETTLES = 200


async def survey_hub(request: SurveyHub, clients: Clients, hub: Hub) -> HubSurvey:
    """List the entities and ask after the holders. Reads only.

    One query for each hundred entities, for each holder and for each upload under way, of which a pass asks after some.

    Raises:
        TransientFailure: the hub does not answer; a retry helps.
    """
    leases = {key: Lease.model_validate(state) for key, state in (await hub.entities(LEASE_ENTITY)).items()}
    held = {key: lease.holding.run for key, lease in sorted(leases.items()) if lease.holding is not None}
    over = {key for key, run in held.items() if await hub.is_over(run)}
    expiries = {key: Expiry.model_validate(state) for key, state in (await hub.entities(EXPIRY_ENTITY)).items()}
    # Where a run is under way it sees to the nodes itself.
    idle = [(key, state) for key, state in sorted(expiries.items()) if key not in held or key in over]
    warm = [_warm(key, state, state.warm) for key, state in idle if state.warm is not None]
    return HubSurvey(
        accounts=_accounts(request, clients, leases),
        leases=len(leases),
        dead=tuple(DeadHolder(key=key, run=held[key]) for key in sorted(over))[: request.most],
        settles=await _dead_settles(request, clients, hub),
        warm=tuple(_window(warm, request.turn, request.most)),
    )


async def _dead_settles(request: SurveyHub, clients: Clients, hub: Hub) -> tuple[DeadSettle, ...]:
    if clients.settings.upload_events == "off":
        return ()
    uploads = {key: Upload.model_validate(state) for key, state in (await hub.entities(UPLOAD_ENTITY)).items()}
    under_way = [(key, upload, upload.run) for key, upload in sorted(uploads.items()) if upload.run is not None]
    dead: list[DeadSettle] = []
    for key, upload, run in _window(under_way, request.turn, _MOST_SETTLES):
        if len(dead) < request.most and not await has_living_settle(upload, hub):
            account, _, db = key.partition(":")
            dead.append(DeadSettle(run=run, settle=settle_input(clients.settings, account, db)))
    return tuple(dead)


async def has_living_settle(upload: Upload, hub: Hub) -> bool:
    """Whether a settle is under way that the engine does not know to be over."""
    if upload.run is None:
        return False
    state = await hub.find(upload.run)
    if state is not None:
        return not operation_of(state).has_ended
    # One that was only just started is not known yet.
    return upload.alive_until is not None and datetime.now(UTC) <= upload.alive_until


def _window[Item](items: Sequence[Item], turn: int, most: int) -> Sequence[Item]:
    """So many, from another place in each turn: after some turns everything had one."""
    start = turn * most % max(1, len(items))
    return [*items[start:], *items[:start]][:most]


def _warm(key: str, state: Expiry, warm: WarmRun) -> WarmDatabase:
    return WarmDatabase(
        key=key,
        run=state.run,
        cluster=warm.cluster,
        account=warm.account,
        db=warm.db,
        shard_count=warm.shard_count,
        replicas=warm.replicas,
        overdue=overdue(state),
    )


def _accounts(request: SurveyHub, clients: Clients, leases: dict[str, Lease]) -> tuple[str, ...]:
    """Those that the settings name; where they allow any, those on which there ever was a run, too."""
    if ANY not in clients.settings.accounts:
        return request.accounts
    seen = {key.partition(":")[0] for key in leases}
    # A cluster's key has a hyphen, an account's name has none.
    return tuple(sorted({*request.accounts, *(account for account in seen if "-" not in account and account != SCOPE)}))
