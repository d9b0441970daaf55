"""Look at every database of an account at once."""

from activities.binding import answering
from shared.clients import Clients
from shared.runs.reconcile import AccountSurvey, SurveyAccount
from shared.storage.survey import survey


@answering(AccountSurvey)
async def survey_account(request: SurveyAccount, clients: Clients) -> AccountSurvey:
    """List the container once and compare each database with what it must be. Reads only.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    return await survey(container, clients.control, request.terms, turn=request.turn, initial=request.initial)
