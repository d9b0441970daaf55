"""Of requests that race, the one whose run executes is told so, even where the engine tells every one that it won."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime

import pytest
from azure.durable_functions import DurableFunctionsClient

from local.cluster.access import Access
from local.cluster.arm import Arm
from local.cluster.arm_documents import ManagedCluster, Pool
from local.functions.calls import durable_client
from shared.azure.hub import Hub
from shared.errors import Code, TransientFailure
from shared.http.starting import HeldError, Start, start_run
from shared.runs.ids import operation_id
from shared.runs.leases import Lease
from shared.runs.shard.payloads import ShardRun
from shared.runs.warmup.clusters import ClusterRef
from tests.orchestrators.crossroads import Step
from tests.orchestrators.importing import FIRST, SECOND, Importer, listing_of
from tests.orchestrators.reconciling import fire, passes
from tests.orchestrators.scene import ACCOUNT, listing, until
from tests.orchestrators.test_restore import start_restore, texts, with_two_layouts

# The SDK tells its advice about types once a process: here to the tests, and otherwise to the app's worker.
pytestmark = pytest.mark.filterwarnings("ignore:azure.functions df_loads was called without expected_type")

CALLERS = 12
CLUSTER = ClusterRef(subscription_id="11111111-1111-1111-1111-111111111111", resource_group="rg", name="aks1")
WINDOW_SECONDS = 2.0


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory):
    """The settings of an app whose cluster ARM knows, though its API server is away."""
    pools = [Pool("blastpool", 3, "Standard_E16s_v5")]

    def kubeconfig():
        return Access("https://127.0.0.1:1", arm.certificate.read_bytes()).entra_kubeconfig("rg", "aks1", "tenant")

    known = ManagedCluster(CLUSTER.subscription_id, CLUSTER.resource_group, CLUSTER.name, lambda: pools, kubeconfig)
    async with Arm(tmp_path_factory.mktemp("arm"), [known]) as arm:
        yield {
            "SHARDWARM_CLUSTERS": CLUSTER.name,
            "SHARDWARM_ARM_URL": arm.url,
            "SHARDWARM_ARM_CERTIFICATE": str(arm.certificate),
            "SHARDWARM_CREDENTIAL": "local.credentials:from_environment",
            "LOCAL_ENTRA_TOKEN": "token",
        }


@pytest.fixture(scope="module")
async def place(tmp_path_factory, receiver, cluster):
    """The app on an engine whose starts race as on Azure's storage backend."""
    folder = tmp_path_factory.mktemp("racing")
    async with Importer(folder, start_window_seconds=WINDOW_SECONDS, **receiver.settings, **cluster) as place:
        yield place


async def race(proxy, match, *asking):
    """Let these requests go on once all of them are at the app; the number of the accepted one, and its run.

    Fails unless one was accepted, and each of the others was told of its run.
    """
    gate = proxy.hold(match)
    requests = [asyncio.ensure_future(one) for one in asking]
    await asyncio.wait_for(gate.reached(len(requests)), 60)
    gate.release()
    return accepted_of(await asyncio.gather(*requests))


def accepted_of(replies):
    """The number of the accepted request among these, and its run. Fails unless the others were told of that run."""
    assert Counter(reply.status_code for reply in replies) == {202: 1, 409: len(replies) - 1}
    (winner,) = (number for number, reply in enumerate(replies) if reply.status_code == 202)
    run = replies[winner].json()["operation_id"]
    for reply in replies:
        assert reply.json()["operation_id"] == run
        if reply.status_code == 409:
            assert (reply.json()["error"]["code"], reply.json()["holder"]["operation_id"]) == ("LeaseHeld", run)
    return winner, run


async def input_of(scene, run) -> dict:
    """What a run was started with, as the engine keeps it."""
    async with scene.client() as client:
        return (await client.get_orchestration_state(run)).get_input()


