"""However many events come at once, each generation of each database gets exactly one run."""

import random

from tests.builders import database
from tests.orchestrators.scene import until
from tests.storage_events import event

EVENTS = 5000
DATABASES = 200


async def test_five_thousand_events_for_one_database_make_one_run_and_a_short_history(uploads):
    db = "flooded"
    files = database(db, 3)
    await uploads.blobs.upload(files)
    names = list(files)
    events = [event(names[number % len(names)]) for number in range(EVENTS)]
    random.Random(1).shuffle(events)
    await uploads.tell(*events)
    await until(lambda: uploads.has_settled(db))

    (run,) = await uploads.runs(db)
    assert run["status"] == "Succeeded"
    await uploads.is_whole(db, 3, (1, 2, 3), epoch=1)
    for settle in await uploads.operations("settle", db):
        assert len(await uploads.history(settle["id"])) < 200


async def test_two_hundred_databases_at_once_make_one_run_each(uploads):
    databases = [f"crowd-{number:03d}" for number in range(DATABASES)]
    files = {name: data for db in databases for name, data in database(db, 1).items()}
    await uploads.blobs.upload(files)
    events = [event(name) for name in files]
    random.Random(2).shuffle(events)
    await uploads.tell(*events, *events[:200])
    ends = []
    for db in databases:
        await until(lambda db=db: uploads.exists(uploads.settle_of(db)))
        ends.append(await uploads.api.end(uploads.settle_of(db)))

    assert {end["result"]["outcome"] for end in ends} == {"sharded"}
    reply = await uploads.api.get("/api/operations", params={"kind": "shard"})
    runs = [one["db_name"] for one in reply.json()["value"] if one["db_name"].startswith("crowd-")]
    assert sorted(runs) == databases
    rows = await uploads.api.rows()
    assert all(rows[db]["shard_sets"] == [1] for db in databases)
