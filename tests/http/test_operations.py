"""The operation resource: what a client that starts, follows, lists and cancels runs gets to see."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime

import pytest

from shared.errors import NotFound
from shared.http.operations import cancel_operation, show_operation
from shared.http.warmup import show_warmup
from tests.builders import database, layout
from tests.driving import ENDED, writes
from tests.http.remembered import RememberingHub, backing, call, running
from tests.patience import patience


@pytest.fixture
async def held_run(stack, api, blobs):
    """Starts a run that stands still at its first write until it is let go: (operation id, held)."""
    holds = []

    async def start(db, **fields):
        await blobs.upload(database(db, 3))
        held = stack.proxy.hold(lambda request: request.method == "PUT" and request.path.endswith(f"/{db}-metadata.json"))
        holds.append(held)
        reply = await api.start_shard(db, **fields)
        async with patience():
            await held.reached()
        return reply.json()["operation_id"], held

    yield start
    for held in holds:
        held.release()


async def test_the_202_has_the_replaced_systems_fields_and_says_where_to_follow(api, blobs):
    await blobs.upload(database("accepted", 2))

    reply = await api.start_shard("accepted")

    assert reply.status_code == 202
    body = reply.json()
    assert set(body) == {"accepted", "db_name", "sharding_started_at", "output", "operation_id"}
    assert body["accepted"] is True
    assert body["db_name"] == "accepted"
    assert datetime.fromisoformat(body["sharding_started_at"]).tzinfo is not None
    assert body["operation_id"] in body["output"]
    url = f"{api.base_url}/api/operations/{body['operation_id']}".replace("//api", "/api")
    assert reply.headers["operation-location"] == reply.headers["location"] == url
    assert int(reply.headers["retry-after"]) >= 1
    assert reply.headers["cache-control"] == "no-store"
    assert (await api.get(url)).status_code == 200


async def test_a_run_goes_from_started_to_succeeded_and_says_how_far_it_is(api, held_run):
    run, held = await held_run("life_cycle")
    during = await api.operation(run)
    held.release()
    after = await api.end(run)

    assert during["status"] == "Running"
    assert (during["id"], during["kind"]) == (run, "shard")
    assert (during["account_name"], during["db_name"]) == (api.account, "life_cycle")
    assert during["progress"]["phase"] == "inspecting"
    assert during["result"] is None
    assert during["error"] is None
    assert after["status"] == "Succeeded"
    assert after["progress"] == {
        "phase": "done",
        "presets_total": 3,
        "presets_done": 3,
        "presets_failed": 0,
        "blobs_total": 12,
        "blobs_done": 12,
        # Every file has an MD5, so none was read for one.
        "files_total": 0,
        "files_done": 0,
        "bytes_total": 0,
        "bytes_done": 0,
        "error": None,
    }
    assert after["result"]["outcome"] == "sharded"
    assert after["error"] is None
    assert during["created_at"] == after["created_at"] < after["last_updated_at"]


async def test_states_only_move_forward(api, blobs):
    order = ["NotStarted", "Running", "Succeeded"]
    await blobs.upload(database("forward", 10))
    run = (await api.start_shard("forward")).json()["operation_id"]
    seen = []

    while not seen or seen[-1]["status"] not in ENDED:
        seen.append(await api.operation(run))

    positions = [order.index(operation["status"]) for operation in seen]
    assert positions == sorted(positions)
    done = [operation["progress"]["blobs_done"] for operation in seen if operation["progress"]]
    assert done == sorted(done)


async def test_a_reader_who_waits_is_answered_when_something_changes(api, held_run):
    run, held = await held_run("waits_for_change")

    waiting = asyncio.create_task(api.operation(run, wait_ms=25000))
    held.release()
    operation = await waiting

    assert operation["progress"]["phase"] != "inspecting"


class ChangingHub(RememberingHub):
    """A hub that finds a run in one state after the other, and in none once they are told."""

    def __init__(self, *states) -> None:
        super().__init__()
        self.left = list(states)

    async def find(self, run):
        self.asked.append(run)
        return self.left.pop(0)


async def test_a_reader_who_waits_is_answered_by_the_first_look_that_finds_a_change():
    before = running("shard")
    hub = ChangingHub(before, before, before, before.model_copy(update={"engine_status": "TERMINATED"}))

    answer = await show_operation(call(query={"wait_ms": "25000"}, id=before.run), backing(hub))

    assert (answer.body.status, hub.left) == ("Canceled", [])


async def test_a_reader_who_waits_for_an_ended_run_is_answered_by_the_first_look():
    hub = ChangingHub(running("shard", engine_status="TERMINATED"))

    answer = await show_operation(call(query={"wait_ms": "25000"}, id="a-run"), backing(hub))

    assert (answer.body.status, hub.left) == ("Canceled", [])


async def test_a_reader_who_waits_in_vain_looks_more_than_once():
    hub = RememberingHub(running("shard"))

    answer = await show_operation(call(query={"wait_ms": "300"}, id="a-run"), backing(hub))

    assert answer.body.status == "Running"
    assert len(hub.asked) > 2


async def test_a_reader_who_waits_in_vain_is_answered_after_that_time(api, held_run):
    run, _ = await held_run("waits_in_vain")

    reply = await api.get(f"/api/operations/{run}", params={"wait_ms": 300})

    assert reply.json()["status"] == "Running"
    assert reply.headers["retry-after"] == "1"


async def test_waiting_for_an_ended_run_takes_no_time(api, blobs):
    await blobs.upload(database("ended_wait", 1))
    run = (await api.shard("ended_wait"))["id"]

    reply = await api.get(f"/api/operations/{run}", params={"wait_ms": 25000})

    assert reply.json()["status"] == "Succeeded"
    assert "retry-after" not in reply.headers


@pytest.mark.parametrize(
    "run", ["unknown", "shard-nt-0000000000000000-1", "@lease@a:b", "a%2Fb", "x" * 101, "x" * 300, "x" * 2000, "-", "é"]
)
@pytest.mark.parametrize("verb", ["show", "cancel"])
async def test_an_unknown_id_is_not_found(api, run, verb):
    reply = await (api.get(f"/api/operations/{run}") if verb == "show" else api.post(f"/api/operations/{run}/cancel"))

    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == reply.headers["x-ms-error-code"] == "OperationNotFound"


async def test_a_second_run_is_told_who_holds_the_database(api, held_run):
    run, _ = await held_run("held_by_another")

    reply = await api.start_shard("held_by_another")

    assert reply.status_code == 409
    body = reply.json()
    assert body["error"]["code"] == reply.headers["x-ms-error-code"] == "LeaseHeld"
    assert run in body["error"]["message"]
    assert body["operation_id"] == body["holder"]["operation_id"] == run
    assert body["holder"]["age_seconds"] >= 0
    assert datetime.fromisoformat(body["holder"]["since"]) < datetime.fromisoformat(body["holder"]["expires"])
    assert reply.headers["operation-location"].endswith(f"/api/operations/{run}")
    assert int(reply.headers["retry-after"]) >= 1


async def test_of_fifty_requests_at_once_one_starts_a_run_and_the_others_are_told_of_it(stack, api, blobs):
    await blobs.upload(database("fifty", 3))
    held = stack.proxy.hold(lambda request: request.method == "PUT" and request.path.endswith("/fifty-metadata.json"))
    try:
        replies = await asyncio.gather(*(api.start_shard("fifty") for _ in range(50)))
    finally:
        held.release()

    assert Counter(reply.status_code for reply in replies) == {202: 1, 409: 49}
    assert len({reply.json()["operation_id"] for reply in replies}) == 1
    assert all(reply.headers["operation-location"] for reply in replies)
    assert (await api.end(replies[0].json()["operation_id"]))["status"] == "Succeeded"


async def test_ten_databases_are_sharded_at_once(stack, api, blobs):
    names = [f"ten_at_once_{number}" for number in range(10)]
    await asyncio.gather(*(blobs.upload(database(name, 2)) for name in names))
    held = stack.proxy.hold(lambda request: request.method == "PUT" and "/ten_at_once_" in request.path)
    try:
        replies = await asyncio.gather(*(api.start_shard(name) for name in names))
        async with patience():
            await held.reached(10)
    finally:
        held.release()

    operations = await asyncio.gather(*(api.end(reply.json()["operation_id"]) for reply in replies))
    assert [operation["status"] for operation in operations] == ["Succeeded"] * 10


async def test_every_run_of_a_database_has_an_id_of_its_own(api, blobs):
    await blobs.upload(database("own_ids", 1))

    runs = [(await api.shard("own_ids"))["id"] for _ in range(3)]

    assert len(set(runs)) == 3
    assert [run.rpartition("-")[0] for run in runs] == [runs[0].rpartition("-")[0]] * 3


async def test_names_that_look_alike_have_runs_of_their_own(api, blobs):
    names = ["look.alike", "look-alike", "look_alike", "LOOK-ALIKE"]
    await asyncio.gather(*(blobs.upload(database(name, 1)) for name in names))

    operations = await asyncio.gather(*(api.shard(name) for name in names))

    assert len({operation["id"] for operation in operations}) == 4
    assert [operation["db_name"] for operation in operations] == names


async def test_runs_are_listed_newest_first_and_by_status_and_kind(api, blobs, held_run):
    await blobs.upload(database("listed_good", 1))
    await blobs.upload({name: data for name, data in database("listed_bad", 1).items() if not name.endswith(".ndb")})
    good = await api.shard("listed_good")
    bad = await api.shard("listed_bad")
    running, _ = await held_run("listed_running")

    async def listed(**query):
        reply = await api.get("/api/operations", params=query)
        assert reply.status_code == 200
        return reply.json()["value"]

    everything = await listed()
    ids = [operation["id"] for operation in everything]
    assert ids.index(running) < ids.index(bad["id"]) < ids.index(good["id"])
    assert everything[ids.index(good["id"])] == good
    assert {operation["id"] for operation in everything} == {operation["id"] for operation in await listed(kind="shard")}
    for status, run in (("Succeeded", good["id"]), ("Failed", bad["id"]), ("Running", running)):
        found = await listed(status=status)
        assert {operation["status"] for operation in found} == {status}
        assert run in [operation["id"] for operation in found]
    assert running not in [operation["id"] for operation in await listed(status="Canceled")]


async def test_a_cancelled_run_stops_between_two_steps_and_leaves_nothing_behind(api, blobs, held_run):
    run, held = await held_run("cancelled")

    reply = await api.post(f"/api/operations/{run}/cancel")
    held.release()
    operation = await api.end(run)

    assert reply.status_code == 202
    assert reply.json()["id"] == run
    assert reply.headers["operation-location"] == reply.headers["location"]
    assert operation["status"] == "Canceled"
    assert operation["error"]["code"] == "Canceled"
    assert operation["result"]["outcome"] == "canceled"
    assert await blobs.layout("cancelled") == set()
    document = await blobs.metadata("cancelled")
    assert document["sharding_in_progress"] is False
    assert not document.get("sharded")
    assert (await api.show("cancelled"))["lease"]["operation_id"] is None
    assert run in [one["id"] for one in (await api.get("/api/operations", params={"status": "Canceled"})).json()["value"]]


async def test_a_cancelled_database_can_be_sharded_again(api, blobs, held_run):
    run, held = await held_run("again")
    await api.post(f"/api/operations/{run}/cancel")
    held.release()
    await api.end(run)

    result = await api.sharded("again")

    assert result["shard_sets"] == [1, 2, 3]
    assert await blobs.layout("again") == layout("again", [1, 2, 3])


async def test_cancelling_a_resharding_keeps_the_sets_that_were_good(api, blobs, held_run):
    await blobs.upload(database("keeps_sets", 3))
    await api.sharded("keeps_sets")
    run, held = await held_run("keeps_sets", force=True)

    await api.post(f"/api/operations/{run}/cancel")
    held.release()
    operation = await api.end(run)

    assert operation["status"] == "Canceled"
    document = await blobs.metadata("keeps_sets")
    assert (document["sharded"], document["shard_sets"], document["sharding_in_progress"]) == (True, [1, 2, 3], False)


async def test_an_ended_run_cannot_be_cancelled(api, blobs, records):
    await blobs.upload(database("ended_cancel", 1))
    run = (await api.shard("ended_cancel"))["id"]
    records.clear()

    reply = await api.post(f"/api/operations/{run}/cancel")

    assert reply.status_code == 409
    assert reply.json()["error"]["code"] == reply.headers["x-ms-error-code"] == "OperationEnded"
    assert "Succeeded" in reply.json()["error"]["message"]
    assert not writes(records)


async def test_the_clients_request_id_is_echoed_and_ours_is_new(api):
    headers = {"x-ms-client-request-id": "client-7"}

    replies = [await api.get(path, headers=headers) for path in ("/api/health", "/api/operations/x", "/api/operations?x=1")]

    assert [reply.status_code for reply in replies] == [200, 404, 400]
    assert [reply.headers["x-ms-client-request-id"] for reply in replies] == ["client-7"] * 3
    assert len({reply.headers["x-ms-request-id"] for reply in replies}) == 3


async def test_a_clients_request_id_is_cut_and_none_is_made_up(api):
    long = await api.get("/api/health", headers={"x-ms-client-request-id": "a" * 500})
    none = await api.get("/api/health")

    assert long.headers["x-ms-client-request-id"] == "a" * 128
    assert "x-ms-client-request-id" not in none.headers


async def test_addresses_in_replies_follow_the_forwarded_scheme(api, blobs):
    await blobs.upload(database("forwarded", 1))

    reply = await api.post("/api/blast/databases/forwarded/shard", json=api.body, headers={"x-forwarded-proto": "https"})

    assert reply.headers["operation-location"].startswith("https://")
    await api.end(reply.json()["operation_id"])


async def test_health_asks_nothing_of_storage(api, records):
    reply = await api.get("/api/health")

    assert reply.status_code == 200
    assert reply.json()["status"] == "ok"
    assert not records


async def test_readiness_names_what_it_tried(api):
    healthy = await api.get("/api/health/ready")

    assert healthy.status_code == 200, healthy.text
    assert {probe["name"] for probe in healthy.json()["probes"]} == {"hub", "storage:devstoreaccount1", "storage:elbstg01"}
    assert all(probe["ok"] for probe in healthy.json()["probes"])
    assert "azure-functions-durable" in healthy.json()["versions"]


@pytest.mark.parametrize("run", ["x" * 101, "x" * 2000, "@lease@a:b", ""])
@pytest.mark.parametrize("route", [show_operation, cancel_operation, show_warmup])
async def test_the_engine_is_not_asked_about_an_id_that_no_run_can_have(route, run):
    hub = RememberingHub()

    with pytest.raises(NotFound):
        await route(call(id=run), backing(hub))

    assert hub.asked == []
