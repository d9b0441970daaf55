"""A settle that dies without a word: the next pass has the upload settled by another one, once."""

from __future__ import annotations

import pytest

from tests.orchestrators.crossroads import Step
from tests.orchestrators.reconciling import actions, is_idle, reconciled
from tests.uploads.scene import UploadScene


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """The app with passes that leave alone what was uploaded a short while ago."""
    async with UploadScene(tmp_path_factory.mktemp("revival")) as scene:
        yield scene


async def test_settle_that_was_terminated_while_it_waited_is_replaced_by_the_next_pass(place):
    db = "waiting"
    await place.arrives(db, without=(".01.nsq",))
    await place.waits_in_vain(db)
    await place.terminate(place.settle_of(db))
    await place.blobs.upload({f"{db}/{db}.01.nsq": b"sequences"})

    result = await reconciled(place)

    assert actions(result, db) == [("revive", "dead settle")]
    assert (await place.settled(db, 2))["result"]["outcome"] == "sharded"
    await place.is_whole(db, 3, (1, 2, 3), epoch=1)
    assert actions(await is_idle(place), db) == []
    assert not await place.exists(place.settle_of(db, 3))


async def test_settle_that_was_terminated_during_its_run_is_replaced_by_one_that_has_nothing_to_do(place):
    db = "sharding"
    run = f"{place.settle_of(db)}-shard-0"
    stop = place.crossroads.stop(run, Step("activity", "commit_metadata"), "delivered")
    await place.arrives(db)
    await stop.reached()
    await place.terminate(place.settle_of(db))
    stop.go()
    assert (await place.ended(run))["status"] == "Succeeded"

    assert actions(await reconciled(place), db) == [("revive", "dead settle")]

    assert (await place.settled(db, 2))["result"]["outcome"] == "unchanged"
    await place.is_whole(db, 3, (1, 2, 3), epoch=1)
    assert (await place.upload_state(db)).run is None
    assert actions(await is_idle(place), db) == []


async def test_settle_that_lives_is_left_alone(place):
    db = "living"
    await place.arrives(db, without=(".01.nsq",))
    await place.waits_in_vain(db)

    assert actions(await is_idle(place), db) == []

    await place.blobs.upload({f"{db}/{db}.01.nsq": b"sequences"})
    await place.settled(db)
    assert not await place.exists(place.settle_of(db, 2))
