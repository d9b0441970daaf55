from __future__ import annotations

import asyncio

import httpx
import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.blob.aio import BlobServiceClient

from local.proxy import Fault, Proxy, Record, longest_chain
from local.proxy.exchange import Upstream as Connection
from tests.virtual_time import in_virtual_time

# aiohttp warns of bodies over 1 MiB that are sent in one piece.
BLOCKS = {"max_single_put_size": 1024 * 1024, "max_block_size": 1024 * 1024}


@pytest.fixture
async def service(azurite, storage_proxy):
    """A blob client that goes through the proxy and does not retry."""
    connection = azurite.account(azurite.account_name).at(storage_proxy.port).connection_string
    async with BlobServiceClient.from_connection_string(connection, retry_total=0, **BLOCKS) as client:
        yield client


@pytest.fixture
async def container(service, request):
    """A container of the test's own."""
    client = service.get_container_client(request.node.name.replace("_", "-")[:60].strip("-[]"))
    await client.create_container()
    return client


class Upstream:
    """A scripted server: answers each connection with fixed bytes once the given end of the request has arrived."""

    def __init__(self, answers: list[bytes], until: bytes = b"\r\n\r\n") -> None:
        self.received: list[bytes] = []
        self._answers = answers
        self._until = until

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=4 * 1024 * 1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self._server.abort_clients()
        await self._server.wait_closed()

    async def _serve(self, reader, writer):
        for answer in self._answers:
            self.received.append(await reader.readuntil(self._until))
            writer.write(answer)
            await writer.drain()
        writer.close()


