"""What is kept of uploads that have settled: little, not for ever, and to forget it starts no run."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from durabletask.entities import EntityInstanceId

from activities.reconcile import purge_runs
from shared.azure import hub as hub_module
from shared.azure.hub import Hub
from shared.runs.ids import UPLOAD_ENTITY, lease_key
from shared.runs.reconcile.payloads import PurgeRuns
from shared.runs.upload.transitions import UploadState
from tests.builders import database
from tests.orchestrators.scene import ACCOUNT, until
from tests.storage_events import event
from tests.uploads.scene import UploadScene


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """The app, whose runs may be forgotten by these tests."""
    async with UploadScene(tmp_path_factory.mktemp("idle")) as scene:
        yield scene


@asynccontextmanager
async def hub_of(place):
    """The task hub as an activity is handed it."""
    async with place.client() as client:
        client.rpcBaseUrl = place.stack.host.rpc_address
        yield Hub(client)


async def purge(place, retention_seconds) -> None:
    """Purge as the timer would, long after the last event."""
    async with hub_of(place) as hub:
        await purge_runs(PurgeRuns(retention_seconds=retention_seconds, idle_seconds=0), SimpleNamespace(), hub)


async def exists(place, db) -> bool:
    """Whether the hub has the entity at all."""
    async with place.client() as client:
        return await client.get_entity(EntityInstanceId(UPLOAD_ENTITY, lease_key(ACCOUNT, db))) is not None


async def test_idle_upload_is_forgotten_in_two_steps_and_events_that_come_again_start_no_run(place):
    db, files = "idle", database("idle", 3)
    await place.blobs.upload(files)
    events = [event(name) for name in files]
    await place.tell(*events)
    assert (await place.settled(db))["result"]["outcome"] == "sharded"
    before = await place.upload_state(db)
    assert len(before.recent) == len(files)

    await purge(place, 3600)

    async def is_compact():
        return not (await place.upload_state(db)).recent

    await until(is_compact)
    assert await place.upload_state(db) == before.model_copy(update={"recent": ()})
    await place.tell(*events)
    assert (await place.settled(db, 2))["result"]["outcome"] == "unchanged"
    assert len(await place.runs(db)) == 1

    await purge(place, 0)

    async def is_forgotten():
        return await place.upload_state(db) == UploadState()

    await until(is_forgotten)
    await purge(place, 0)
    assert not await exists(place, db)
    assert await place.operations("settle", db) == []
    await place.tell(*events)
    assert (await place.settled(db))["result"]["outcome"] == "unchanged"
    assert await place.runs(db) == []
    await place.is_whole(db, 3, (1, 2, 3), epoch=1)


async def test_upload_that_is_waited_for_is_not_forgotten(place):
    db = "waited"
    await place.arrives(db, without=(".01.nsq",))
    await place.waits_in_vain(db)
    before = await place.upload_state(db)

    await purge(place, 0)

    await place.blobs.upload({f"{db}/{db}.01.nsq": b"sequences"})
    assert (await place.settled(db))["result"]["outcome"] == "sharded"
    assert (await place.upload_state(db)).recent == before.recent


async def test_entities_are_read_by_pages(place, monkeypatch, capsys):
    monkeypatch.setattr(hub_module, "_PAGE", 2)
    names = [f"page_{number}" for number in range(5)]
    await asyncio.gather(*(place.arrives(db, 1) for db in names))
    await asyncio.gather(*(place.settled(db) for db in names))

    async with hub_of(place) as hub:
        found = await hub.entities(UPLOAD_ENTITY)

    assert found.keys() >= {lease_key(ACCOUNT, db) for db in names}
    # The client tells of every page that it asks for.
    assert capsys.readouterr().err.count("fetching next page") >= (len(found) - 1) // 2
