"""Look at every database of an account at once."""

import asyncio

from activities.binding import answering
from activities.survey_hub import has_living_settle
from shared.azure.hub import Hub
from shared.clients import Clients
from shared.runs.reconcile import AccountSurvey, Drifted, SurveyAccount
from shared.storage.survey import survey


@answering(AccountSurvey)
async def survey_account(request: SurveyAccount, clients: Clients, hub: Hub) -> AccountSurvey:
    """List the container once and compare each database with what it must be. Reads only.

    What a living settle waits for is left to that settle: a pass is less patient, and would take an upload that pauses for one
    that has ended. Two queries of the hub for each database that is to be sharded or pruned.

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
        if left.can_be_healed:
            to_heal.append(left)
        if waits:
            to_tell.append(Drifted(db=found.db, reason="settling", detail=f"its upload is waited for; {found.reason}"))
    return seen.model_copy(update={"to_heal": tuple(to_heal), "to_tell": tuple(to_tell)})
