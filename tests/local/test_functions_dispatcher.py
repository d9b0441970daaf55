"""What the dispatcher makes of invocations that fail as such, seen from a backend that only records."""

import asyncio
import base64

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest

from local.functions.catalogue import Catalogue, DurableSettings
from local.functions.dispatcher import BackendLost, Dispatcher
from local.functions.wire import Answer, Failure, LoadedFunction, Value

FAILURE = Failure(type="ImportError", message="no module", stack="")


class RecordingBackend:
    """Hands out its items once and keeps the completions."""

    def __init__(self, *items: pb.WorkItem) -> None:
        self.items = items
        self.completions: asyncio.Queue = asyncio.Queue()
        self.CompleteOrchestratorTask = self.CompleteActivityTask = self.CompleteEntityTask = self.completions.put

    async def GetWorkItems(self, _request):  # noqa: N802 - the service's name
        for item in self.items:
            yield item
        await asyncio.Event().wait()


class ScriptedCaller:
    """Gives the same answer to every call and counts the calls."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls = 0

    async def call(self, _function, _trigger) -> Answer:
        self.calls += 1
        return self.answer


def _orchestrator_item(name: str) -> pb.WorkItem:
    started = pb.HistoryEvent(executionStarted=pb.ExecutionStartedEvent(name=name))
    return pb.WorkItem(completionToken="7", orchestratorRequest=pb.OrchestratorRequest(instanceId="run", newEvents=[started]))


def _entity_item(name: str) -> pb.WorkItem:
    called = pb.HistoryEvent(entityOperationCalled=pb.EntityOperationCalledEvent(requestId="r", operation="add"))
    request = pb.EntityRequest(instanceId=f"@{name}@k", operationRequests=[called])
    request.entityState.value = "5"
    return pb.WorkItem(completionToken="7", entityRequestV2=request)


async def _dispatch(item: pb.WorkItem, answer: Answer):
    functions = [
        LoadedFunction(name="turn", id="1", bindings=[{"type": "orchestrationTrigger", "name": "ctx"}]),
        LoadedFunction(name="tally", id="2", bindings=[{"type": "entityTrigger", "name": "ctx"}]),
    ]
    backend, caller = RecordingBackend(item), ScriptedCaller(answer)
    running = asyncio.create_task(Dispatcher(backend, caller, Catalogue(functions), DurableSettings()).run())
    completion = await backend.completions.get()
    running.cancel()
    await asyncio.wait([running])
    return completion, caller.calls


async def test_orchestrator_that_cannot_be_invoked_fails_its_run_after_three_attempts():
    completion, calls = await _dispatch(_orchestrator_item("Turn"), Answer(id=1, failure=FAILURE))
    end = completion.actions[0].completeOrchestration
    assert (calls, completion.instanceId, completion.completionToken) == (3, "run", "7")
    assert end.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED
    assert (end.failureDetails.errorType, end.failureDetails.errorMessage) == ("ImportError", "no module")


@pytest.mark.parametrize("text", ["not base64!", base64.b64encode(b"\xff\xff").decode()])
async def test_answer_that_cannot_be_read_fails_the_run(text):
    answer = Answer(id=1, result=Value(kind="string", text=text))
    completion, calls = await _dispatch(_orchestrator_item("turn"), answer)
    assert calls == 1
    assert completion.actions[0].completeOrchestration.orchestrationStatus == pb.ORCHESTRATION_STATUS_FAILED


async def test_entity_that_cannot_be_invoked_fails_its_operations_and_keeps_its_state():
    completion, calls = await _dispatch(_entity_item("tally"), Answer(id=1, failure=FAILURE))
    assert (calls, completion.entityState.value) == (3, "5")
    assert completion.results[0].failure.failureDetails.errorMessage == "no module"
    assert completion.operationInfos[0].requestId == "r"


async def test_end_of_the_stream_is_the_end_of_the_backend():
    class EndingBackend(RecordingBackend):
        async def GetWorkItems(self, _request):  # noqa: N802 - the service's name
            for item in self.items:
                yield item

    caller = ScriptedCaller(Answer(id=1))
    with pytest.raises(BackendLost):
        await Dispatcher(EndingBackend(), caller, Catalogue([]), DurableSettings()).run()
