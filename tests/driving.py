"""How tests drive the stack: an HTTP client that knows operations, and the container reached past the proxy."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from hashlib import md5
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote

import aiohttp
import httpx
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobBlock, ContentSettings, generate_container_sas
from azure.storage.blob.aio import BlobServiceClient
from yarl import URL

from local.azurite import CONTAINER
from local.stack.stack import RESOURCE_GROUP, SUBSCRIPTION_ID
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

ENDED = {"Succeeded", "Failed", "Canceled"}
_PARALLEL = 24
_AGES = itertools.count(1)
_PIECE_BYTES = 512 * 1024
_NEVER_SHOWN = re.compile(r"(AccountKey|SharedAccessSignature|\bsig)=(?!<redacted>)|/runtime/webhooks/|rpcBaseUrl|Traceback")


class Api(httpx.AsyncClient):
    """An HTTP client of the app. `body` has the fields that every shard request needs.

    Whatever a test is about: a reply with a secret or with a management URL of the engine in it fails the test.
    """

    def __init__(self, url: str, account: str, secrets: Iterable[str] = ()) -> None:
        super().__init__(base_url=url, timeout=PATIENCE_SECONDS, event_hooks={"response": [self._look_for_secrets]})
        self._secrets = tuple(secrets)
        self.account = account
        self.body = {"subscription_id": SUBSCRIPTION_ID, "resource_group": RESOURCE_GROUP, "account_name": account}

    async def start_shard(self, db, **fields) -> httpx.Response:
        return await self.post(f"/api/blast/databases/{db}/shard", json={**self.body, **fields})

    async def shard(self, db, **fields) -> dict:
        """Shard to the end; returns the operation. Fails unless the run was accepted."""
        reply = await self.start_shard(db, **fields)
        assert reply.status_code == 202, reply.text
        return await self.end(reply.json()["operation_id"])

    async def sharded(self, db, **fields) -> dict:
        """Shard to a good end; returns the result."""
        operation = await self.shard(db, **fields)
        assert operation["status"] == "Succeeded", operation
        return operation["result"]

    async def refused(self, db, **fields) -> dict:
        """Shard to a bad end; returns the error."""
        operation = await self.shard(db, **fields)
        assert operation["status"] == "Failed", operation
        return operation["error"]

    async def operation(self, run, **query) -> dict:
        reply = await self.get(f"/api/operations/{run}", params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def end(self, run) -> dict:
        """Wait for a run's end; returns its operation."""
        while (operation := await self.operation(run, wait_ms=20000))["status"] not in ENDED:
            pass
        return operation

    async def show(self, db) -> dict:
        reply = await self.get(f"/api/blast/databases/{db}", params={"account_name": self.account})
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def verify(self, db, **fields) -> httpx.Response:
        return await self.post(f"/api/blast/databases/{db}/verify", json={"account_name": self.account, **fields})

    async def rows(self) -> dict[str, dict]:
        """The whole listing, by name."""
        reply = await self.get("/api/blast/databases", params={"account_name": self.account})
        assert reply.status_code == 200, reply.text
        return {row["name"]: row for row in reply.json()["value"]}

    async def _look_for_secrets(self, reply: httpx.Response) -> None:
        text = (await reply.aread()).decode() + str(reply.headers)
        found = [secret for secret in self._secrets if secret in text]
        assert not found, f"{reply.request.url} shows {found}"
        shown = _NEVER_SHOWN.search(text)
        assert not shown, f"{reply.request.url} shows {shown}"