async def test_shard_run_that_executes_has_the_presets_force_and_callback_of_the_accepted_request(place, receiver):
    scene = place.scene
    db = await scene.new("racing.shard", CALLERS)
    asked = [
        {"presets": [number + 1], "force": number % 2 == 0, "callback_url": receiver.url(f"racing-{number}")}
        for number in range(CALLERS)
    ]

    winner, run = await race(scene.proxy, listing(db), *(scene.api.start_shard(db, **body) for body in asked))
    operation = await scene.ended(run)
    await receiver.got(f"racing-{winner}")

    assert (operation["status"], operation["result"]["shard_sets"]) == ("Succeeded", asked[winner]["presets"])
    assert (await input_of(scene, run)).get("force", False) == asked[winner]["force"]
    assert [number for number in range(CALLERS) if receiver.deliveries(f"racing-{number}")] == [winner]
    await scene.is_whole(db, CALLERS, asked[winner]["presets"], epoch=1)


async def test_prepare_run_that_executes_has_the_snapshot_of_the_accepted_request(place):
    db, snapshots = "racing_prepare", (FIRST, SECOND) * 3
    for snapshot in (FIRST, SECOND):
        await place.publish(db, snapshot=snapshot)

    asking = (place.post(db, source=snapshot) for snapshot in snapshots)
    winner, run = await race(place.proxy, listing_of(db), *asking)
    operation = await place.scene.ended(run)

    assert operation["status"] == "Succeeded"
    assert operation["result"]["source_version"] == snapshots[winner]
    assert (await input_of(place.scene, run))["source_version"] == snapshots[winner]


async def test_restore_that_executes_has_the_callback_of_the_accepted_request(place, receiver):
    scene, db = place.scene, "racing.restore"
    before, _ = await with_two_layouts(scene, db)
    urls = [receiver.url(f"restored-{number}") for number in range(CALLERS)]

    winner, run = await race(scene.proxy, listing(db), *(start_restore(scene, db, callback_url=url) for url in urls))
    operation = await scene.ended(run)
    await receiver.got(f"restored-{winner}")

    assert (operation["kind"], operation["status"]) == ("restore", "Succeeded")
    assert (await input_of(scene, run))["callback"]["url"] == urls[winner]
    assert [number for number in range(CALLERS) if receiver.deliveries(f"restored-{number}")] == [winner]
    assert await texts(scene, db) == before


async def warming(scene, action, db, shard_count):
    """The reply to a request for a warmup or a release."""
    address = {"subscription_id": CLUSTER.subscription_id, "resource_group": CLUSTER.resource_group}
    names = {"aks_cluster_name": CLUSTER.name, "storage_account": ACCOUNT, "database_name": db}
    return await scene.api.post(f"/api/warmup/{action}", json={**address, **names, "shard_count": shard_count})


async def test_warmup_that_executes_has_the_shard_count_of_the_accepted_request(place):
    scene = place.scene
    db = await scene.new("racing.warmup", CALLERS)
    counts = range(1, CALLERS + 1)

    winner, run = await race(scene.proxy, listing(db), *(warming(scene, "start", db, count) for count in counts))

    assert (await input_of(scene, run))["shard_count"] == counts[winner]
    assert (await scene.ended(run))["error"]["code"] == "ClusterUnavailable"


async def test_release_that_executes_is_that_of_the_accepted_request(place):
    """A release asks storage nothing, so its run waits here until all requests are answered."""
    scene, db, counts = place.scene, "racing.release", range(1, CALLERS + 1)
    run = operation_id("warm", CLUSTER.key, db, 1)
    stop = scene.crossroads.stop(run, Step("orchestrator", "release_warmup"), "delivered")

    replies = await asyncio.gather(*(warming(scene, "release", db, count) for count in counts))
    stop.go()

    winner, accepted = accepted_of(replies)
    assert (accepted, (await input_of(scene, run))["shard_count"]) == (run, counts[winner])
    assert (await scene.ended(run))["error"]["code"] == "ClusterUnavailable"


