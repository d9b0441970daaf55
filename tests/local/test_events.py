"""What happens in the emulator becomes events, each delivered until it is taken."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import pytest
import uvicorn
from azure.storage.blob.aio import BlobServiceClient
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from local.azurite import CONTAINER, Azurite
from local.events import Subscription, Written, event, written_by
from local.processes import free_port
from shared.runs.upload.events import BlobChanged, read_event
from tests.patience import patience


def line(request, status=201):
    return f'127.0.0.1 - - [21/Nov/2026:03:55:21 +0000] "{request} HTTP/1.1" {status} -'


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (line("PUT /acc/blast-db/nt/nt.00.nsq"), Written("acc", "blast-db", "nt/nt.00.nsq", "PutBlob")),
        (line("PUT /acc/blast-db/nt/a%20b?sig=x"), Written("acc", "blast-db", "nt/a b", "PutBlob")),
        (line("PUT /acc/blast-db/x?comp=blocklist"), Written("acc", "blast-db", "x", "PutBlockList")),
        (line("DELETE /acc/blast-db/x", 202), Written("acc", "blast-db", "x", "DeleteBlob")),
        (line("PUT /acc/blast-db/x?comp=block&blockid=a"), None),
        (line("PUT /acc/blast-db/x?comp=metadata", 200), None),
        (line("PUT /acc/blast-db/x?comp=properties", 200), None),
        (line("PUT /acc/blast-db?restype=container"), None),
        (line("DELETE /acc/blast-db?restype=container", 202), None),
        (line("PUT /acc/blast-db/x", 412), None),
        (line("GET /acc/blast-db/x", 200), None),
        ("Azurite Blob service is successfully listening", None),
    ],
)
def test_only_a_successful_write_of_a_blob_is_one(text, written):
    assert written_by(text) == written


@pytest.mark.parametrize("cloud", [False, True])
def test_event_is_one_that_the_app_reads(cloud):
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    made = event(Written("account1", "blast-db", "nt/nt.00.nsq", "PutBlob"), 17, moment, cloud=cloud)
    read = read_event(json.loads(json.dumps(made)), accounts=("account1",), container="blast-db")

    assert isinstance(read, BlobChanged)
    assert (read.account, read.db, read.leaf, read.change, read.time) == ("account1", "nt", "nt.00.nsq", "created", moment)


@pytest.fixture
async def webhook():
    """A webhook that refuses its first two requests, and what it was told afterwards."""
    taken, refusals = [], iter([503, 500])
    arrived = asyncio.Condition()

    async def take(request):
        status = next(refusals, 200)
        if status == 200:
            async with arrived:
                taken.extend(await request.json())
                arrived.notify_all()
        return Response(status_code=status)

    port = free_port()
    app = Starlette(routes=[Route("/webhook", take, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())

    async def heard(count):
        async with patience(), arrived:
            await arrived.wait_for(lambda: len(taken) >= count)
        return taken

    yield f"http://127.0.0.1:{port}/webhook", heard
    server.should_exit = True
    await serving


async def test_writes_are_told_in_order_until_they_are_taken(tmp_path, webhook):
    url, heard = webhook
    async with Azurite(tmp_path, access_log=True) as azurite:
        await azurite.create_containers()
        async with BlobServiceClient.from_connection_string(azurite.connection_string) as service:
            container = service.get_container_client(CONTAINER)
            await container.upload_blob("before/it", b"x")
            async with patience():
                # The emulator answers before it has written its log.
                while b"before/it" not in azurite.log.read_bytes():  # noqa: ASYNC110 - a file gives no sign
                    await asyncio.sleep(0.01)
            async with Subscription(azurite.log, url) as subscription:
                await container.upload_blob("nt/nt.00.nsq", b"x")
                await container.delete_blob("nt/nt.00.nsq")
                told = await heard(2)
                await subscription.caught_up()

    assert [(one["eventType"].rpartition(".")[2], one["data"]["api"]) for one in sorted(told, key=lambda one: one["id"])] == [
        ("BlobCreated", "PutBlob"),
        ("BlobDeleted", "DeleteBlob"),
    ]
    assert all(one["subject"].endswith("/blobs/nt/nt.00.nsq") for one in told)
    assert subscription.delivered == subscription.seen == 2
