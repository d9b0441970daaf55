"""Errors of NCBI's bucket, translated into ours. A 403 has its own message; a changed file is a conflict, never transient."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import ClientError, ClientResponse

from shared.errors import Code, Conflict, Misconfigured, NotFound, ShardwarmError, TransientFailure

_CHANGED = frozenset({404, 412, 416})
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


@asynccontextmanager
async def translated(target: str) -> AsyncGenerator[None]:
    """Translate connection errors of the requests inside.

    Raises:
        TransientFailure: the bucket is out of reach, slow, or closed the connection in the middle of an answer.
    """
    try:
        yield
    except (ClientError, TimeoutError, OSError) as error:
        message = f"NCBI's bucket cannot be reached, or its answer broke off: {type(error).__name__}."
        raise TransientFailure(Code.SOURCE_UNAVAILABLE, message, target=target, retry_after_seconds=30) from error


def refusal(reply: ClientResponse, target: str) -> ShardwarmError:
    """The error for a reply's status."""
    status = reply.status
    if status in {401, 403}:
        message = (
            "NCBI's bucket refuses the app (403): it limits the rate, it is no longer public, or SHARDWARM_NCBI_URL is wrong. "
            "Try again later."
        )
        return Misconfigured(Code.SOURCE_REFUSED, message, target=target)
    if status in _PASSING:
        message = f"NCBI's bucket is busy or failing ({status})."
        return TransientFailure(Code.SOURCE_UNAVAILABLE, message, target=target, retry_after_seconds=30)
    return Misconfigured(Code.SOURCE_REFUSED, f"NCBI's bucket answered with {status}.", target=target)


def file_refusal(reply: ClientResponse, leaf: str) -> ShardwarmError:
    """The error for a reply about a listed file: a conflict when the file is gone or has changed, else as `refusal`."""
    if reply.status in _CHANGED:
        return changed(leaf)
    return refusal(reply, leaf)


def changed(leaf: str) -> Conflict:
    """The error for a file that is no longer the one in the plan."""
    message = f"'{leaf}' changed at the source while the run copied it. Start again; the new run keeps unchanged files."
    return Conflict(Code.SOURCE_CHANGED, message, target=leaf)


def absent(db: str, version: str) -> NotFound:
    """The error for a database that the snapshot does not have."""
    message = f"NCBI's snapshot '{version}' has no files of a database called '{db}'."
    return NotFound(Code.SOURCE_NOT_FOUND, message, target=db)
