"""Storage that fetches by itself, as Azure does and the emulator does not: Put Block From URL, carried out before Azurite."""

from __future__ import annotations

from base64 import b64decode
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

import aiohttp
from azure.storage.blob.aio import BlobServiceClient

from local.proxy import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from local.azurite import Account
    from local.proxy import Proxy, Request
    from local.proxy.rules import Rule


def asks_to_fetch(request: Request) -> bool:
    """Whether this is a Put Block From URL; a copy of a whole blob within the account is none."""
    return parse_qs(request.query).get("comp") == ["block"] and "x-ms-copy-source" in request.headers


class Pending(Fault):
    """The answer to a copy of a blob that the service has begun and goes on with by itself."""

    def answer(self, method: str) -> bytes:  # noqa: ARG002 - they are all answered alike
        """The whole answer, to whatever method."""
        told = 'x-ms-copy-status: pending\r\nx-ms-copy-id: 1\r\nETag: "0x1"\r\nLast-Modified: Sat, 21 Nov 2026 12:00:00 GMT'
        return f"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nx-ms-version: 2021-10-04\r\n{told}\r\n\r\n".encode()


def putting_off(proxy: Proxy, *leaves: str) -> Rule:
    """Have storage take its time over copies of these files within the account, until the rule is removed."""

    async def put_off(request: Request) -> Fault | None:  # noqa: ARG001 - every copy is answered alike
        return Pending(202, "", 0.0)

    def is_copy(request: Request) -> bool:
        return "x-ms-copy-source" in request.headers and not asks_to_fetch(request) and unquote(request.path).endswith(leaves)

    return proxy.carry_out(is_copy, put_off)


@asynccontextmanager
async def fetching(proxy: Proxy, account: Account) -> AsyncGenerator[Rule]:
    """Have the storage behind a proxy fetch the range that it is asked for, and store whatever of it arrives.

    The source's refusals are the answer, as of the service. What is fetched is written past the proxy: a block with a body
    that comes through it was relayed by the app.
    """
    async with aiohttp.ClientSession() as http, BlobServiceClient.from_connection_string(account.connection_string) as service:

        async def fetch(request: Request) -> Fault | None:
            headers = {"Range": request.headers["x-ms-source-range"]}
            async with http.get(request.headers["x-ms-copy-source"], headers=headers) as reply:
                if reply.status >= 400:
                    return Fault(reply.status, "CannotVerifyCopySource", 0.0)
                data = b""
                with suppress(aiohttp.ClientPayloadError):
                    async for piece in reply.content.iter_any():
                        data += piece
            container, _, name = unquote(request.path).removeprefix(f"/{account.name}/").partition("/")
            block = b64decode(parse_qs(request.query)["blockid"][0]).decode()
            await service.get_blob_client(container, name).stage_block(block, BytesIO(data), length=len(data))
            return None

        rule = proxy.carry_out(asks_to_fetch, fetch)
        yield rule
        rule.remove()
