"""prepare-db where storage fetches by itself, which is how it goes on Azure: nothing is relayed, everything is verified."""

import pytest

from shared.runs.prepare.payloads import CopySteering
from shared.storage.ranges import RANGE_BYTES
from tests.fetching import asks_to_fetch, fetching
from tests.orchestrators.importing import BLOCK, FIRST, SECOND, TAXONOMY, Importer, reading
from tests.orchestrators.scene import nth

SIZES = (3 * BLOCK + 100, 100)


@pytest.fixture(scope="module")
async def place(tmp_path_factory):
    """The app with a source of its own and storage that fetches by itself."""
    async with Importer(tmp_path_factory.mktemp("fetched")) as importer:
        importer.scene.proxy.fail(lambda request: is_block(request) and not asks_to_fetch(request), status=418)
        async with fetching(importer.scene.proxy, importer.scene.stack.account):
            yield importer


def is_block(request) -> bool:
    return request.method == "PUT" and "comp=block" in request.query.split("&")


async def with_old_generation(place, db, **second):
    """A database of the first snapshot in place, and another generation of it in the second; the files of both."""
    old = await place.publish(db, content=b"a", sizes=SIZES)
    await place.prepared(db)
    new = await place.publish(db, snapshot=SECOND, content=b"b", sizes=SIZES)
    await place.ncbi.publish(SECOND, {**new, **TAXONOMY}, **second)
    await place.ncbi.name_latest(FIRST)
    return old, new


async def is_untouched(place, db, old):
    assert await place.in_place(db) == {**old, **TAXONOMY}
    document = await place.blobs.metadata(db)
    assert (document["source_version"], document["copy_status"]["untouched"]) == (FIRST, True)
    await place.scene.is_whole(db, 3, (1, 2))


async def test_nothing_is_relayed_and_every_kind_of_etag_is_verified(place):
    db = "fetched.whole"
    files = await place.publish(db, sizes=SIZES)
    await place.ncbi.publish(FIRST, files, parts=[f"{db}.00.nsq"], part_bytes=700)
    await place.ncbi.publish(FIRST, {f"{db}.01.nsq": files[f"{db}.01.nsq"]}, parts=[f"{db}.01.nsq"])
    place.proxy.clear()
    place.scene.proxy.clear()
    result = await place.prepared(db)
    assert result["bytes_copied"] == result["bytes_total"]
    await place.is_in_place(db, files)
    blocks = [one.path.rpartition("/")[2] for one in place.scene.proxy.records if is_block(one)]
    reads = [one for one in place.reads(db) if one.method == "GET"]
    assert len([leaf for leaf in blocks if leaf in files]) == len(reads) == sum(-(-len(data) // BLOCK) for data in files.values())
    for leaf in files:
        properties = await place.blobs.container.get_blob_client(f"{db}/{leaf}").get_blob_properties()
        assert properties.content_settings.content_md5 is not None
    assert (await place.prepared(db))["outcome"] == "unchanged"


@pytest.mark.parametrize(("part_bytes", "size"), [(None, BLOCK + 10), (None, SIZES[0]), (700, SIZES[0])])
async def test_file_that_changes_between_two_ranges_fails_the_run_and_touches_nothing(place, part_bytes, size):
    db = f"fetched.changed.{part_bytes}.{size}"
    leaf = f"{db}.00.nsq"
    old, new = await with_old_generation(place, db, parts=[f"{db}.00.nsq"] if part_bytes else [], part_bytes=part_bytes)
    hold = place.proxy.hold(nth(2, reading(f"/{leaf}")))
    run = await place.start(db, source=SECOND)
    await hold.reached()
    await place.ncbi.put(f"{SECOND}/{leaf}", b"c" * size)
    hold.release()
    operation = await place.scene.ended(run)
    assert operation["error"]["code"] == "SourceChanged", operation
    await is_untouched(place, db, old)
    await place.prepared(db, source=SECOND)
    await place.is_in_place(db, {**new, leaf: b"c" * size}, version=SECOND)


async def test_file_that_goes_away_between_two_ranges_fails_the_run_and_touches_nothing(place):
    db = "fetched.gone"
    old, _ = await with_old_generation(place, db)
    hold = place.proxy.hold(nth(2, reading(f"/{db}.00.nsq")))
    run = await place.start(db, source=SECOND)
    await hold.reached()
    await place.ncbi.delete(f"{SECOND}/{db}.00.nsq")
    hold.release()
    assert (await place.scene.ended(run))["error"]["code"] == "SourceChanged"
    await is_untouched(place, db, old)


@pytest.mark.parametrize("volume", [0, 1])
async def test_range_that_arrives_short_is_noticed_and_fetched_again(place, volume):
    db = f"fetched.short.{volume}"
    files = await place.publish(db, sizes=SIZES)
    rule = place.proxy.shorten(reading(f"/{db}.0{volume}.nsq"))
    await place.prepared(db)
    assert rule.hits == 1
    await place.is_in_place(db, files)


async def test_passing_storm_of_503_at_the_source_is_sat_out(place):
    db = "fetched.storm"
    files = await place.publish(db, sizes=SIZES)
    rule = place.proxy.fail(reading(f"/{db}.00.nsq", f"/{db}.01.nsq"), times=4)
    await place.prepared(db)
    assert rule.hits == 4
    await place.is_in_place(db, files)


async def test_rounds_that_only_verify_a_large_file_are_no_standstill(place):
    db = "fetched.large"
    files = await place.publish(db, sizes=(4 * RANGE_BYTES + 100, 100))
    await place.ncbi.publish(FIRST, files, parts=[f"{db}.00.nsq"], part_bytes=RANGE_BYTES)
    steering = CopySteering(lanes=1, slice_seconds=0.000001, block_bytes=8 * 1024 * 1024, whole_bytes=RANGE_BYTES)
    operation = await place.steered(db, steering, attempts=1)
    assert operation["status"] == "Succeeded", operation
    await place.is_in_place(db, files)
    properties = await place.blobs.container.get_blob_client(f"{db}/{db}.00.nsq").get_blob_properties()
    assert properties.metadata["source_verified"] == "parts"
    assert (await place.prepared(db))["outcome"] == "unchanged"
