"""What a file is: its MD5, which a run gives to files that have none, and not its headers."""

from hashlib import md5

from shared.blastdb.generations import digest_of
from shared.blastdb.volumes import ListedFile
from shared.runs.shard.identifying import IdentifySteering
from shared.runs.shard.payloads import ShardRun
from tests.builders import database, layout
from tests.driving import writes, written
from tests.orchestrators.scene import ACCOUNT, held

SETS = (1, 2)


async def in_blocks(scene, db) -> dict[str, bytes]:
    """Upload a database as tools do that send no MD5; its files."""
    files = database(db, 3)
    await scene.blobs.upload_in_blocks(files)
    assert set((await scene.blobs.md5s(db)).values()) == {None}
    return files


async def sharded(scene, db, **fields) -> dict:
    return await scene.api.sharded(db, presets=SETS, **fields)


async def steered(scene, db, identifying, number=1, **fields) -> dict:
    """The result of a run that reads files like this."""
    run = scene.run_of(db, number)
    given = ShardRun(run=run, number=number, account=ACCOUNT, db=db, presets=SETS, identifying=identifying, **fields)
    async with scene.client() as client:
        await client.schedule_new_orchestration("shard", instance_id=run, input=given.model_dump(mode="json"))
    operation = await scene.ended(run)
    assert operation["status"] == "Succeeded", operation
    return operation["result"]


async def drift(scene, db) -> tuple[bool, str]:
    """Whether a database's own document calls its shard sets stale, and what a certificate says."""
    document, certificate = await scene.api.show(db), (await scene.api.verify(db)).json()
    return document["shards_stale"], certificate["drift"]


def setting_headers(db):
    return lambda request: f"/{db}/" in request.path and "comp=properties" in request.query


def md5s_of(files) -> dict[str, str]:
    return {name: md5(data, usedforsecurity=False).hexdigest() for name, data in files.items()}


def digest_by_md5(db, files) -> str:
    md5s = md5s_of(files)
    return digest_of(ListedFile(name.removeprefix(f"{db}/"), len(data), md5s[name]) for name, data in files.items())


async def test_first_run_gives_every_file_its_md5_and_publishes_by_it(scene):
    files = await in_blocks(scene, "identity.first")

    result = await sharded(scene, "identity.first")

    assert (result["outcome"], result["warnings"]) == ("sharded", [])
    assert result["generation"]["digest"] == digest_by_md5("identity.first", files)
    assert await scene.blobs.md5s("identity.first") == md5s_of(files)
    await scene.is_whole("identity.first", 3, SETS, epoch=1)


async def test_changed_header_changes_nothing_for_anybody(scene):
    db = "identity.header"
    files = await in_blocks(scene, db)
    await sharded(scene, db)
    for name in files:
        await scene.blobs.set_header(name)
    scene.proxy.clear()

    assert await drift(scene, db) == (False, "current")
    assert (await sharded(scene, db))["outcome"] == "unchanged"

    assert writes(scene.proxy.records) == []


async def test_cleared_md5_is_given_again_and_the_generation_is_the_old_one(scene):
    db = "identity.cleared"
    files = await in_blocks(scene, db)
    before = await sharded(scene, db)
    metadata = await scene.blobs.get(f"{db}-metadata.json")
    for name in list(files)[:2]:
        await scene.blobs.set_header(name, keeps_md5=False)
    assert await drift(scene, db) == (True, "stale")
    scene.proxy.clear()

    after = await sharded(scene, db)

    assert (after["outcome"], after["generation"]) == ("unchanged", before["generation"])
    assert written(scene.proxy.records) == set()
    assert {one.blob for one in writes(scene.proxy.records)} == set(list(files)[:2])
    assert await scene.blobs.get(f"{db}-metadata.json") == metadata
    assert await scene.blobs.md5s(db) == md5s_of(files)
    assert await drift(scene, db) == (False, "current")


async def test_run_whose_headers_are_refused_succeeds_with_a_warning(scene):
    db = "identity.refused"
    files = await in_blocks(scene, db)
    refusal = scene.proxy.fail(setting_headers(db), status=409, code="BlobImmutableDueToPolicy")

    result = await sharded(scene, db)

    (said,) = result["warnings"]
    assert said.startswith(f"{len(files)} files of '{db}' have no MD5 in storage.")
    assert "immutability policy" in said
    assert refusal.hits == IdentifySteering().lanes
    await scene.is_whole(db, 3, SETS, epoch=1)
    assert (await sharded(scene, db))["outcome"] == "unchanged"
    assert refusal.hits == IdentifySteering().lanes
    refusal.remove()
    await scene.blobs.set_header(next(iter(files)))
    assert (await drift(scene, db))[1] == "stale"
    again = await sharded(scene, db)
    assert (again["outcome"], again["blobs_written"], again["warnings"]) == ("sharded", 0, [])
    assert again["generation"]["digest"] == digest_by_md5(db, files)