class Blobs:
    """The container of databases, reached directly, so that the proxy counts only the app's own calls."""

    def __init__(self, connection_string: str, container: str = CONTAINER) -> None:
        # In pieces: aiohttp warns of large bodies.
        pieces = {"max_single_put_size": _PIECE_BYTES, "max_block_size": _PIECE_BYTES}
        self._service = BlobServiceClient.from_connection_string(connection_string, **pieces)
        self.container = self._service.get_container_client(container)
        self._turns = asyncio.Semaphore(_PARALLEL)
        # Many small blobs go past the SDK, which needs three times the work for one.
        signature = generate_container_sas(
            self._service.account_name,
            container,
            account_key=self._service.credential.account_key,
            permission="rcw",
            expiry=datetime.now(UTC) + timedelta(hours=6),
        )
        self._address = lambda name: URL(f"{self.container.url}/{quote(name)}?{signature}", encoded=True)
        self._http: aiohttp.ClientSession | None = None

    async def put(self, name, data: bytes, **options) -> str:
        """Write a blob, over what may be there; returns its ETag."""
        async with self._turns:
            reply = await self.container.upload_blob(name, data, overwrite=True, **options)
        return (await reply.get_blob_properties()).etag

    async def upload(self, files: dict[str, bytes]) -> None:
        """Write small blobs, over what may be there."""

        async def put(name, data) -> None:
            headers = {"x-ms-blob-type": "BlockBlob"}
            async with self._turns, self._session.put(self._address(name), data=data, headers=headers) as reply:
                assert reply.status == 201, await reply.text()

        await asyncio.gather(*(put(name, data) for name, data in files.items()))

    async def upload_in_blocks(self, files: dict[str, bytes], **options) -> None:
        """Write blobs as tools write large files, without an MD5."""

        async def put(name, data) -> None:
            async with self._turns:
                blob = self.container.get_blob_client(name)
                pieces = {f"{at:09}": data[at : at + _PIECE_BYTES] for at in range(0, len(data), _PIECE_BYTES)}
                for block, piece in pieces.items():
                    await blob.stage_block(block, piece)
                await blob.commit_block_list([BlobBlock(block) for block in pieces], **options)

        await asyncio.gather(*(put(name, data) for name, data in files.items()))

    async def set_header(self, name, *, keeps_md5=True) -> None:
        """Change a header and no content, as a tool does that keeps the MD5 or clears it."""
        blob = self.container.get_blob_client(name)
        settings = (await blob.get_blob_properties()).content_settings
        settings.cache_control = f"max-age={next(_AGES)}"
        if not keeps_md5:
            settings.content_md5 = None
        await blob.set_http_headers(settings)

    async def set_md5(self, name, data: bytes) -> None:
        """Store the MD5 of a blob that has these bytes."""
        settings = ContentSettings(content_md5=bytearray(md5(data, usedforsecurity=False).digest()))
        await self.container.get_blob_client(name).set_http_headers(settings)

    async def md5s(self, db) -> dict[str, str | None]:
        """The MD5 that storage keeps of each of a database's files, in hex."""
        blobs = [blob async for blob in self.container.list_blobs(name_starts_with=f"{db}/")]
        kept = {blob.name: blob.content_settings.content_md5 for blob in blobs}
        return {name: bytes(digest).hex() if digest else None for name, digest in kept.items()}

    async def get(self, name) -> bytes:
        """A blob's content; ResourceNotFoundError where there is none."""
        async with self._turns, self._session.get(self._address(name)) as reply:
            if reply.status == 404:
                raise ResourceNotFoundError(f"there is no {name}")
            assert reply.status == 200, await reply.text()
            return await reply.read()

    async def exists(self, name) -> bool:
        return await self.container.get_blob_client(name).exists()

    async def delete(self, *names) -> None:
        await asyncio.gather(*(self.container.delete_blob(name) for name in names))

    async def clear(self) -> None:
        """Remove everything."""
        await self.delete(*[name async for name in self.container.list_blob_names()])

    async def texts(self, names) -> dict[str, str]:
        """The contents of these blobs."""
        names = sorted(names)
        contents = await asyncio.gather(*map(self.get, names))
        return {name: data.decode() for name, data in zip(names, contents, strict=True)}

    async def layout(self, db) -> set[str]:
        """The names of all blobs in layout folders that are this database's by name."""

        async def below(count) -> set[str]:
            return {name async for name in self.container.list_blob_names(name_starts_with=f"{count}shards/{db}_shard_")}

        return set().union(*await asyncio.gather(*(below(count) for count in range(34))))

    async def metadata(self, db) -> dict | None:
        try:
            return json.loads(await self.get(f"{db}-metadata.json"))
        except ResourceNotFoundError:
            return None

    async def put_metadata(self, db, document: dict) -> str:
        return await self.put(f"{db}-metadata.json", json.dumps(document).encode())

    @property
    def _session(self) -> aiohttp.ClientSession:
        self._http = self._http or aiohttp.ClientSession()
        return self._http

    async def close(self) -> None:
        await self._service.close()
        if self._http is not None:
            await self._http.close()


class Sent(NamedTuple):
    """One request of the app to storage."""

    method: str
    blob: str
    status: int


def sent(records) -> list[Sent]:
    """The app's requests in the order in which they ended; a listing's blob is empty."""
    # A path is /account/container/blob.
    blobs = [unquote(record.path).split("/", 3)[3:] for record in records]
    return [Sent(record.method, "".join(blob), record.status) for record, blob in zip(records, blobs, strict=True)]


def writes(records) -> list[Sent]:
    """Those that change something."""
    return [one for one in sent(records) if one.method in {"PUT", "POST", "DELETE", "PATCH"}]


def written(records) -> set[str]:
    """The blobs that were put, successfully."""
    return {one.blob for one in writes(records) if one.method == "PUT" and one.status == 201}
