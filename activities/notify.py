"""A notification's step: post a run's end to its receiver."""

from shared import telemetry
from shared.azure.hub import Hub
from shared.clients import Clients
from shared.errors import Code, Problem
from shared.inputs import callback_rules
from shared.runs.callbacks import PostCallback, Posted, judged, refusal
from shared.runs.operations import operation_of

_LOG = telemetry.logger(__name__)


async def post_callback(request: PostCallback, clients: Clients, hub: Hub) -> Posted:
    """Post the operation as it is now, if its run has ended. The reply says whether the receiver took it.

    A repetition posts again: receivers recognise it by the operation's id. It checks the settings again, so that a host
    that is no longer allowed gets nothing.

    Raises:
        TransientFailure: the task hub does not answer; a retry helps.
    """
    state = await hub.find(request.run)
    if state is None:
        message = "The task hub no longer knows the run, so there is nothing left to post."
        return Posted(outcome="refused", problem=Problem(code=Code.CALLBACK_FAILED, message=message))
    operation = operation_of(state)
    if not operation.has_ended:
        return Posted(outcome="waiting")
    problem = refusal(request.url, callback_rules(clients.settings))
    if problem is not None:
        return Posted(outcome="refused", problem=problem)
    answer = await clients.receivers.post(request.url, operation.id, operation.model_dump_json().encode())
    posted = answer if isinstance(answer, Posted) else judged(answer)
    if posted.problem is not None:
        _LOG.warning(f"A receiver did not accept a callback: {posted.problem.message}")
    return posted
