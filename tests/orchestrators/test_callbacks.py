"""The end of a run is posted: signed, at least once, to nobody else, and without the run waiting for it."""

from __future__ import annotations

import base64
import hmac
import json
import time

import pytest

from shared.receivers.posting import Receivers
from shared.runs.callbacks import Callback, Posted
from shared.runs.ids import notify_id
from shared.runs.shard.payloads import ShardRun
from shared.runs.warmup.clusters import ClusterRef
from shared.runs.warmup.payloads import WarmRun
from shared.settings import Settings
from tests.orchestrators.crossroads import Step
from tests.orchestrators.receiver import HANG, SECRET
from tests.orchestrators.scene import ACCOUNT, Scene, texts_in, until

ATTEMPTS = 4
TIMEOUT_SECONDS = 1


@pytest.fixture(scope="module")
async def scene(tmp_path_factory, receiver):
    """The app, which may post to the receiver on this machine and is not patient."""
    settings = {
        **receiver.settings,
        "SHARDWARM_CALLBACK_ATTEMPTS": str(ATTEMPTS),
        "SHARDWARM_CALLBACK_FIRST_SECONDS": "0.05",
        "SHARDWARM_CALLBACK_LONGEST_SECONDS": "0.1",
        "SHARDWARM_CALLBACK_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
        "SHARDWARM_CALLBACK_WAIT_SECONDS": "300",
    }
    async with Scene(tmp_path_factory.mktemp("callbacks"), **settings) as scene:
        yield scene


async def callback_of(scene, run, phase) -> dict:
    """The callback in a run's operation, once it has come to this phase."""
    found = {}

    async def there():
        found.update((await scene.api.operation(run))["callback"])
        return found["phase"] == phase

    await until(there)
    return found


async def test_end_of_a_run_is_posted_signed_and_as_the_operation_shows_it(scene, receiver):
    began = int(time.time())
    db = await scene.new("callback.plain")
    run = await scene.started(db, presets=[1, 2], callback_url=receiver.url("plain"))
    (delivery,) = await receiver.got("plain")
    posted = json.loads(delivery.body)
    state = await callback_of(scene, run, "delivered")
    operation = await scene.api.operation(run)
    assert (posted["status"], posted["id"], posted["result"]["shard_sets"]) == ("Succeeded", run, [1, 2])
    assert posted == {**operation, "callback": None}
    assert (state["tries"], state["status_code"], state["error"]) == (1, 204, None)
    timestamp = delivery.headers["webhook-timestamp"]
    content = b".".join([delivery.headers["webhook-id"].encode(), timestamp.encode(), delivery.body])
    version, _, standard = delivery.headers["webhook-signature"].partition(",")
    assert (version, delivery.headers["webhook-id"]) == ("v1", run)
    assert base64.b64decode(standard, validate=True) == hmac.new(SECRET.encode(), content, "sha256").digest()
    assert delivery.headers["x-shardwarm-timestamp"] == timestamp
    signed = hmac.new(SECRET.encode(), timestamp.encode() + b"." + delivery.body, "sha256").hexdigest()
    assert delivery.headers["x-shardwarm-signature"] == f"v1={signed}"
    assert delivery.headers["x-shardwarm-operation-id"] == run
    assert delivery.headers["content-type"] == "application/json"
    assert began <= int(timestamp) <= time.time()


async def test_run_without_a_callback_starts_nothing_more(scene):
    db = await scene.new("callback.none")
    operation = await scene.api.shard(db, presets=[1])
    assert operation["callback"] is None
    kinds = {event.WhichOneof("eventType") for event in await scene.history(operation["id"])}
    assert not {kind for kind in kinds if "Signal" in kind or "Sent" in kind}
    assert not [note for note in scene.crossroads.notes if operation["id"] in note.instance_id and "notif" in note.instance_id]


async def test_receiver_that_fails_at_first_gets_it_again_with_the_same_content(scene, receiver):
    url = receiver.script("flaky", 500, 429, 200)
    db = await scene.new("callback.flaky")
    run = await scene.started(db, presets=[1], callback_url=url)
    deliveries = await receiver.got("flaky", 3)
    state = await callback_of(scene, run, "delivered")
    assert (state["tries"], state["status_code"]) == (3, 200)
    assert len({delivery.body for delivery in deliveries}) == 1
    assert {delivery.headers["webhook-id"] for delivery in deliveries} == {run}


