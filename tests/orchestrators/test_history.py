"""What a run leaves in the engine's storage: little, and nothing secret; and it replays."""

import base64
from typing import NamedTuple

import durabletask.internal.orchestrator_service_pb2 as pb
import pytest
from azure.durable_functions.worker import DurableFunctionsWorker
from google.protobuf.message import Message

from orchestrators.shard import shard
from shared.blastdb.blobs import PRESETS
from tests.builders import alias, database
from tests.orchestrators.scene import putting, writing_layout

VOLUMES = 1024
PAYLOAD_LIMIT_BYTES = 4096
STATUS_LIMIT_BYTES = 2048
TURN_ENDS = {"orchestratorCompleted", "executionCompleted"}


class Trail(NamedTuple):
    """The history of one run, and every custom status that it ever showed."""

    operation: dict
    history: list[pb.HistoryEvent]
    statuses: list[str]

    @property
    def payloads(self) -> list[tuple[str, str]]:
        """Every text in the history, with the kind of its event."""
        return [(str(event.WhichOneof("eventType")), text) for event in self.history for text in texts_in(event)]


def texts_in(message: Message) -> list[str]:
    """All texts in a message, however deep."""
    texts: list[str] = []
    for field, value in message.ListFields():
        for one in value if field.is_repeated else [value]:
            if isinstance(one, Message):
                texts += texts_in(one)
            elif isinstance(one, str):
                texts.append(one)
    return texts


async def trail(scene, db, *, number=1, **fields) -> Trail:
    """Shard a database and keep all that the engine had of it."""
    run, statuses = scene.run_of(db, number), []
    async with scene.client() as client:

        async def note_status():
            state = await client.get_orchestration_state(run)
            statuses.append(state.serialized_custom_status)

        scene.crossroads.each(run, "orchestrator", "shard", "recorded", note_status)
        assert await scene.started(db, **fields) == run
        operation = await scene.ended(run)
    return Trail(operation, await scene.history(run), [status for status in statuses if status])


@pytest.fixture(scope="module")
async def largest(scene):
    """The largest database there may be: with the most shards in a set, then with all usual sets besides."""
    await scene.blobs.upload(database("largest", VOLUMES, sizes=(3, 1, 4, 1, 5)))
    return [await trail(scene, "largest", presets=[32]), await trail(scene, "largest", number=2)]


@pytest.fixture(scope="module")
async def troubled(scene):
    """Runs that end badly: what storage said is in their histories."""
    await scene.new("troubled.all", 10)
    await scene.new("troubled.one", 3)
    await scene.new("troubled.line", 3)
    rules = [
        scene.proxy.fail(writing_layout("troubled.all"), status=403, code="AuthorizationPermissionMismatch"),
        scene.proxy.fail(putting(alias("troubled.one", 2, 1)), status=503),
        scene.proxy.cut(putting("troubled.line-metadata.json"), times=None),
    ]
    trails = [await trail(scene, db) for db in ("troubled.all", "troubled.one", "troubled.line")]
    for rule in rules:
        rule.remove()
    return trails


@pytest.fixture
def trails(largest, troubled):
    return [*largest, *troubled]


async def test_trails_are_of_the_runs_that_matter(scene, largest, troubled):
    assert [trail.operation["status"] for trail in (*largest, *troubled)] == ["Succeeded"] * 2 + ["Failed"] * 3
    assert largest[0].operation["result"]["volumes"] == VOLUMES
    assert largest[1].operation["result"]["shard_sets"] == [*PRESETS, 32]
    await scene.is_whole("largest", VOLUMES, [*PRESETS, 32], epoch=2)


def test_no_payload_is_larger_than_four_kilobytes(trails):
    for trail in trails:
        sizes = {kind: len(text.encode()) for kind, text in sorted(trail.payloads, key=lambda pair: len(pair[1]))}
        assert {kind: size for kind, size in sizes.items() if size >= PAYLOAD_LIMIT_BYTES} == {}


def test_every_custom_status_is_below_two_kilobytes(trails):
    for trail in trails:
        assert trail.statuses
        assert max(len(status.encode()) for status in trail.statuses) < STATUS_LIMIT_BYTES


def test_no_secret_is_in_any_history(scene, trails):
    secrets = (scene.stack.account.key, "sig=", "Bearer", "AccountKey", "SharedKey")
    for trail in trails:
        texts = [*(text for _, text in trail.payloads), *trail.statuses, str(trail.operation)]
        assert len(texts) > 20
        assert [text for text in texts if any(secret in text for secret in secrets)] == []


# The Functions codec says so to every orchestrator of the native form; the host's worker only logs it.
@pytest.mark.filterwarnings("ignore:azure.functions df_loads was called:DeprecationWarning")
def test_every_turn_of_a_recorded_history_replays_to_what_it_did(trails):
    for trail in trails:
        starts = [index for index, event in enumerate(trail.history) if event.HasField("orchestratorStarted")]
        assert len(starts) >= 8
        for start, end in zip(starts, [*starts[1:], len(trail.history)], strict=True):
            response = replay(trail.history[:start], trail.history[start:end])
            scheduled = {event.eventId for event in trail.history[start:end] if event.WhichOneof("eventType") in SCHEDULING}
            ends = [action.completeOrchestration for action in response.actions if action.HasField("completeOrchestration")]
            assert {action.id for action in response.actions if not action.HasField("completeOrchestration")} == scheduled
            assert [one.orchestrationStatus for one in ends] == recorded_ends(trail.history[start:end])
        last = trail.history[-1].executionCompleted
        assert (ends[0].result.value, ends[0].failureDetails.errorMessage) == (
            last.result.value,
            last.failureDetails.errorMessage,
        )


SCHEDULING = {"taskScheduled", "timerCreated", "entityOperationCalled"}


def recorded_ends(events):
    return [event.executionCompleted.orchestrationStatus for event in events if event.HasField("executionCompleted")]


def replay(past, turn) -> pb.OrchestratorResponse:
    """Run the orchestrator over a history as the Functions worker does, codec included."""
    new = [event for event in turn if event.WhichOneof("eventType") not in SCHEDULING | TURN_ENDS]
    request = pb.OrchestratorRequest(instanceId="replayed", pastEvents=past, newEvents=new)
    worker = DurableFunctionsWorker()
    answer = worker.execute_orchestration_request(shard, base64.b64encode(request.SerializeToString()).decode())
    return pb.OrchestratorResponse.FromString(base64.b64decode(answer))
