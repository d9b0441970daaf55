"""Things that stand between an agent and a service: one that damages bytes, and a small API server."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import subprocess


class Corrupting:
    """A TCP relay in front of Azurite that flips the last byte of some answers with file content in them."""

    def __init__(self, upstream_port, times) -> None:
        self._upstream_port = upstream_port
        self.times = times
        self.port = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self._server.close_clients()
        await self._server.wait_closed()

    async def _accepted(self, reader, writer) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        await asyncio.gather(self._pump(reader, upstream_writer), self._pump(upstream_reader, writer, damages=True))

    async def _pump(self, reader, writer, *, damages=False) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 20):
                if damages and self.times and b"206 Partial" in data and not data.endswith(b"\r\n\r\n"):
                    self.times -= 1
                    data = data[:-1] + bytes([data[-1] ^ 1])
                writer.write(data)
                await writer.drain()
        writer.close()


class ApiServer:
    """Answers PATCH over TLS; `patches` are path, headers and document of each."""

    def __init__(self, folder, status=200) -> None:
        self.folder = folder
        self.status = status
        self.patches = []
        self._arrived = asyncio.Condition()
        folder.mkdir()
        key = ["-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem"]
        name = ["-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1"]
        command = ["openssl", "req", "-x509", *key, "-out", "ca.crt", "-days", "2", *name]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        (folder / "token").write_text("first-token")

    async def __aenter__(self):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.folder / "ca.crt", self.folder / "key.pem")
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self._server.close_clients()
        await self._server.wait_closed()

    @property
    def env(self) -> dict[str, str]:
        return {
            "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.port),
            "SHARDWARM_TOKEN_DIR": str(self.folder),
            "SHARDWARM_PUBLISH_SECONDS": "1",
        }

    async def until(self, condition) -> None:
        """Wait until what was patched fulfils a condition; looked at after each patch."""
        async with self._arrived:
            await self._arrived.wait_for(lambda: self.patches and condition())

    async def _accepted(self, reader, writer) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers["content-length"]))
                async with self._arrived:
                    self.patches.append((head[0], headers, json.loads(body)))
                    self._arrived.notify_all()
                writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 2\r\n\r\n{{}}".encode())
                await writer.drain()