async def test_receiver_that_never_takes_it_is_given_up_after_so_many_tries(scene, receiver):
    url = receiver.script("never", 503)
    db = await scene.new("callback.never")
    run = await scene.started(db, presets=[1], callback_url=url)
    state = await callback_of(scene, run, "failed")
    assert (state["tries"], state["status_code"], state["error"]["code"]) == (ATTEMPTS, 503, "CallbackFailed")
    assert len(receiver.deliveries("never")) == ATTEMPTS
    assert (await scene.api.operation(run))["status"] == "Succeeded"
    log = (scene.stack.logs / "worker.log").read_text()
    assert f"The app did not deliver the end of {run}" in log


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404])
async def test_redirect_is_not_followed_and_a_refusal_is_final(scene, receiver, status):
    path = f"refuses.{status}"
    db = await scene.new(f"callback.{status}")
    run = await scene.started(db, presets=[1], callback_url=receiver.script(path, status))
    state = await callback_of(scene, run, "failed")
    assert (state["tries"], state["status_code"]) == (1, status)
    assert len(receiver.deliveries(path)) == 1
    assert receiver.deliveries("elsewhere") == []


async def test_hanging_receiver_keeps_no_run_waiting_and_is_given_up(scene, receiver):
    url = receiver.script("hanging", HANG)
    db = await scene.new("callback.hanging")
    run = await scene.started(db, presets=[1], callback_url=url)
    await receiver.got("hanging")
    operation = await scene.api.operation(run)
    assert operation["status"] == "Succeeded"
    assert operation["callback"]["phase"] in {"waiting", "posting"}
    await scene.is_whole(db, 3, [1])
    await scene.api.sharded(db, presets=[1, 2])
    state = await callback_of(scene, run, "failed")
    assert (state["tries"], state["error"]["message"]) == (
        ATTEMPTS,
        "The app did not reach the receiver. It did not answer in time.",
    )


async def test_failed_run_is_posted_too(scene, receiver):
    db = await scene.new("callback.gap")
    await scene.blobs.delete(f"{db}/{db}.01.nsq")
    await scene.started(db, callback_url=receiver.url("gap"))
    (delivery,) = await receiver.got("gap")
    posted = json.loads(delivery.body)
    assert (posted["status"], posted["error"]["code"]) == ("Failed", "VolumeGap")


@pytest.mark.parametrize("way", ["cancel", "terminate"])
async def test_run_that_is_stopped_is_posted_too(scene, receiver, way):
    db = await scene.new(f"callback.{way}")
    stop = scene.stop(db, Step("activity", "upload_shard_set"), "answered")
    run = await scene.started(db, presets=[1], callback_url=receiver.url(way))
    await stop.reached()
    if way == "cancel":
        assert (await scene.api.post(f"/api/operations/{run}/cancel")).status_code == 202
        stop.go()
    else:
        await scene.terminate(run)
        stop.go()
    (delivery,) = await receiver.got(way)
    posted = json.loads(delivery.body)
    assert (posted["status"], posted["error"]["code"]) == ("Canceled", "Canceled" if way == "cancel" else "Terminated")


async def test_run_that_cannot_have_its_database_is_posted_once_and_the_holders_end_is_not(scene, receiver):
    db = await scene.new("callback.held")
    stop = scene.stop(db, Step("activity", "upload_shard_set"), "answered")
    await scene.started(db, presets=[1], callback_url=receiver.url("holder"))
    await stop.reached()
    reply = await scene.api.start_shard(db, callback_url=receiver.url("loser"))
    assert reply.status_code == 409
    stop.go()
    await receiver.got("holder")
    assert receiver.deliveries("loser") == []


async def test_warmups_end_is_posted_too(scene, receiver):
    db = await scene.new("callback.warm")
    await scene.api.sharded(db, presets=[1])
    run = "warm-callback-1"
    warmup = WarmRun(
        run=run,
        number=1,
        cluster=ClusterRef(subscription_id="00000000-0000-0000-0000-000000000000", resource_group="rg", name="not-allowed"),
        shard=ShardRun(run=run, number=1, account=ACCOUNT, db=db, presets=(1,)),
        callback=Callback(url=receiver.url("warm")),
    )
    async with scene.client() as client:
        await client.schedule_new_orchestration("warm_up", instance_id=run, input=warmup.model_dump(mode="json"))
    (delivery,) = await receiver.got("warm")
    posted = json.loads(delivery.body)
    assert (posted["kind"], posted["status"], posted["error"]["code"]) == ("warm_up", "Failed", "ClusterNotAllowed")


KILLED = {
    "before the notifier starts anything": (None, "delivered"),
    "before it waits": (Step("orchestrator", "notify"), "delivered"),
    "before the post": (Step("activity", "post_callback"), "delivered"),
    "after the post": (Step("activity", "post_callback"), "answered"),
}


