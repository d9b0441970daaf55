"""A worker that dies at any step of a settle: the upload is sharded all the same, once, and nothing is left behind."""

import asyncio

import pytest

from shared.runs.ids import lease_key
from tests.orchestrators.crossroads import Step
from tests.orchestrators.scene import ACCOUNT
from tests.storage_events import event

# Arrival, look, look, end; and the turns between them.
ENTITY = [Step("entity", "upload", number) for number in (1, 2, 3, 4)]
ACTIVITIES = [Step("activity", name) for name in ("inspect_upload", "inspect_database")]
TURNS = [Step("orchestrator", "settle", number) for number in range(1, 10)]
STEPS = [*ENTITY, *ACTIVITIES, *TURNS]


def stop_at(uploads, db, step, moment):
    instance = f"@upload@{lease_key(ACCOUNT, db)}" if step.kind == "entity" else uploads.settle_of(db)
    return uploads.crossroads.stop(instance, step, moment, redeliver=moment == "answered")


@pytest.mark.parametrize("moment", ["delivered", "answered", "recorded"])
async def test_worker_that_dies_at_any_step_costs_neither_the_run_nor_a_second_one(uploads, moment):
    databases = {step: f"dies.{moment}.{step.kind[0]}.{step}" for step in STEPS}
    await asyncio.gather(*(uploads.new(db, 2) for db in databases.values()))
    stops = [stop_at(uploads, db, step, moment) for step, db in databases.items()]
    # One event each, so that every upload has the same steps.
    await uploads.tell(*(event(f"{db}/{db}.00.nsq") for db in databases.values()))
    await asyncio.gather(*(stop.reached() for stop in stops))
    uploads.stack.host.worker.kill()
    for stop in stops:
        stop.go()
    await uploads.stack.host.wait_worker_ready()
    settles = dict(zip(databases, await asyncio.gather(*map(uploads.settled, databases.values())), strict=True))

    assert {str(step): settle["status"] for step, settle in settles.items()} == dict.fromkeys(map(str, STEPS), "Succeeded")
    for step, db in databases.items():
        (run,) = await uploads.runs(db)
        assert (step, run["status"], run["result"]["outcome"]) == (step, "Succeeded", "sharded")
        assert not await uploads.exists(uploads.settle_of(db, 2))
        await uploads.is_whole(db, 2, (1, 2), epoch=1)
        assert uploads.crossroads.delivered(uploads.settle_of(db)).total() >= 3
