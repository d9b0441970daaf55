"""What can be wrong with the source, as our errors: 403 is told apart, a changed file is not a passing fault."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import ClientError, ClientResponse

from shared.errors import Code, Conflict, Misconfigured, NotFound, ShardwarmError, TransientFailure

_CHANGED = frozenset({404, 412, 416})
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


@asynccontextmanager
async def translated(target: str) -> AsyncGenerator[None]:
    """Run requests about one thing of the source.

    Raises:
        TransientFailure: it is out of reach, slow, or closed in the middle of an answer.
    """
    try:
        yield
    except (ClientError, TimeoutError, OSError) as error:
        message = f"NCBI's bucket cannot be reached or broke off: {type(error).__name__}."
        raise TransientFailure(Code.SOURCE_UNAVAILABLE, message, target=target, retry_after_seconds=30) from error


def refusal(reply: ClientResponse, target: str) -> ShardwarmError:
    """The error that a status stands for."""
    status = reply.status
    if status in {401, 403}:
        message = (
            "NCBI's bucket refuses to be read (403): it limits the rate, has closed, or SHARDWARM_NCBI_URL is wrong. "
            "Try again later."
        )
        return Misconfigured(Code.SOURCE_REFUSED, message, target=target)
    if status in _PASSING:
        message = f"NCBI's bucket is busy or failing ({status})."
        return TransientFailure(Code.SOURCE_UNAVAILABLE, message, target=target, retry_after_seconds=30)
    return Misconfigured(Code.SOURCE_REFUSED, f"NCBI's bucket answered with {status}.", target=target)


def file_refusal(reply: ClientResponse, leaf: str) -> ShardwarmError:
    """The same, of a file that a listing had: it has gone or is another one by now."""
    if reply.status in _CHANGED:
        return changed(leaf)
    return refusal(reply, leaf)


def changed(leaf: str) -> Conflict:
    """A file at the source is not the one that was planned."""
    message = f"'{leaf}' changed at the source while it was being copied. Start again; what is still the same is kept."
    return Conflict(Code.SOURCE_CHANGED, message, target=leaf)


def absent(db: str, version: str) -> NotFound:
    """The source has no such database."""
    message = f"NCBI's snapshot '{version}' has no files of a database called '{db}'."
    return NotFound(Code.SOURCE_NOT_FOUND, message, target=db)