@pytest.mark.parametrize("moment", KILLED)
async def test_callback_outlives_the_worker(scene, receiver, moment):
    step, when = KILLED[moment]
    path = moment.replace(" ", "-")
    db = await scene.new(f"callback.{path}")
    run = scene.run_of(db)
    # Nothing waits for the run before it has ended: so the first look at it is the one that posts.
    first = scene.crossroads.stop(f"@notifier@{run}", Step("entity", "notifier"), "delivered")
    stop = scene.crossroads.stop(notify_id(run), step, when, redeliver=when == "answered") if step else first
    await scene.started(db, presets=[1], callback_url=receiver.url(path))
    assert (await scene.ended(run))["callback"]["phase"] == "waiting"
    await first.reached()
    if step:
        first.go()
        await stop.reached()
    scene.stack.host.worker.kill()
    stop.go()
    deliveries = await receiver.got(path, 1 if when == "delivered" else 2)
    assert {json.loads(delivery.body)["status"] for delivery in deliveries} == {"Succeeded"}
    assert (await callback_of(scene, run, "delivered"))["error"] is None


async def test_no_secret_is_in_the_history_of_run_or_callback(scene, receiver):
    db = await scene.new("callback.secret")
    run = await scene.started(db, presets=[1], callback_url=receiver.url("secret"))
    await callback_of(scene, run, "delivered")
    for instance in (run, notify_id(run)):
        texts = [text for event in await scene.history(instance) for text in texts_in(event)]
        assert len(texts) > 5
        assert [text for text in texts if SECRET in text or "v1=" in text] == []


async def test_notify_is_no_operation_of_its_own(scene, receiver):
    db = await scene.new("callback.hidden")
    run = await scene.started(db, presets=[1], callback_url=receiver.url("hidden"))
    await callback_of(scene, run, "delivered")
    assert (await scene.api.get(f"/api/operations/{notify_id(run)}")).status_code == 404
    listed = (await scene.api.get("/api/operations")).json()["value"]
    assert {operation["kind"] for operation in listed} <= {"shard", "warm_up"}
    assert {operation["callback"] for operation in listed} == {None}


BAD = [
    "http://127.0.0.1:1/x",
    "https://elsewhere.example/x",
    "https://localhost@elsewhere.example/x",
    "https://user:word@localhost/x",
    "https://localhost/x?sig=secret",
    "https://localhost/x#y",
    "https://localhost\\@elsewhere.example/",
    "https://localhost:0/",
    "https://localhost:65536/",
    "https://[::1]/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://lòcalhost/",
    "ftp://localhost/",
    "//localhost/",
    "localhost",
    " https://localhost/",
    "https://localhost/\r\nx: y",
    "https://localhost/" + "a" * 512,
    "",
]


@pytest.mark.parametrize("url", BAD)
async def test_bad_callback_is_refused_before_anything_starts(scene, url):
    db = "callback.bad"
    await scene.new(db)
    scene.proxy.clear()
    warm = {
        "subscription_id": scene.api.body["subscription_id"],
        "resource_group": "rg",
        "aks_cluster_name": "aks",
        "storage_account": ACCOUNT,
        "database_name": db,
        "callback_url": url,
    }
    for reply in (await scene.api.start_shard(db, callback_url=url), await scene.api.post("/api/warmup/start", json=warm)):
        assert reply.status_code == 400, reply.text
        error = reply.json()["error"]
        assert (error["code"], error["target"]) == ("CallbackNotAllowed", "callback_url")
    assert list(scene.proxy.records) == []
    assert (await scene.api.get(f"/api/operations/{scene.run_of(db)}")).status_code == 404


@pytest.fixture
def careful(receiver):
    """A sender with the settings of a deployed app, but for whom it trusts."""
    return Receivers(Settings(callback_hosts=("*",), callback_secret=SECRET, callback_certificate=str(receiver.certificate)))


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0"])
async def test_private_address_is_never_connected_to_however_it_is_written(receiver, careful, host):
    posted = await careful.post(receiver.url("private", host), "run", b"{}")
    assert isinstance(posted, Posted)
    assert posted.outcome == "refused"
    assert receiver.deliveries("private") == []


async def test_receiver_without_a_trusted_certificate_gets_nothing(receiver):
    strangers = Receivers(Settings(callback_hosts=("*",), callback_secret=SECRET, callback_local=True))
    posted = await strangers.post(receiver.url("untrusted"), "run", b"{}")
    assert (posted.outcome, receiver.deliveries("untrusted")) == ("failed", [])


async def test_nobody_there_is_a_passing_fault():
    local = Receivers(Settings(callback_hosts=("*",), callback_secret=SECRET, callback_local=True))
    posted = await local.post("https://127.0.0.1:1/", "run", b"{}")
    assert posted.outcome == "failed"