async def test_file_that_changes_while_it_is_read_is_published_as_it_is_then(scene):
    db = "identity.changing"
    files = await in_blocks(scene, db)
    name = f"{db}/{db}.00.nsq"
    blocked = scene.proxy.hold(lambda request: setting_headers(db)(request) and request.path.endswith(name))
    run = await scene.started(db, presets=SETS)
    await held(blocked)
    assert (await scene.api.operation(run))["progress"]["phase"] == "identifying"
    await scene.blobs.upload_in_blocks({name: b"b" * len(files[name])})
    blocked.release()

    operation = await scene.ended(run)

    assert operation["status"] == "Succeeded", operation
    assert operation["result"]["warnings"][0].startswith(f"1 file of '{db}' has no MD5")
    assert (await scene.blobs.md5s(db)) == {**md5s_of(files), name: None}
    assert await drift(scene, db) == (False, "current")


async def test_run_that_is_cancelled_while_files_are_read_writes_no_metadata(scene):
    db = "identity.cancelled"
    await in_blocks(scene, db)
    blocked = scene.proxy.hold(setting_headers(db))
    run = await scene.started(db, presets=SETS)
    await held(blocked)
    assert (await scene.api.post(f"/api/operations/{run}/cancel")).status_code == 202
    blocked.release()

    assert (await scene.ended(run))["status"] == "Canceled"

    assert await scene.blobs.metadata(db) is None
    assert await scene.stored_layout(db) == set()
    assert (await scene.lease(db))["operation_id"] is None


async def test_files_are_read_over_several_rounds(scene):
    db = "identity.rounds"
    files = await in_blocks(scene, db)

    result = await steered(scene, db, IdentifySteering(lanes=2, slice_seconds=0.0))

    assert result["warnings"] == []
    assert await scene.blobs.md5s(db) == md5s_of(files)
    asked = [note for note in scene.crossroads.notes if note.instance_id == scene.run_of(db) and note.name == "identify_files"]
    assert len([note for note in asked if note.moment == "delivered"]) == len(files)


async def test_run_of_the_former_release_goes_on_without_reading(scene):
    db = "identity.former"
    files = await in_blocks(scene, db)

    result = await steered(scene, db, None)

    assert result["warnings"][0].startswith(f"{len(files)} files of '{db}' have no MD5 in storage.")
    assert set((await scene.blobs.md5s(db)).values()) == {None}


async def restored(scene, db) -> dict[str, str]:
    """Put the layout with the former texts back; its texts."""
    reply = await scene.api.post(f"/api/blast/databases/{db}/restore", json=scene.api.body)
    assert reply.status_code == 202, reply.text
    operation = await scene.ended(reply.json()["operation_id"])
    assert operation["status"] == "Succeeded", operation
    return await scene.blobs.texts(layout(db, SETS))


async def test_restored_layout_stays_although_an_md5_was_cleared(scene):
    db = "identity.restored"
    files = await in_blocks(scene, db)
    await steered(scene, db, IdentifySteering(), legacy_alias=True)
    await sharded(scene, db)
    texts = await restored(scene, db)
    await scene.blobs.set_header(next(iter(files)), keeps_md5=False)

    assert (await sharded(scene, db))["outcome"] == "unchanged"

    assert await scene.blobs.texts(layout(db, SETS)) == texts


async def test_layout_that_was_recorded_by_etags_is_restored_and_stays(scene):
    db = "identity.recorded"
    await in_blocks(scene, db)
    await steered(scene, db, None, legacy_alias=True)
    await steered(scene, db, None, number=2)
    texts = await restored(scene, db)

    assert (await scene.api.sharded(db, presets=[*SETS, 3]))["outcome"] == "sharded"

    assert await scene.blobs.texts(layout(db, SETS)) == texts
    assert set((await scene.blobs.md5s(db)).values()) == {None}


async def test_every_file_is_given_its_md5_once_even_if_every_step_comes_twice(doubled):
    db = "identity.twice"
    files = await in_blocks(doubled, db)

    assert (await sharded(doubled, db))["warnings"] == []

    assert await doubled.blobs.md5s(db) == md5s_of(files)
    await doubled.is_whole(db, 3, SETS, epoch=1)
