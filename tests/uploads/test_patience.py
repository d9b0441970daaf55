"""An upload that pauses for longer than a pass is patient: what its settle waits for is neither sharded nor pruned by a pass."""

from __future__ import annotations

import pytest

from tests.builders import database
from tests.orchestrators.reconciling import IMPATIENT, actions, is_idle
from tests.storage_events import event
from tests.uploads.scene import UploadScene


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """The app with impatient passes, which may remove ghosts, and patient settles."""
    root = tmp_path_factory.mktemp("patience")
    async with UploadScene(root, **IMPATIENT, SHARDWARM_RECONCILE_GHOSTS="remove") as scene:
        yield scene


@pytest.fixture(autouse=True)
async def emptied(place):
    """Each test has the container to itself."""
    await place.blobs.clear()


async def grows(place, db) -> dict[str, bytes]:
    """Bring a database from three to four volumes, but for the papers that name them, which come last. Wait for its settle."""
    await place.arrives(db)
    await place.settled(db)
    files = database(db, 4)
    last = {name: files.pop(name) for name in list(files) if name.endswith((".njs", ".nal", ".ndb"))}
    await place.blobs.upload(files)
    await place.tell(*map(event, files))
    await place.waits_in_vain(db, 2)
    return last


async def is_sharded_by_its_settle(place, db) -> None:
    """Fail unless the second settle has ended well and the run of it that sharded the database, once."""
    # Who looks before the last event comes shards at once; the event then finds it done.
    assert (await place.settled(db, 2))["status"] == "Succeeded"
    ours = [run["status"] for run in await place.runs(db) if run["id"].startswith(f"{place.settle_of(db, 2)}-")]
    assert ours == ["Succeeded"]
    await place.is_whole(db, 4, (1, 2, 3, 4))


async def test_sets_of_a_database_whose_upload_pauses_are_not_withdrawn(place):
    db = "pauses"
    last = await grows(place, db)
    before = await place.blobs.metadata(db)

    assert actions(await is_idle(place), db) == [("tell", "settling")]

    assert await place.blobs.metadata(db) == before
    await place.blobs.upload(last)
    await place.tell(*map(event, last))
    await is_sharded_by_its_settle(place, db)


async def test_volumes_of_an_upload_that_pauses_are_not_removed_as_ghosts(place):
    db = "refused"
    last = await grows(place, db)
    assert (await place.api.refused(db))["code"] == "GhostVolumes"

    assert actions(await is_idle(place), db) == [("tell", "settling")]

    assert await place.blobs.exists(f"{db}/{db}.03.nsq")
    await place.blobs.upload(last)
    await place.tell(*map(event, last))
    await is_sharded_by_its_settle(place, db)
