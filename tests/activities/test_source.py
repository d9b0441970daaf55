"""The client of NCBI's bucket against a real S3 API: pages, tokens, exact names, empty answers, refusals."""

import itertools

import pytest
from aiohttp import web

from local.ncbi import NcbiBucket
from local.proxy import Proxy
from shared.errors import Code, Conflict, Misconfigured, NotFound, TransientFailure
from shared.ncbi.bucket import TAXONOMY, Bucket
from shared.ncbi.etags import part_count
from shared.runs.prepare.payloads import SourceFile
from shared.settings import Settings

SNAPSHOT = "2026-05-09-01-05-02"
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
async def ncbi(tmp_path_factory):
    async with NcbiBucket(tmp_path_factory.mktemp("source")) as ncbi:
        yield ncbi


@pytest.fixture
async def source(ncbi):
    """A client, the proxy before it, and a database's name that only this test uses."""
    async with Proxy(ncbi.port) as proxy:
        bucket = Bucket(Settings(ncbi_url=ncbi.url(proxy.port), ncbi_timeout_seconds=5))
        yield bucket, proxy, f"db{next(_NUMBERS)}"
        await bucket.close()


async def test_only_the_files_of_exactly_this_database_are_taken(ncbi, source):
    bucket, _, db = source
    own = {f"{db}.nal": b"a", f"{db}.00.nsq": b"b", f"{db}.100.nsq": b"c", f"{db}.njs": b"d"}
    others = [f"{db}_euk.00.nsq", f"{db}x.nal", f"{db}.00.tar.gz", f"{db}.00.tar.gz.md5", f"{db}.sub.00.nsq", f"{db}-nucl.json"]
    await ncbi.publish(SNAPSHOT, {**own, **dict.fromkeys(others, b"x")})
    files = await bucket.files(SNAPSHOT, db)
    assert {file.leaf: file.size_bytes for file in files if file.leaf not in TAXONOMY} == dict.fromkeys(own, 1)


async def test_taxonomy_files_go_with_a_database_where_the_snapshot_has_them(ncbi, source):
    bucket, _, db = source
    await ncbi.publish("with-taxonomy", {f"{db}.nsq": b"b", "taxdb.btd": b"1", "taxdb.bti": b"2"})
    assert [file.leaf for file in await bucket.files("with-taxonomy", db)] == [f"{db}.nsq", "taxdb.btd", "taxdb.bti"]


async def test_listing_of_many_pages_is_read_to_its_end_with_its_tokens(ncbi, source):
    bucket, proxy, db = source
    names = [f"{db}.{number:04d}.nsq" for number in range(1100)]
    await ncbi.publish(SNAPSHOT, dict.fromkeys(names, b""))
    found = [file.leaf for file in await bucket.files(SNAPSHOT, db) if file.leaf not in TAXONOMY]
    assert found == names
    listings = [record.query for record in proxy.records if "list-type" in record.query]
    assert ["continuation-token=" in query for query in listings] == [False, True]


TOKEN = "1/a+b=c&prefix=evil"
PAGE = """<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<IsTruncated>{more}</IsTruncated><NextContinuationToken>1/a+b=c&amp;prefix=evil</NextContinuationToken>
<Contents><Key>s/{db}.{number:03d}.nsq</Key><ETag>"e"</ETag><Size>1</Size></Contents></ListBucketResult>"""


@pytest.fixture
async def odd(serving):
    """A source whose every answer the test decides: `odd(handler)` gives a client of it."""
    buckets = []

    async def serve(handler):
        buckets.append(Bucket(Settings(ncbi_url=f"http://127.0.0.1:{await serving(handler)}", ncbi_timeout_seconds=5)))
        return buckets[-1]

    yield serve
    for bucket in buckets:
        await bucket.close()


async def test_token_with_signs_that_mean_something_in_a_query_comes_back_as_it_was(odd):
    seen = []

    async def handler(request):
        if "list-type" not in request.query:
            return web.Response(status=404)
        seen.append(dict(request.query))
        return web.Response(text=PAGE.format(more="true" if len(seen) == 1 else "false", db="x", number=len(seen)))

    bucket = await odd(handler)
    assert [file.leaf for file in await bucket.files("s", "x")] == ["x.001.nsq", "x.002.nsq"]
    assert [(query["prefix"], query.get("continuation-token")) for query in seen] == [("s/x.", None), ("s/x.", TOKEN)]


async def test_listing_without_an_end_is_given_up(odd):
    async def handler(request):  # noqa: ARG001 - every request is answered alike
        return web.Response(text=PAGE.format(more="true", db="x", number=1))

    with pytest.raises(Misconfigured, match="more than 50000 files"):
        await (await odd(handler)).files("s", "x")


