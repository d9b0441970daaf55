"""NCBI's bucket: the newest snapshot, the files that it has of a database, and ranges of those files.

Every request has a time limit and every listing a page limit. An empty listing is true only now and is never cached.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from time import monotonic
from urllib.parse import quote
from urllib.request import getproxies
from xml.etree import ElementTree as ET

import aiohttp
from yarl import URL

from shared.blastdb.names import InvalidNameError, snapshot_name
from shared.blastdb.volumes import is_file_of
from shared.errors import Code, Misconfigured, ShardwarmError, TransientFailure
from shared.ncbi.errors import absent, changed, file_refusal, refusal, translated
from shared.runs.prepare.payloads import SourceFile
from shared.settings import Settings

TAXONOMY = ("taxdb.btd", "taxdb.bti", "taxonomy4blast.sqlite3")
"""Files that all databases of a snapshot share; each database gets its own copy."""
_PAGES = 50
_PAGE = 1000
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
_LONGEST_PAGE_BYTES = 8 * 1024 * 1024
_CONNECTIONS = 64
_HINT_SECONDS, _FAILED_HINT_SECONDS, _HINT_TIMEOUT_SECONDS = 600.0, 60.0, 2.0


class Bucket:
    """The bucket, with one connection pool for the process's lifetime. Nothing connects before the first request."""

    def __init__(self, settings: Settings) -> None:
        self._base = settings.ncbi_url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=settings.ncbi_timeout_seconds)
        self._open: tuple[asyncio.AbstractEventLoop, aiohttp.ClientSession] | None = None
        self._hint: tuple[float, str | None] | None = None

    async def latest(self) -> str:
        """The newest snapshot's name.

        Raises:
            Misconfigured: the bucket refuses, or its answer is not a snapshot's name.
            TransientFailure: the bucket is out of reach; a retry helps.
        """
        async with self._get("latest-dir") as reply:
            if reply.status != 200:  # noqa: PLR2004 - the one good status
                raise refusal(reply, "latest-dir")
            text = (await _bounded(reply, 256)).decode(errors="replace").strip()
        try:
            return snapshot_name(text)
        except InvalidNameError as error:
            message = "NCBI's bucket does not name its newest snapshot: its file 'latest-dir' holds no snapshot name."
            raise Misconfigured(Code.SOURCE_REFUSED, message, target="latest-dir") from error

    async def latest_hint(self) -> str | None:
        """The newest snapshot as it was at most ten minutes ago; None when it is unknown. Never fails or waits for long."""
        now = monotonic()
        if self._hint is None or now >= self._hint[0]:
            try:
                async with asyncio.timeout(_HINT_TIMEOUT_SECONDS):
                    self._hint = now + _HINT_SECONDS, await self.latest()
            except (ShardwarmError, TimeoutError):
                self._hint = now + _FAILED_HINT_SECONDS, None
        return self._hint[1]

    async def files(self, version: str, db: str) -> tuple[SourceFile, ...]:
        """All files of a database in a snapshot, sorted by name, and the snapshot's taxonomy files.

        Raises:
            NotFound: the snapshot has no file of the database.
            Misconfigured, TransientFailure: as `latest`.
        """
        found = [file async for page in self._pages(f"{version}/{db}.") for file in page if is_file_of(db, file.leaf)]
        if not found:
            raise absent(db, version)
        shared = await asyncio.gather(*(self.find(version, leaf) for leaf in TAXONOMY))
        return tuple(sorted((*found, *(file for file in shared if file is not None)), key=lambda file: file.leaf))

    async def probe(self, version: str, db: str) -> None:
        """Check that a snapshot has files of a database. Stops at the first page that has one.

        Raises:
            NotFound, Misconfigured, TransientFailure: as `files`.
        """
        async for page in self._pages(f"{version}/{db}."):
            if any(is_file_of(db, file.leaf) for file in page):
                return
        raise absent(db, version)

    async def read(self, version: str, file: SourceFile, offset: int, length: int) -> bytes:
        """Read a range of a file, of exactly the content that its ETag names.

        Raises:
            Conflict: the file changed at the source.
            Misconfigured, TransientFailure: as `latest`; TransientFailure also when fewer bytes came than were asked for.
        """
        if not length:
            return b""
        headers = {"Range": f"bytes={offset}-{offset + length - 1}", "If-Match": f'"{file.etag}"'}
        async with self._get(f"{version}/{file.leaf}", headers) as reply:
            if reply.status not in {200, 206}:
                raise file_refusal(reply, file.leaf)
            if reply.headers.get("ETag", "").strip('"') not in {"", file.etag}:
                raise changed(file.leaf)
            data = await _bounded(reply, length)
            if reply.status == 200 and length != file.size_bytes:  # noqa: PLR2004 - the source ignored the range
                data = b""
        if len(data) != length:
            message = f"NCBI's bucket sent {len(data)} bytes of '{file.leaf}' instead of {length}."
            raise TransientFailure(Code.SOURCE_UNAVAILABLE, message, target=file.leaf)
        return data

    async def first_part_bytes(self, version: str, file: SourceFile) -> int | None:
        """The size of the first part of a file's multipart upload; None when the source does not tell it.

        Raises:
            TransientFailure: as `latest`.
        """
        url = self._url(f"{version}/{file.leaf}", "partNumber=1")
        async with translated(file.leaf), self._session().head(url) as reply:
            if reply.status in {200, 206}:
                return int(reply.headers.get("Content-Length", "0"))
            if isinstance(error := refusal(reply, file.leaf), TransientFailure):
                raise error
            return None

    async def require(self, version: str, file: SourceFile) -> None:
        """Check that a file at the source still has the size and ETag of the plan.

        Raises:
            Conflict: the file changed, or it is gone.
            Misconfigured, TransientFailure: as `latest`.
        """
        now = await self.find(version, file.leaf)
        if now is None or (now.size_bytes, now.etag) != (file.size_bytes, file.etag):
            raise changed(file.leaf)

    async def find(self, version: str, leaf: str) -> SourceFile | None:
        """One file of a snapshot; None when the snapshot lacks it.

        Raises:
            Misconfigured, TransientFailure: as `latest`.
        """
        async with translated(leaf), self._session().head(self._url(f"{version}/{leaf}")) as reply:
            if reply.status == 404:  # noqa: PLR2004 - the file does not exist
                return None
            if reply.status != 200:  # noqa: PLR2004 - the one good status
                raise refusal(reply, leaf)
            size = int(reply.headers.get("Content-Length", "0"))
            return SourceFile(leaf=leaf, size_bytes=size, etag=reply.headers.get("ETag", "").strip('"'))

    def url(self, version: str, file: SourceFile) -> str:
        """A file's public URL; storage copies from it."""
        return f"{self._base}/{quote(f'{version}/{file.leaf}')}"

    async def close(self) -> None:
        """Close the connection pool; for tests and tools."""
        if self._open is not None:
            await self._open[1].close()
            self._open = None

    async def _pages(self, prefix: str) -> AsyncGenerator[list[SourceFile]]:
        token = ""
        for _ in range(_PAGES):
            query = f"list-type=2&max-keys={_PAGE}&prefix={quote(prefix, safe='')}"
            # Tokens may hold characters that have a meaning in a query.
            query += f"&continuation-token={quote(token, safe='')}" if token else ""
            async with self._get("", query=query) as reply:
                if reply.status != 200:  # noqa: PLR2004 - the one good status
                    raise refusal(reply, prefix)
                page = _parse(await _bounded(reply, _LONGEST_PAGE_BYTES), prefix)
            yield [_file(item) for item in page.iterfind(f"{_NAMESPACE}Contents")]
            token = page.findtext(f"{_NAMESPACE}NextContinuationToken") or ""
            if page.findtext(f"{_NAMESPACE}IsTruncated") != "true":
                return
            if not token:
                message = "NCBI's bucket cut a listing short and sent no token to continue it."
                raise TransientFailure(Code.SOURCE_UNAVAILABLE, message, target=prefix)
        message = f"NCBI's bucket lists more than {_PAGES * _PAGE} files below '{prefix}'."
        raise Misconfigured(Code.SOURCE_REFUSED, message, target=prefix)

    @asynccontextmanager
    async def _get(
        self, key: str, headers: dict[str, str] | None = None, query: str = ""
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        async with translated(key), self._session().get(self._url(key, query), headers=headers) as reply:
            yield reply

    def _url(self, key: str, query: str = "") -> URL:
        return URL(f"{self._base}/{quote(key)}" + (f"?{query}" if query else ""), encoded=True)

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._open is None or self._open[0] is not loop:
            connector = aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=30)
            session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, auto_decompress=False, trust_env=bool(getproxies())
            )
            self._open = loop, session
        return self._open[1]


async def _bounded(reply: aiohttp.ClientResponse, limit: int) -> bytes:
    """The body; one that is longer than the limit is cut somewhere beyond it."""
    parts: list[bytes] = []
    length = 0
    async for part in reply.content.iter_chunked(256 * 1024):
        parts.append(part)
        length += len(part)
        if length > limit:
            break
    return b"".join(parts)


def _parse(text: bytes, prefix: str) -> ET.Element:
    try:
        # The operator chose the bucket, the answer is bounded, and expat refuses entities that expand without end.
        return ET.fromstring(text)  # noqa: S314
    except ET.ParseError as error:
        message = "NCBI's bucket answered a listing with something other than XML."
        raise TransientFailure(Code.SOURCE_UNAVAILABLE, message, target=prefix) from error


def _file(item: ET.Element) -> SourceFile:
    return SourceFile(
        leaf=(item.findtext(f"{_NAMESPACE}Key") or "").rpartition("/")[2],
        size_bytes=int(item.findtext(f"{_NAMESPACE}Size") or 0),
        etag=(item.findtext(f"{_NAMESPACE}ETag") or "").strip('"'),
    )
