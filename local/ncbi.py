"""NCBI's public bucket on one machine: moto's S3 server, with one public bucket.

It is a real S3 API: listings in pages, ranges, conditions, ETags of whole objects and of uploads in parts. It keeps
everything in memory.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self
from urllib.parse import quote
from xml.etree import ElementTree as ET

import httpx

from local import ROOT
from local.processes import Child, ProcessFailed, free_port, port_open

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

START_SECONDS = 120.0
BUCKET = "ncbi-blast-databases"
_PYTHON = ROOT / ".local/s3/bin/python"
_PUBLIC = {"x-amz-acl": "public-read"}


class NcbiBucket:
    """The bucket; `async with` starts and stops its server. `url` is what SHARDWARM_NCBI_URL takes."""

    def __init__(self, folder: Path) -> None:
        """Describe the bucket; nothing runs before `start`. The server's log goes to `folder`."""
        self._folder = folder
        self._child: Child | None = None
        self._http = httpx.AsyncClient(timeout=30)
        self.port = 0

    def url(self, port: int | None = None) -> str:
        """The bucket's address, directly or through another port."""
        return f"http://127.0.0.1:{port or self.port}/{BUCKET}"

    async def start(self) -> None:
        """Start the server on a free port and create the empty bucket.

        Raises:
            ProcessFailed: the server ended or did not answer; the message carries the end of its log.
        """
        self.port = free_port()
        if not _PYTHON.exists():
            raise ProcessFailed("moto is not installed: run 'make setup'")
        command = [str(_PYTHON), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        # S3 itself refuses parts below 5 MiB.
        environment = {**os.environ, "S3_UPLOAD_PART_MIN_SIZE": "1"}  # noqa: TID251  what a child inherits is not a setting
        self._child = await Child.start("moto", command, log=self._folder / "moto.log", env=environment)
        await self._child.ready(lambda: port_open(self.port), START_SECONDS)
        # moto lets every client list. A public bucket would make every object in it public.
        await self._put("", is_public=False)

    async def stop(self) -> None:
        """End the server; its objects are gone. Safe to repeat."""
        await self._http.aclose()
        if self._child is not None:
            await self._child.stop()
            self._child = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def publish(
        self, snapshot: str, files: Mapping[str, bytes], *, parts: Iterable[str] = (), part_bytes: int | None = None
    ) -> None:
        """Upload a snapshot's files, by leaf, and name it the newest.

        Files in `parts` are uploaded in parts of `part_bytes`, or in a single part: their ETags are no MD5s.
        """
        in_parts = set(parts)
        for leaf, data in files.items():
            key = f"{snapshot}/{leaf}"
            await (self._put_in_parts(key, data, part_bytes or len(data)) if leaf in in_parts else self._put(key, data))
        await self.name_latest(snapshot)

    async def name_latest(self, snapshot: str) -> None:
        """Write which snapshot is the newest."""
        await self._put("latest-dir", snapshot.encode())

    async def put(self, key: str, data: bytes, *, is_public: bool = True) -> None:
        """Upload one object; reads of an object that is not public get a 403."""
        await self._put(key, data, is_public=is_public)

    async def delete(self, key: str) -> None:
        """Remove one object."""
        (await self._http.delete(f"{self.url()}/{quote(key)}")).raise_for_status()

    async def _put(self, key: str, data: bytes = b"", *, is_public: bool = True) -> None:
        reply = await self._http.put(f"{self.url()}/{quote(key)}", content=data, headers=_PUBLIC if is_public else {})
        reply.raise_for_status()

    async def _put_in_parts(self, key: str, data: bytes, size: int) -> None:
        url = f"{self.url()}/{quote(key)}"
        begun = (await self._http.post(f"{url}?uploads", headers=_PUBLIC)).raise_for_status()
        upload = ET.fromstring(begun.text).findtext("{*}UploadId")
        told = ""
        for number, first in enumerate(range(0, len(data), size), start=1):
            address = f"{url}?partNumber={number}&uploadId={upload}"
            part = (await self._http.put(address, content=data[first : first + size])).raise_for_status()
            told += f"<Part><PartNumber>{number}</PartNumber><ETag>{part.headers['ETag']}</ETag></Part>"
        body = f"<CompleteMultipartUpload>{told}</CompleteMultipartUpload>"
        (await self._http.post(f"{url}?uploadId={upload}", content=body)).raise_for_status()
