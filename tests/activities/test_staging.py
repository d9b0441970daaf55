"""Storage that fetches by itself, as Azure does and the emulator does not: what it is asked, and what its refusals mean.

The server of these tests answers as the service's reference says; the one in `test_verifying` copies, too.
"""

import pytest
from aiohttp import web

from shared.copying.lanes import Lane, Relay
from shared.copying.pieces import block_id, pieces_of
from shared.errors import NotFound
from shared.ncbi.bucket import Bucket
from shared.runs.prepare.payloads import CopySteering, SourceFile
from shared.settings import Settings
from shared.storage.accounts import Accounts
from shared.storage.staging import ForeignSourceError, Staging

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
NOTHING = """<?xml version="1.0"?><EnumerationResults ServiceEndpoint="http://x/" ContainerName="blast-db">
<Prefix>db/</Prefix><Blobs /><NextMarker /></EnumerationResults>"""
FILE = SourceFile(leaf="db.00.nsq", size_bytes=2500, etag="0" * 32)


@pytest.fixture
async def service(serving):
    """`service(handler)` gives the staging area of an account at which the handler answers everything."""
    accounts = []

    async def serve(handler):
        url = f"http://127.0.0.1:{await serving(handler)}/acct"
        connection = f"DefaultEndpointsProtocol=http;AccountName=acct;AccountKey={KEY};BlobEndpoint={url};"
        accounts.append(Accounts(Settings(accounts=("acct",), blob_connection=(connection,), retry_first_seconds=0.01)))
        return Staging(accounts[-1].container("acct"), "db", "snapshot")

    yield serve
    for one in accounts:
        await one.close()


async def test_service_is_asked_for_the_range_of_the_source_and_nothing_is_relayed(service):
    seen = []

    async def handler(request):
        if request.query.get("comp") == "blocklist" and request.method == "GET":
            return web.Response(status=404, headers={"x-ms-error-code": "BlobNotFound"})
        if request.query.get("comp") == "list":
            return web.Response(text=NOTHING, content_type="application/xml")
        seen.append(
            (request.query.get("comp"), request.headers.get("x-ms-copy-source"), request.headers.get("x-ms-source-range"))
        )
        return web.Response(status=201 if seen[-1][0] == "block" else 503)

    staging, relay = await service(handler), Relay()
    bucket = Bucket(Settings(ncbi_url="https://bucket.example"))
    lane = Lane("snapshot", bucket, staging, relay, CopySteering(block_bytes=1000), lambda: 0.0)
    receipt = await lane.copy(0, pieces_of([FILE], 1000))
    source = "https://bucket.example/snapshot/db.00.nsq"
    blocks = [one for one in seen if one[0] == "block"]
    assert blocks == [("block", source, f"bytes={first}-{last}") for first, last in ((0, 999), (1000, 1999), (2000, 2499))]
    assert relay.is_needed is False
    assert (receipt.is_done, receipt.failed, receipt.bytes_done) == (False, 0, FILE.size_bytes)


@pytest.mark.parametrize(
    ("status", "is_general"), [(501, True), *((status, False) for status in (400, 401, 403, 404, 409, 412, 416))]
)
async def test_refusal_to_fetch_is_told_apart_from_a_source_that_is_another_one(service, status, is_general):
    async def handler(request):  # noqa: ARG001 - every request is answered alike
        return web.Response(status=status, headers={"x-ms-error-code": "CannotVerifyCopySource"})

    staging = await service(handler)
    with pytest.raises(ForeignSourceError) as caught:
        await staging.stage_from(FILE, block_id(0, 1000), "https://bucket.example/x", 0, 1000)
    assert caught.value.is_general is is_general


async def test_container_that_is_not_there_is_no_matter_of_the_source(service):
    async def handler(request):  # noqa: ARG001 - every request is answered alike
        return web.Response(status=404, headers={"x-ms-error-code": "ContainerNotFound"})

    staging = await service(handler)
    with pytest.raises(NotFound):
        await staging.stage_from(FILE, block_id(0, 1000), "https://bucket.example/x", 0, 1000)
