"""What is staged is compared with the source's ETag, of whatever kind and size, and what is another content goes."""

import asyncio
import itertools
import random

import pytest
from aiohttp import web

from local.ncbi import NcbiBucket
from local.proxy import Proxy
from shared.copying.lanes import Lane, Relay
from shared.copying.pieces import block_id, pieces_of
from shared.errors import Code
from shared.ncbi.bucket import Bucket
from shared.runs.prepare.payloads import CopySteering
from shared.settings import Settings
from shared.storage.ranges import RANGE_BYTES
from shared.storage.staging import Staging
from tests.fetching import fetching

SNAPSHOT = "2026-05-09-01-05-02"
ACCOUNT = "devstoreaccount1"
BLOCK = 1000
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
async def ncbi(tmp_path_factory):
    async with NcbiBucket(tmp_path_factory.mktemp("verified")) as ncbi:
        yield ncbi


class Place:
    """One file at a source, and the lane that copies it to a container of the test's own."""

    def __init__(self, bench, ncbi, source) -> None:
        self.db = f"verify{next(_NUMBERS)}"
        self.leaf = f"{self.db}.00.nsq"
        self.bench, self.ncbi, self.source = bench, ncbi, source
        self.bucket = self.of_source = Bucket(Settings(ncbi_url=ncbi.url(source.port), ncbi_timeout_seconds=5))
        self.staging = Staging(bench.clients.accounts.container(ACCOUNT), self.db, SNAPSHOT)
        self.relay = Relay()

    async def publish(self, data, part_bytes=None):
        """Have the source hold it; in parts when a size is given."""
        await self.ncbi.publish(SNAPSHOT, {self.leaf: data}, parts=[self.leaf] if part_bytes else [], part_bytes=part_bytes)
        (self.file,) = await self.bucket.files(SNAPSHOT, self.db)

    async def stage(self, data):
        """Make the staged file of these bytes, whatever the source holds."""
        size = 1024 * 1024
        blocks = [block_id(number, size) for number in range(-(-len(data) // size))]
        for number, block in enumerate(blocks):
            await self.staging.stage(self.file, block, data[number * size :][:size])
        await self.staging.commit(self.file, blocks)

    async def copy(self, *, seconds=60.0, **steering):
        """One call of the lane; with no seconds it begins one thing only."""
        known = CopySteering(block_bytes=BLOCK, slice_seconds=seconds, **steering)
        lane = Lane(SNAPSHOT, self.bucket, self.staging, self.relay, known, lambda: 0.0)
        return await lane.copy(0, pieces_of([self.file], BLOCK))

    async def is_verified(self) -> bool:
        held = (await self.staging.held()).get(self.staging.name(self.file))
        return held is not None and held.is_copy_of(self.file)

    async def properties(self):
        return await self.bench.blobs.container.get_blob_client(self.staging.name(self.file)).get_blob_properties()

    def bytes_read(self) -> int:
        """What was read back of the file."""
        reads = [one for one in self.bench.proxy.records if one.method == "GET" and one.path.endswith(self.leaf)]
        return sum(one.response_bytes for one in reads if "comp=" not in one.query)


@pytest.fixture
async def place(bench, ncbi):
    async with Proxy(ncbi.port) as source:
        place = Place(bench, ncbi, source)
        yield place
        await place.of_source.close()
        await place.bucket.close()


@pytest.fixture
async def fetched(place, azurite):
    """The same, with storage that fetches by itself."""
    async with fetching(place.bench.proxy, azurite.account(ACCOUNT)) as fetches:
        place.fetches = fetches
        yield place


def wrong(data, at) -> bytes:
    """The same with one other byte."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("part_bytes", [None, 5500, 1700])
async def test_storage_fetches_the_blocks_by_itself_and_what_is_stored_is_verified(fetched, part_bytes):
    data = random.Random(1).randbytes(5500)
    await fetched.publish(data, part_bytes)
    receipt = await fetched.copy()
    assert (receipt.is_done, receipt.failed, receipt.bytes_copied, receipt.bytes_verified) == (True, 0, 5500, 5500)
    assert fetched.fetches.hits == 6
    assert fetched.relay.is_needed is False
    assert await fetched.bench.blobs.get(fetched.staging.name(fetched.file)) == data
    assert await fetched.is_verified()


@pytest.mark.parametrize(("refusals", "asked"), [(2, 20), (None, 3)])
async def test_block_that_storage_is_refused_is_relayed_and_it_is_asked_for_others_until_it_was_refused_three(
    fetched, refusals, asked
):
    data = random.Random(6).randbytes(20 * BLOCK)
    await fetched.publish(data)

    def is_fetch(request):
        return request.method == "GET" and request.path.endswith(fetched.leaf) and "if-match" not in request.headers

    fetched.source.fail(is_fetch, status=403, times=refusals)
    assert (await fetched.copy(at_once=1)).is_done
    assert (fetched.fetches.hits, fetched.relay.is_needed) == (asked, False)
    assert await fetched.is_verified()


@pytest.mark.parametrize("part_bytes", [None, 2500, 1000])
@pytest.mark.parametrize("whole_bytes", [100, 10_000])
async def test_other_content_is_removed_and_copied_again_whatever_the_etag(place, part_bytes, whole_bytes):
    data = random.Random(2).randbytes(2500)
    await place.publish(data, part_bytes)
    for other in (wrong(data, 2400), data[:-1]):
        await place.stage(other)
        receipt = await place.copy(whole_bytes=whole_bytes)
        assert [failure.code for failure in receipt.failures] == [Code.VERIFICATION_FAILED]
        assert (receipt.is_done, receipt.bytes_verified) == (False, 0)
        assert place.staging.name(place.file) not in await place.staging.held()
    assert (await place.copy(whole_bytes=whole_bytes)).is_done
    assert await place.is_verified()


@pytest.mark.parametrize("is_right", [True, False])
async def test_small_file_in_several_parts_is_compared_before_it_is_relayed(place, serving, is_right):
    data = random.Random(3).randbytes(BLOCK)
    await place.publish(data, 300)
    told = {"ETag": f'"{place.file.etag}"'}

    async def handler(request):
        if "partNumber" in request.query:
            return web.Response(status=206, body=data[:300])
        return web.Response(status=206, headers=told, body=data if is_right else wrong(data, 999))

    place.bucket = Bucket(Settings(ncbi_url=f"http://127.0.0.1:{await serving(handler)}"))
    place.relay.is_needed = True
    receipt = await place.copy()
    assert (receipt.is_done, receipt.failed, await place.is_verified()) == (is_right, int(not is_right), is_right)
    assert (len(await place.staging.held()) == 1) is is_right


async def test_file_that_is_another_one_again_and_again_is_given_up(place):
    await place.publish(b"a" * 2500, 1000)
    for code in (None, None, Code.VERIFICATION_FAILED):
        await place.stage(b"b" * 2500)
        receipt = await place.copy()
        assert (receipt.problem.code if receipt.problem else None) is code


@pytest.mark.parametrize("part_bytes", [None, 1000])
async def test_content_that_the_source_has_by_now_is_not_taken_for_the_planned_one(place, part_bytes):
    await place.publish(b"a" * 2500, part_bytes)
    await place.stage(b"b" * 2500)
    await place.ncbi.put(f"{SNAPSHOT}/{place.leaf}", b"b" * 2500)
    receipt = await place.copy()
    assert receipt.problem.code is Code.SOURCE_CHANGED
    assert not await place.is_verified()


async def test_etag_that_nobody_explains_leaves_the_size_and_says_so(place, caplog):
    data = random.Random(4).randbytes(2500)
    await place.publish(data, 1000)
    place.source.fail(lambda request: "partNumber" in request.query, status=400)
    for whole_bytes, how in ((10_000, None), (100, "size")):
        await place.stage(data)
        caplog.clear()
        assert (await place.copy(whole_bytes=whole_bytes)).is_done
        assert ["only the size" in record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [True]
        properties = await place.properties()
        assert properties.metadata.get("source_verified") == how
        assert (properties.content_settings.content_md5 is None) is (how is not None)
        await place.bench.blobs.delete(place.staging.name(place.file))


# A file that is too large for one step

PART = RANGE_BYTES
LARGE = random.Random(5).randbytes(2 * PART + 100)


async def slices(place) -> list:
    """Calls, each of which begins one thing, until one of them has done all or failed."""
    receipts = []
    while not receipts or not (receipts[-1].is_done or receipts[-1].failed or receipts[-1].problem):
        receipts.append(await place.copy(seconds=0.0, whole_bytes=PART))
    return receipts


async def test_large_file_is_verified_in_slices_each_of_which_goes_on_where_the_last_one_ended(place):
    await place.publish(LARGE, PART)
    await place.stage(LARGE)
    receipts = await slices(place)
    assert [receipt.bytes_verified for receipt in receipts] == [PART, PART, 100]
    assert await place.is_verified()
    properties = await place.properties()
    assert properties.metadata == {"source_etag": place.file.etag, "source_verified": "parts"}
    assert properties.content_settings.content_md5 is None
    again = await place.copy(whole_bytes=PART)
    assert (again.is_done, again.bytes_verified, again.bytes_copied) == (True, 0, 0)


async def test_mark_goes_along_when_a_large_file_is_put_in_place(place):
    await place.publish(LARGE, PART)
    await place.stage(LARGE)
    assert (await place.copy(whole_bytes=PART)).is_done
    assert await place.staging.promote(place.file, None)
    in_place = await place.staging.in_place()
    assert set(in_place) == {place.leaf}
    assert in_place[place.leaf].is_copy_of(place.file)


async def test_large_file_with_a_wrong_part_is_noticed_at_its_end_and_what_was_digested_forgotten(place):
    await place.publish(LARGE, PART)
    await place.stage(wrong(LARGE, 10))
    receipts = await slices(place)
    assert [receipt.bytes_verified for receipt in receipts] == [PART, PART, 0]
    assert [failure.code for failure in receipts[-1].failures] == [Code.VERIFICATION_FAILED]
    await place.stage(LARGE)
    assert [receipt.bytes_verified for receipt in await slices(place)] == [PART, PART, 100]
    assert await place.is_verified()


async def test_digests_of_one_content_are_not_taken_for_those_of_another(place):
    await place.publish(LARGE, PART)
    await place.stage(wrong(LARGE, 10))
    assert (await place.copy(seconds=0.0, whole_bytes=PART)).bytes_verified == PART
    await place.bench.blobs.delete(place.staging.name(place.file))
    await place.stage(LARGE)
    assert [receipt.bytes_verified for receipt in await slices(place)] == [PART, PART, 100]


async def test_what_is_kept_of_a_verification_is_no_file_of_the_database(place):
    await place.publish(LARGE, PART)
    await place.stage(LARGE)
    await place.copy(seconds=0.0, whole_bytes=PART)
    name = place.staging.name(place.file)
    assert set(await place.staging.held()) == {name, f"{name}.parts.json"}
    assert await place.staging.in_place() == {}
    await place.bench.blobs.put(f"{name}.parts.json", b"{")
    assert [receipt.bytes_verified for receipt in await slices(place)] == [PART, PART, 100]


async def test_large_file_is_read_back_once_in_order_although_ranges_are_ahead(place):
    await place.publish(LARGE)
    await place.stage(LARGE)
    held = place.bench.proxy.hold(
        lambda request: request.method == "GET" and request.headers.get("x-ms-range", "").startswith("bytes=0-")
    )
    copied = asyncio.create_task(place.copy())
    await held.reached()
    held.release()
    assert (await copied).is_done
    assert len(LARGE) < place.bytes_read() < len(LARGE) + 10_000


async def test_step_that_comes_late_leaves_alone_what_another_has_verified(fetched):
    await fetched.publish(b"a" * 2500)
    late = fetched.bench.proxy.hold(lambda request: request.method == "PUT" and "comp=blocklist" in request.query)
    slow = asyncio.create_task(fetched.copy())
    await late.reached()
    late.remove()
    assert (await fetched.copy()).is_done
    before = (await fetched.properties()).etag
    late.release()
    assert (await slow).is_done
    assert (await fetched.properties()).etag == before
