"""HTTP client of one host: a kept-alive connection for each thread; every failure is a `RequestFailed`."""

import contextlib
import socket
import ssl
from collections.abc import Generator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Lock, local
from urllib.parse import urlsplit

from warmer.retrying import RequestFailed


class HttpClient:
    """Requests to the host of one URL. Blocking; safe to share between threads.

    It does not use aiohttp: `readinto` of a blocking socket decrypts and copies outside the interpreter's lock, in one thread
    for each connection, and needs no second thread for the disk.
    """

    def __init__(self, url: str, timeout_seconds: float, context: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port
        self._context = (context or ssl.create_default_context()) if parts.scheme == "https" else None
        self._timeout_seconds = timeout_seconds
        self._mine = local()
        self._lock = Lock()
        self._open: set[HTTPConnection] = set()

    @contextlib.contextmanager
    def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Generator[HTTPResponse]:
        """Send a request and yield its successful answer. The connection stays open if the caller reads all of the answer.

        Raises:
            RequestFailed: no answer, half an answer, or a failure status; also when reading in the `with` block fails.
        """
        connection = self._connection()
        try:
            connection.request(method, target, body=body, headers=dict(headers))
            answer = connection.getresponse()
            if answer.status >= 300:  # noqa: PLR2004 - HTTP's own number; nothing here redirects
                raise _failed(answer)  # noqa: TRY301 - the handlers below also handle failures while reading
            yield answer
            if not answer.isclosed():
                self._drop(connection)
        except RequestFailed as failed:
            if failed.status == 0:
                self._drop(connection)
            raise
        except (OSError, HTTPException) as error:
            self._drop(connection)
            raise RequestFailed(0, f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error
        except BaseException:
            self._drop(connection)
            raise

    def close(self) -> None:
        """Close every connection; a thread that waits on one gets `RequestFailed`."""
        with self._lock:
            connections = list(self._open)
            self._open.clear()
        for connection in connections:
            _shut(connection)

    def _connection(self) -> HTTPConnection:
        connection: HTTPConnection | None = getattr(self._mine, "connection", None)
        if connection is None:
            if self._context is None:
                connection = HTTPConnection(self._host, self._port, timeout=self._timeout_seconds)
            else:
                connection = HTTPSConnection(self._host, self._port, timeout=self._timeout_seconds, context=self._context)
            self._mine.connection = connection
            with self._lock:
                self._open.add(connection)
        return connection

    def _drop(self, connection: HTTPConnection) -> None:
        self._mine.connection = None
        with self._lock:
            self._open.discard(connection)
        connection.close()


def _failed(answer: HTTPResponse) -> RequestFailed:
    answer.read()
    code = answer.headers.get("x-ms-error-code", "")
    retry_after = answer.headers.get("Retry-After", "")
    seconds = float(retry_after) if retry_after.isdecimal() else 0.0
    return RequestFailed(answer.status, f"{answer.status} {code or answer.reason}", code=code, retry_after_seconds=seconds)


def _shut(connection: HTTPConnection) -> None:
    """Shut a connection down while a thread waits on it. Only closing it would leave that thread waiting."""
    with contextlib.suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)