async def exchange(port: int, request: bytes, size: int) -> bytes:
    """Send bytes, return so many bytes of what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.readexactly(size)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_blobs_pass_unchanged_in_both_directions(container):
    content = bytes(range(256)) * 40_000

    await container.upload_blob("big", content)

    assert await (await container.download_blob("big")).readall() == content
    assert [blob.name async for blob in container.list_blobs()] == ["big"]
    assert (await container.get_blob_client("big").get_blob_properties()).size == len(content)


async def test_every_request_leaves_one_record(container, storage_proxy):
    storage_proxy.clear()

    await container.upload_blob("a", b"content")
    with pytest.raises(ResourceExistsError):
        await container.upload_blob("a", b"content")
    await container.get_blob_client("a").get_blob_properties()

    assert [(record.method, record.status) for record in storage_proxy.records] == [
        ("PUT", 201),
        ("PUT", 409),
        ("HEAD", 200),
    ]
    first = storage_proxy.records[0]
    assert first.path == f"/devstoreaccount1/{container.container_name}/a"
    assert first.started < first.ended
    assert first.response_bytes > len("HTTP/1.1 201 Created\r\n\r\n")
    assert first.fault == ""


async def test_record_keeps_the_query(container, storage_proxy):
    assert [blob async for blob in container.list_blobs(name_starts_with="db/")] == []

    assert "comp=list" in storage_proxy.records[-1].query
    assert "prefix=db" in storage_proxy.records[-1].query


async def test_failed_request_gets_the_code_and_does_not_reach_the_upstream(container, storage_proxy):
    rule = storage_proxy.fail(lambda request: request.path.endswith("/wanted"), code="ServerBusy", status=503)

    with pytest.raises(HttpResponseError) as failure:
        await container.upload_blob("wanted", b"x" * 100_000)
    await container.upload_blob("other", b"x")

    assert failure.value.status_code == 503
    assert failure.value.error_code == "ServerBusy"
    assert failure.value.response.headers["x-ms-error-code"] == "ServerBusy"
    assert [blob.name async for blob in container.list_blobs()] == ["other"]
    assert rule.hits == 1
    assert [record.fault for record in storage_proxy.records if record.status == 503] == ["fail"]


async def test_failure_ends_after_its_times_or_its_removal(container, storage_proxy):
    storage_proxy.fail(lambda request: request.method == "PUT", times=1)
    with pytest.raises(HttpResponseError):
        await container.upload_blob("a", b"x")
    await container.upload_blob("a", b"x")

    rule = storage_proxy.fail(lambda request: request.method == "PUT")
    with pytest.raises(HttpResponseError):
        await container.upload_blob("b", b"x")
    rule.remove()
    await container.upload_blob("b", b"x")


async def test_failed_head_request_has_no_body_and_keeps_the_connection(container, storage_proxy):
    storage_proxy.fail(lambda request: request.method == "HEAD", status=404, code="BlobNotFound", times=1)

    assert not await container.get_blob_client("a").exists()
    assert not await container.get_blob_client("a").exists()


async def test_held_request_waits_unseen_until_released(container, storage_proxy):
    held = storage_proxy.hold(lambda request: request.path.endswith("/stalled"))

    upload = asyncio.create_task(container.upload_blob("stalled", b"x"))
    await held.reached()
    assert [blob.name async for blob in container.list_blobs()] == []
    assert not upload.done()
    held.release()
    await upload

    assert [blob.name async for blob in container.list_blobs()] == ["stalled"]
    await container.upload_blob("stalled", b"y", overwrite=True)
    assert held.hits == 1


async def test_cut_request_takes_effect_but_its_answer_is_lost(container, storage_proxy):
    rule = storage_proxy.cut(lambda request: request.path.endswith("/lost"))

    with pytest.raises(AzureError):
        await container.upload_blob("lost", b"x")

    assert [blob.name async for blob in container.list_blobs()] == ["lost"]
    assert rule.hits == 1
    assert [(record.status, record.fault) for record in storage_proxy.records if record.fault] == [(201, "cut")]


async def test_shortened_answer_breaks_off_in_the_middle(container, storage_proxy):
    await container.upload_blob("short", b"x" * 1000)
    rule = storage_proxy.shorten(lambda request: request.method == "GET" and request.path.endswith("/short"))

    # The SDK notices, and asks for what is missing.
    assert await (await container.download_blob("short")).readall() == b"x" * 1000
    assert rule.hits == 1
    assert [record.fault for record in storage_proxy.records if record.method == "GET"] == ["cut", ""]


async def test_stop_ends_held_requests(azurite):
    proxy = Proxy(azurite.port)
    await proxy.start()
    held = proxy.hold(lambda _: True)
    async with httpx.AsyncClient() as client:
        request = asyncio.create_task(client.get(f"http://127.0.0.1:{proxy.port}/"))
        await held.reached()

        await proxy.stop()
        await proxy.stop()

        with pytest.raises(httpx.TransportError):
            await request


async def test_upstream_that_does_not_listen_closes_the_connection_and_is_recorded():
    async with Upstream([]) as gone:
        pass
    async with Proxy(gone.port) as proxy, httpx.AsyncClient() as client:
        with pytest.raises(httpx.TransportError):
            await client.get(f"http://127.0.0.1:{proxy.port}/x")

        assert [record.status for record in proxy.records] == [0]


async def test_chunked_bodies_pass_with_their_trailers():
    body = b"5\r\nhello\r\n3;ext=1\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    second = b"HTTP/1.1 204 No Content\r\n\r\n"
    request = b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    async with Upstream([answer, second], until=b"X-Trailer: 1\r\n\r\n") as upstream, Proxy(upstream.port) as proxy:
        received = await exchange(proxy.port, request + request, len(answer + second))

    assert received == answer + second
    assert upstream.received == [request, request]


async def test_body_is_asked_for_before_it_is_sent_when_the_client_expects_that():
    head = b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    interim, final = b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"
    async with Upstream([interim + final]) as upstream, Proxy(upstream.port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(head)
        assert await reader.readexactly(len(interim)) == interim
        writer.write(b"body")
        assert await reader.readexactly(len(final)) == final
        writer.close()
        await writer.wait_closed()


async def test_answer_without_a_length_lasts_until_the_upstream_closes():
    answer = b"HTTP/1.1 200 OK\r\n\r\nto the end"
    async with Upstream([answer]) as upstream, Proxy(upstream.port) as proxy, httpx.AsyncClient() as client:
        assert (await client.get(f"http://127.0.0.1:{proxy.port}/")).text == "to the end"


async def test_connection_that_the_upstream_closed_is_opened_again():
    async with Upstream([]) as upstream:
        connection = Connection(lambda: 0.0, lambda: upstream.port)
        first = await connection.pipe()
        assert await connection.pipe() is first
        assert await first.reader.read() == b""

        assert await connection.pipe() is not first
        connection.close()


GET = b"GET / HTTP/1.1\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"


def test_delay_is_paid_once_for_each_request_and_once_for_the_handshake():
    async def two_requests() -> list[float]:
        async with Upstream([ANSWER, ANSWER]) as upstream, Proxy(upstream.port, round_trip_seconds=0.05) as proxy:
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            for _ in range(2):
                writer.write(GET)
                await reader.readexactly(len(ANSWER))
            writer.close()
            return [record.ended - record.started for record in proxy.records]

    assert in_virtual_time(two_requests()) == pytest.approx([0.1, 0.05])


def test_delayed_requests_on_several_connections_do_not_wait_for_one_another():
    async def twenty_requests() -> tuple[float, int]:
        async with Upstream([ANSWER]) as upstream, Proxy(upstream.port, round_trip_seconds=0.1) as proxy:
            await asyncio.gather(*(exchange(proxy.port, GET, len(ANSWER)) for _ in range(20)))
            return asyncio.get_running_loop().time(), longest_chain(proxy.records)

    assert in_virtual_time(twenty_requests()) == (pytest.approx(0.2), 1)


def test_delayed_large_body_pays_the_delay_once():
    body = bytes(range(256)) * 4 * 1024
    large = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def one_download() -> tuple[bytes, float]:
        async with Upstream([large + body]) as upstream, Proxy(upstream.port, round_trip_seconds=0.1) as proxy:
            answer = await exchange(proxy.port, GET, len(large) + len(body))
            return answer[len(large) :], proxy.records[0].ended - proxy.records[0].started

    assert in_virtual_time(one_download()) == (body, pytest.approx(0.2))


def test_delayed_large_upload_pays_the_delay_once():
    body = b"x" * 1024 * 1024 + b"END"
    put = b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def one_upload() -> tuple[int, float]:
        async with Upstream([ANSWER], until=b"END") as upstream, Proxy(upstream.port, round_trip_seconds=0.1) as proxy:
            await exchange(proxy.port, put + body, len(ANSWER))
            return len(upstream.received[0]), proxy.records[0].ended - proxy.records[0].started

    size, seconds = in_virtual_time(one_upload())
    assert size > len(body)
    assert seconds == pytest.approx(0.2)


async def test_delayed_large_body_keeps_its_order(azurite, container):
    content = bytes(range(256)) * 80_000
    async with Proxy(azurite.port, round_trip_seconds=0.1) as proxy:
        account = azurite.account(azurite.account_name).at(proxy.port)
        async with BlobServiceClient.from_connection_string(account.connection_string, **BLOCKS) as service:
            blob = service.get_blob_client(container.container_name, "big")
            await blob.upload_blob(content)
            assert await (await blob.download_blob()).readall() == content


def record(started: float, ended: float) -> Record:
    return Record("GET", "/", "", 200, started, ended, 0, "")


def test_longest_chain_counts_sequential_requests_only():
    assert longest_chain([]) == 0
    assert longest_chain([record(0, 1), record(0, 1), record(0, 1)]) == 1
    assert longest_chain([record(0, 1), record(1, 2), record(2.5, 3)]) == 3
    assert longest_chain([record(0, 10), record(1, 2), record(3, 4), record(3.5, 9)]) == 2


async def test_request_that_another_carries_out_is_answered_as_that_one_says(container, storage_proxy):
    seen = []

    async def act(request):
        seen.append(request.path.rpartition("/")[2])
        return Fault(412, "SourceConditionNotMet", 0.0) if len(seen) == 2 else None

    storage_proxy.carry_out(lambda request: "x-ms-copy-source" in request.headers, act)
    blob = container.get_blob_client("a")
    await blob.stage_block_from_url("block", "https://elsewhere.example/a")
    with pytest.raises(HttpResponseError) as failure:
        await blob.stage_block_from_url("block", "https://elsewhere.example/a")
    await container.upload_blob("b", b"x")

    assert (failure.value.status_code, failure.value.error_code) == (412, "SourceConditionNotMet")
    assert seen == ["a", "a"]
    assert [record.status for record in storage_proxy.records[-3:-1]] == [201, 412]
    assert [one.name async for one in container.list_blobs()] == ["b"]
