"""Azure Storage's errors, translated at the edge by the table in `shared.storage.service_codes`.

A missing blob and a failed condition are answers and not failures: callers handle `ResourceNotFoundError` and
`ConditionFailedError` where they mean something. Everything else becomes one of our errors, with its cause chained.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import Enum

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.errors import Code, Misconfigured, ShardwarmError, TransientFailure
from shared.sanitise import sanitised_line
from shared.storage.service_codes import Meaning, Remedy, meaning_of


class ConditionFailedError(Exception):
    """The blob is not as the condition of a call demands: another client wrote it, or wrote it before."""


@asynccontextmanager
async def translated(account: str, target: str) -> AsyncGenerator[None]:
    """Run storage calls about one blob or prefix; see the module for what comes out."""
    try:
        yield
    except AzureError as error:
        raise _translate(account, target, error) from error


def _translate(account: str, target: str, error: AzureError) -> ShardwarmError | AzureError | ConditionFailedError:
    reason = sanitised_line(str(error).split("\n", 1)[0], 160)
    if isinstance(error, (ServiceRequestError, ServiceResponseError)):
        message = f"Storage account '{account}' cannot be reached: {reason}"
        return TransientFailure(Code.STORAGE_UNAVAILABLE, message, target=target, retry_after_seconds=5)
    meaning = _meaning(error)
    if isinstance(meaning, Remedy):
        about = account if meaning.code is Code.CONTAINER_NOT_FOUND else target
        return meaning.kind(meaning.code, meaning.sentence.format(account=account, target=target or account), target=about)
    match meaning:
        case "missing":
            return error
        case "raced":
            return ConditionFailedError(target)
        case "forbidden":
            message = (
                f"Storage account '{account}' refuses the app: {reason} Grant its identity the role Storage Blob Data "
                "Contributor on the container; a new role takes some minutes to work."
            )
            return Misconfigured(Code.STORAGE_REFUSED, message, target=target)
        case "passing":
            message = f"Storage account '{account}' is busy or failing: {reason}"
            return TransientFailure(Code.STORAGE_UNAVAILABLE, message, target=target, retry_after_seconds=5)
        case _:
            message = f"Storage account '{account}' refused a request: {reason}"
            return Misconfigured(Code.STORAGE_REFUSED, message, target=target)


def _meaning(error: AzureError) -> Meaning | Remedy:
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return meaning_of(error_code(error), error.status_code)
    # No answer of storage: the app has got no token.
    return "forbidden" if isinstance(error, ClientAuthenticationError) else "passing"


def error_code(error: HttpResponseError) -> str:
    """The service's own code; empty where there is none."""
    # The SDK gives a member of its enumeration, or for codes that it does not know a string.
    code: object = getattr(error, "error_code", None) or ""
    return str(code.value if isinstance(code, Enum) else code)
