"""One look at an upload: complete, unchanged, incomplete, busy or absent."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from activities.shard import commit_metadata, mark_started
from activities.upload import inspect_upload
from local.processes import free_port
from shared.clients import Clients
from shared.runs.upload.payloads import InspectUpload
from shared.settings import Settings
from tests.activities.conftest import ACCOUNT
from tests.builders import database
from tests.driving import sent, writes
from tests.patience import patience


async def look(bench, db):
    return await inspect_upload(InspectUpload(account=ACCOUNT, db=db), bench.clients)


async def commit(bench, db):
    """Shard a database as a run does."""
    inspection = await bench.sharded(db)
    marked = await mark_started(bench.mark(db, if_match=inspection.metadata_etag), bench.clients)
    assert (await commit_metadata(bench.commit(db, inspection, etag=marked.etag), bench.clients)).problem is None


async def test_complete_upload_is_seen_by_its_papers_and_heads_without_a_write(bench):
    await bench.blobs.upload(database("nt", 3))
    bench.proxy.clear()

    assert (await look(bench, "nt")).state == "complete"
    assert sorted(one.blob for one in sent(bench.proxy.records)) == [
        "",
        "nt-metadata.json",
        "nt/nt.00.nin",
        "nt/nt.01.nin",
        "nt/nt.02.nin",
        "nt/nt.ndb",
        "nt/nt.njs",
    ]
    assert writes(bench.proxy.records) == []


async def test_sharded_database_is_unchanged_until_a_file_of_it_changes(bench):
    await bench.blobs.upload(database("nt", 3))
    await commit(bench, "nt")
    assert (await look(bench, "nt")).state == "unchanged"

    await bench.blobs.upload({"nt/nt.01.nsq": b"other"})
    assert (await look(bench, "nt")).state == "complete"


@pytest.mark.parametrize(
    "difference",
    [{"sharding_error": "x"}, {"sharded": False}, {"sharding_in_progress": True}, {"source_version": "another"}],
    ids=lambda difference: next(iter(difference)),
)
async def test_database_whose_metadata_says_that_something_is_to_be_done_is_not_unchanged(bench, difference):
    await bench.blobs.upload(database("nt", 3))
    await commit(bench, "nt")
    document = await bench.blobs.metadata("nt")
    await bench.blobs.put_metadata("nt", {**document, **difference})

    assert (await look(bench, "nt")).state == "complete"


async def test_what_lies_beside_the_database_does_not_matter(bench):
    files = database("nt", 2)
    beside = ["nt/taxdb.btd", "nt/nt_euk.00.nsq", "nt/.staging/2026/nt.02.nsq", "nt/nt/nt.07.nsq", "nt/nt.00.tar.gz"]
    await bench.blobs.upload({**files, **dict.fromkeys(beside, b"x")})

    assert (await look(bench, "nt")).state == "complete"


@pytest.mark.parametrize("there", [(), ("nt/taxdb.btd",), ("nt/nt.nal",)])
async def test_folder_without_a_volume_of_its_own_is_absent(bench, there):
    await bench.blobs.upload(dict.fromkeys(there, b"x"))

    assert (await look(bench, "nt")).state == "absent"


async def test_app_that_is_not_let_in_cannot_judge(bench):
    seen = await inspect_upload(InspectUpload(account="stranger", db="nt"), bench.clients)

    assert (seen.state, seen.problem.code) == ("busy", "AccountNotAllowed")


class Copying:
    """A storage service on which a file is still being copied; the emulator's own copies have ended when it answers."""

    def __init__(self, status: str) -> None:
        self.status = status
        self.included = []
        self._files = database("nt", 2, statistics="index")

    async def answer(self, request) -> Response:
        if request.query_params.get("comp") != "list":
            return self._read(request)
        self.included.append(request.query_params.get("include"))
        blobs = "".join(map(self._blob, sorted(self._files)))
        xml = f'<?xml version="1.0"?><EnumerationResults ContainerName="blast-db"><Blobs>{blobs}</Blobs><NextMarker/>'
        return Response(f"{xml}</EnumerationResults>", media_type="application/xml")

    def _read(self, request) -> Response:
        data = self._files.get(request.url.path.split("/", 3)[3])
        if data is None:
            return Response(status_code=404, headers={"x-ms-error-code": "BlobNotFound"})
        first, last = map(int, request.headers["x-ms-range"].removeprefix("bytes=").split("-"))
        part = data[first : last + 1]
        headers = {"ETag": '"0x1"', "Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(data)}"}
        return Response(part, 206, headers | {"Last-Modified": "Sun, 01 Mar 2026 12:00:01 GMT", "x-ms-blob-type": "BlockBlob"})

    def _blob(self, name: str) -> str:
        copy = f"<CopyStatus>{self.status}</CopyStatus>" if name.endswith(".01.nsq") else ""
        return (
            f"<Blob><Name>{name}</Name><Properties><Etag>0x1</Etag><Content-Length>{len(self._files[name])}</Content-Length>"
            f"<Last-Modified>Sun, 01 Mar 2026 12:00:01 GMT</Last-Modified>{copy}</Properties></Blob>"
        )


@pytest.mark.parametrize(("status", "state"), [("pending", "incomplete"), ("success", "complete")])
async def test_file_that_is_still_being_copied_makes_the_upload_incomplete(status, state):
    service, port = Copying(status), free_port()
    app = Starlette(routes=[Route("/{path:path}", service.answer)])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    key = b64encode(b"key").decode()
    connection = f"AccountName={ACCOUNT};AccountKey={key};BlobEndpoint=http://127.0.0.1:{port}/{ACCOUNT};"
    clients = Clients.of(Settings(accounts=(ACCOUNT,), blob_connection=(connection,)))
    try:
        async with patience():
            while not server.started:  # noqa: ASYNC110 - the server gives no other sign
                await asyncio.sleep(0.01)
        seen = await inspect_upload(InspectUpload(account=ACCOUNT, db="nt"), clients)
    finally:
        await clients.accounts.close()
        server.should_exit = True
        await serving

    assert seen.state == state
    assert service.included == ["copy,metadata"]
    assert status == "success" or "nt.01.nsq" in seen.problem.message