async def test_timers_that_fire_together_say_of_one_pass_that_it_has_started(place):
    log = place.scene.stack.logs / "worker.log"

    def said(words) -> int:
        return log.read_text().count(words)

    def all_have_spoken() -> bool:
        return said("A reconcile pass has started: ") + said("The last reconcile pass is still running: ") >= CALLERS

    await asyncio.gather(*(fire(place.scene) for _ in range(CALLERS)))
    await until(all_have_spoken)

    assert said("A reconcile pass has started: ") == 1
    (begun,) = await passes(place.scene)
    assert (await place.scene.ended(begun["id"]))["status"] == "Succeeded"


@pytest.fixture
async def client(place):
    """The durable client as a route gets it."""
    host = place.scene.stack.host
    async with DurableFunctionsClient(durable_client("Shardwarm1", host.rpc_address, host.url).text) as client:
        yield client


async def start(hub, db):
    """Start a database's first run as a route does."""

    def run_input(new):
        return ShardRun(run=new.run, number=new.number, account=ACCOUNT, db=db, presets=(1,))

    return await start_run(hub, Lease(), Start("shard", "shard", ACCOUNT, db, run_input), datetime.now(UTC))


class AskedTwice(Hub):
    """The hub behind a client that repeats a start whose answer was lost."""

    async def start(self, *request):
        await super().start(*request)
        await super().start(*request)


class AnswerLost(Hub):
    """The hub, which starts a run and then does not answer."""

    async def start(self, *request):
        await super().start(*request)
        raise TransientFailure(Code.HUB_UNAVAILABLE, "The answer was lost.", retry_after_seconds=5)


class SlowToShow(Hub):
    """The hub, which shows a run only at the fourth look after its start."""

    looks = 4

    async def start(self, *request):
        await super().start(*request)
        self.looks = 0

    async def find(self, run):
        self.looks += 1
        return await super().find(run) if self.looks >= 4 else None


@pytest.mark.parametrize("kind_of_hub", [AskedTwice, AnswerLost, SlowToShow])
async def test_request_that_started_the_run_is_told_so_whatever_became_of_the_answer(place, client, kind_of_hub):
    db = await place.scene.new(f"told.{kind_of_hub.__name__.lower()}", 2)
    stop = place.scene.stop(db, Step("orchestrator", "shard"), "delivered")
    run = await start(kind_of_hub(client), db)
    stop.go()
    assert run == place.scene.run_of(db)
    assert (await place.scene.ended(run))["status"] == "Succeeded"
    await place.scene.is_whole(db, 2, (1,), epoch=1)


class Unreachable(Hub):
    """The hub, which neither starts a run nor answers."""

    async def start(self, *_):
        raise TransientFailure(Code.HUB_UNAVAILABLE, "Nobody is there.", retry_after_seconds=5)


class Forgetful(Hub):
    """The hub, which says yes and starts nothing."""

    async def start(self, *_):
        pass


@pytest.mark.parametrize(("kind_of_hub", "words"), [(Unreachable, "Nobody is there."), (Forgetful, "does not show shard-")])
async def test_request_whose_run_is_never_shown_is_told_to_try_again(client, kind_of_hub, words):
    with pytest.raises(TransientFailure, match=words):
        await start(kind_of_hub(client), "never.shown")


@pytest.mark.parametrize("nonce", [None, "another's"])
async def test_request_whose_start_was_dropped_for_that_of_another_is_told_of_the_other_run(place, client, nonce):
    db = await place.scene.new(f"dropped.{nonce is None}".lower(), 2)

    class Dropping(Hub):
        """The hub, which says yes and runs what another, or an earlier build of the app, asked for."""

        async def start(self, orchestrator, run, request):
            await super().start(orchestrator, run, request.model_copy(update={"nonce": nonce}))

    with pytest.raises(HeldError) as refused:
        await start(Dropping(client), db)
    assert refused.value.state.run == place.scene.run_of(db)
    assert (await place.scene.ended(place.scene.run_of(db)))["status"] == "Succeeded"