async def test_listing_that_breaks_off_is_never_taken_for_a_complete_one(odd):
    async def handler(request):  # noqa: ARG001 - every request is answered alike
        page = PAGE.format(more="true", db="x", number=1)
        return web.Response(text=page.replace("1/a+b=c&amp;prefix=evil", ""))

    with pytest.raises(TransientFailure, match="cut a listing short"):
        await (await odd(handler)).files("s", "x")


@pytest.mark.parametrize("text", ["", "../evil", "two words", "<html>", "a" * 300])
async def test_newest_snapshot_that_is_no_name_is_refused(odd, text):
    async def handler(request):  # noqa: ARG001 - every request is answered alike
        return web.Response(text=text)

    with pytest.raises(Misconfigured) as caught:
        await (await odd(handler)).latest()
    assert caught.value.problem.code is Code.SOURCE_REFUSED


async def test_answer_that_is_not_a_listing_is_a_passing_fault(odd):
    async def handler(request):  # noqa: ARG001 - every request is answered alike
        return web.Response(text="<html><p>be right back")

    with pytest.raises(TransientFailure):
        await (await odd(handler)).files("s", "x")


async def test_empty_listing_is_not_remembered(ncbi, source):
    bucket, _, db = source
    for ask in (bucket.files, bucket.probe):
        with pytest.raises(NotFound):
            await ask(SNAPSHOT, db)
    await ncbi.publish(SNAPSHOT, {f"{db}.nsq": b"b"})
    await bucket.probe(SNAPSHOT, db)
    assert await bucket.files(SNAPSHOT, db)


async def test_object_that_is_not_public_is_a_refusal_and_not_an_absence(ncbi, source):
    bucket, _, db = source
    await ncbi.put(f"{SNAPSHOT}/{db}.nsq", b"b", is_public=False)
    (file,) = await bucket.files(SNAPSHOT, db)
    with pytest.raises(Misconfigured) as caught:
        await bucket.read(SNAPSHOT, file, 0, 1)
    assert caught.value.problem.code is Code.SOURCE_REFUSED


async def test_hint_asks_once_and_remembers_for_a_while_that_there_is_none(ncbi, source):
    bucket, proxy, _ = source
    await ncbi.name_latest(SNAPSHOT)
    assert [await bucket.latest_hint() for _ in range(3)] == [SNAPSHOT] * 3
    assert len(proxy.records) == 1
    deaf = Bucket(Settings(ncbi_url="http://127.0.0.1:9/x", ncbi_timeout_seconds=5))
    assert [await deaf.latest_hint() for _ in range(2)] == [None, None]
    await deaf.close()


async def test_size_of_the_parts_is_asked_of_the_source(ncbi, source):
    bucket, _, db = source
    await ncbi.publish(SNAPSHOT, {f"{db}.nsq": b"x" * 2500, f"{db}.nin": b"x" * 20}, parts=[f"{db}.nsq"], part_bytes=1000)
    whole, in_parts = await bucket.files(SNAPSHOT, db)
    assert part_count(in_parts.etag) == 3
    assert await bucket.first_part_bytes(SNAPSHOT, in_parts) == 1000
    assert await bucket.first_part_bytes(SNAPSHOT, whole) == 20


@pytest.mark.parametrize(("status", "passes"), [(400, False), (501, False), (503, True)])
async def test_source_that_does_not_tell_the_size_of_parts_is_told_apart_from_a_busy_one(odd, status, passes):
    async def handler(request):  # noqa: ARG001 - every request is answered alike
        return web.Response(status=status)

    asked = (await odd(handler)).first_part_bytes("s", SourceFile(leaf="x.nsq", size_bytes=10, etag="e"))
    if passes:
        with pytest.raises(TransientFailure):
            await asked
    else:
        assert await asked is None


async def test_file_that_is_another_one_by_now_is_said_so(ncbi, source):
    bucket, _, db = source
    await ncbi.publish(SNAPSHOT, {f"{db}.nsq": b"old"})
    (file,) = await bucket.files(SNAPSHOT, db)
    await bucket.require(SNAPSHOT, file)
    await ncbi.put(f"{SNAPSHOT}/{db}.nsq", b"new")
    with pytest.raises(Conflict) as caught:
        await bucket.require(SNAPSHOT, file)
    await ncbi.delete(f"{SNAPSHOT}/{db}.nsq")
    with pytest.raises(Conflict):
        await bucket.require(SNAPSHOT, file)
    assert caught.value.problem.code is Code.SOURCE_CHANGED
