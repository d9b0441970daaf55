"""`SHARDWARM_UPLOAD_EVENTS=off`: no event starts anything, and no pass has an upload settled."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from durabletask.entities import EntityInstanceId

from shared.runs.ids import UPLOAD_ENTITY
from shared.runs.shard.payloads import ShardRun
from shared.runs.upload.payloads import SettleRun
from shared.runs.upload.transitions import Arrive, LastEvent, UploadState
from tests.orchestrators.reconciling import actions, is_idle
from tests.orchestrators.scene import ACCOUNT, until
from tests.uploads.scene import UploadScene


@pytest.fixture(scope="module")
async def deaf(tmp_path_factory):
    """The app with events switched off."""
    async with UploadScene(tmp_path_factory.mktemp("deaf"), SHARDWARM_UPLOAD_EVENTS="off") as scene:
        yield scene


async def test_events_are_counted_and_start_nothing(deaf):
    files = await deaf.arrives("unheard")

    log = deaf.stack.logs / "worker.log"
    await until(lambda: log.read_text().count("reason=switched-off") == len(files))
    assert await deaf.upload_state("unheard") == UploadState()
    assert await deaf.operations("settle", "unheard") == []
    assert actions(await is_idle(deaf), "unheard") == []


async def test_settle_that_died_before_is_not_replaced_by_a_pass(deaf):
    db = "abandoned"
    await deaf.new(db)
    # As an event did while they were still on.
    settle = SettleRun(run="", shard=ShardRun(run="", number=1, account=ACCOUNT, db=db, presets=(1,)), quiet_seconds=3600)
    arrival = Arrive(mark=LastEvent(leaf=f"{db}.00.nsq", etag="0x1"), received=datetime.now(UTC), settle=settle)
    async with deaf.client() as client:
        entity = EntityInstanceId(UPLOAD_ENTITY, settle.key)
        await client.signal_entity(entity, "arrive", arrival.model_dump(mode="json"))
    run = deaf.settle_of(db)
    await until(lambda: deaf.exists(run))
    await deaf.terminate(run)

    assert actions(await is_idle(deaf), db) == []

    assert (await deaf.upload_state(db)).run == run
    assert not await deaf.exists(deaf.settle_of(db, 2))
