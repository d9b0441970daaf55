"""Read-only client of the container of databases: listings, small texts, ranges of large blobs."""

from base64 import b64encode
from collections.abc import Callable
from hashlib import md5
from http.client import HTTPResponse
from typing import Protocol
from urllib.parse import quote, urlsplit
from xml.etree.ElementTree import ParseError, fromstring

from shared.agent.report import Reason
from shared.blastdb.blob_xml import read_blobs
from shared.blastdb.listings import ListedBlob
from shared.blastdb.reading import Span
from warmer.credentials import Credential
from warmer.failures import WarmFailure
from warmer.http import HttpClient
from warmer.retrying import RequestFailed, RetryBudget

_VERSION = "2021-12-02"
_TEXT_LIMIT_BYTES = 32 * 1024**2
RANGE_MD5_LIMIT_BYTES = 4 * 1024**2
"""The longest range whose MD5 the service will compute."""

_UNREADABLE = {
    "BlobArchived": (Reason.BLOB_ARCHIVED, "is in the archive tier. Rehydrate it to the hot or cool tier."),
    "BlobBeingRehydrated": (Reason.BLOB_ARCHIVED, "is still being rehydrated. Wait until it is in the hot or cool tier."),
    "BlobUsesCustomerSpecifiedEncryption": (
        Reason.BLOB_ENCRYPTED,
        "is encrypted with a key that its uploader provided. Upload it without such a key.",
    ),
}
"""The service's codes for a blob that is there and cannot be read, by the reason that a report gives. No repetition helps."""


class Range(Protocol):
    """A range of one blob that is being downloaded."""

    blob: ListedBlob
    wants_md5: bool
    """Whether to ask the service for the MD5 of the range, for a blob that has none of its own."""

    def first_and_last(self) -> tuple[int, int]:
        """The bytes to ask for. It is called before each try, so that no byte is asked for twice."""
        ...

    def receive(self, answer: HTTPResponse) -> None:
        """Read the answer.

        Raises:
            RequestFailed: the answer broke off, or its MD5 does not match.
        """
        ...


class Storage:
    """Reads blobs of one container. Repeats each request while the retry budget lasts. Safe to share between threads."""

    def __init__(self, container_url: str, credential: Credential, budget: RetryBudget, timeout_seconds: float) -> None:
        self._path = urlsplit(container_url).path.rstrip("/")
        self._credential = credential
        self._budget = budget
        self._http = HttpClient(container_url, timeout_seconds)

    def close(self) -> None:
        """End the requests under way."""
        self._http.close()

    def list(self, prefix: str) -> list[ListedBlob]:
        """List all blobs below a prefix, page by page.

        Raises:
            WarmFailure: the container does not exist, or storage stayed out of reach.
        """
        blobs: list[ListedBlob] = []
        marker = ""
        while True:
            query = f"restype=container&comp=list&maxresults=5000&prefix={quote(prefix, safe='')}"
            page, marker = self._text("", f"{query}&marker={quote(marker, safe='')}" if marker else query, read_page)
            blobs += page
            if not marker:
                return blobs

    def read(self, name: str) -> bytes:
        """Read the whole of a small blob.

        Raises:
            WarmFailure: MissingFile, or storage stayed out of reach.
        """
        return self._text(name, "", bytes)

    def read_span(self, name: str, span: Span) -> bytes:
        """Read a span of a blob; fewer bytes where the blob ends.

        Raises:
            WarmFailure: MissingFile, or storage stayed out of reach.
        """
        return self._text(name, "", bytes, {"x-ms-range": f"bytes={span.offset}-{span.offset + span.size_bytes - 1}"})

    def stream(self, wanted: Range) -> None:
        """Download a range; a retry continues where the answer broke off.

        Raises:
            WarmFailure: GenerationMismatch if the blob was replaced after the listing, MissingFile, or StorageUnavailable.
        """
        blob = wanted.blob
        more = {"x-ms-range-get-content-md5": "true"} if wanted.wants_md5 else {}

        def once() -> None:
            first, last = wanted.first_and_last()
            headers = self._headers({"x-ms-range": f"bytes={first}-{last}", "If-Match": blob.etag, **more})
            with self._http.ask("GET", self._target(blob.name, ""), headers) as answer:
                wanted.receive(answer)

        self._ask(once, blob.name)

    def _text[T](self, name: str, query: str, parse: Callable[[bytes], T], headers: dict[str, str] | None = None) -> T:
        def once() -> T:
            with self._http.ask("GET", self._target(name, query), self._headers(headers or {})) as answer:
                if (answer.length or 0) > _TEXT_LIMIT_BYTES:
                    raise RequestFailed(answer.status, f"{answer.length} bytes are too many for a text")
                text = answer.read()
                told = answer.headers.get("Content-MD5")
                if told and not headers and told != b64encode(md5(text, usedforsecurity=False).digest()).decode():
                    raise RequestFailed(0, "the answer's MD5 does not match")
                return parse(text)

        return self._ask(once, name or "the listing")

    def _ask[T](self, once: Callable[[], T], what: str) -> T:
        try:
            return self._budget.attempt(once, what)
        except RequestFailed as failed:
            raise _failure(failed, what) from failed

    def _target(self, name: str, query: str) -> str:
        path = f"{self._path}/{quote(name, safe='/~')}" if name else self._path
        queries = "&".join(part for part in (query, self._credential.query()) if part)
        return f"{path}?{queries}" if queries else path

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        return {"x-ms-version": _VERSION, "Accept-Encoding": "identity", **self._credential.headers(), **more}


def read_page(text: bytes) -> tuple[list[ListedBlob], str]:
    """The blobs of one page of a listing, and the marker of the next page; empty after the last one.

    Raises:
        RequestFailed: the text is not a page of a listing, or only half of one.
    """
    try:
        page = fromstring(text)  # noqa: S314 - from our own storage account; expat refuses entity bombs by itself
    except ParseError as error:
        raise RequestFailed(0, f"an unreadable listing: {error}") from error
    return read_blobs(page), page.findtext("NextMarker") or ""


def _failure(failed: RequestFailed, what: str) -> WarmFailure:
    if failed.code in _UNREADABLE:
        reason, why = _UNREADABLE[failed.code]
        return WarmFailure(reason, f"'{what}' {why}")
    match failed.status:
        case 404:
            return WarmFailure(Reason.MISSING_FILE, f"'{what}' is not in storage: {failed.said}.")
        case 412 | 416:
            return WarmFailure(Reason.GENERATION_MISMATCH, f"Another program changed '{what}' in storage during the copy.")
        case _:
            return WarmFailure(Reason.STORAGE_UNAVAILABLE, f"Storage does not deliver '{what}': {failed.said}.")
