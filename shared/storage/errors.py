"""Azure Storage's errors, translated at the edge: what a retry may cure, what a person must, and what is a race.

404 and failed conditions (409, 412) are answers and not failures: callers handle `ResourceNotFoundError` and
`ConditionFailed` where they mean something. Everything else becomes one of our errors, with its cause chained.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.errors import Code, Misconfigured, NotFound, ShardwarmError, TransientFailure
from shared.sanitise import sanitised_line

_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_FORBIDDEN = frozenset({401, 403})
_CONDITION_FAILED = frozenset({304, 409, 412})


class ConditionFailedError(Exception):
    """The blob is not as the condition of a write demands: somebody else wrote, or wrote before."""


@asynccontextmanager
async def translated(account: str, target: str) -> AsyncGenerator[None]:
    """Run storage calls about one blob or prefix; see the module for what comes out."""
    try:
        yield
    except (ResourceExistsError, ResourceModifiedError) as error:
        raise _conflict(account, target, error) from error
    except AzureError as error:
        raise _translate(account, target, error) from error


def _conflict(account: str, target: str, error: HttpResponseError) -> Exception:
    if error_code(error) in {"ContainerBeingDeleted", "LeaseIdMissing"}:
        return _translate(account, target, error)
    return ConditionFailedError(target)


def _translate(account: str, target: str, error: AzureError) -> ShardwarmError | AzureError | ConditionFailedError:
    reason = sanitised_line(str(error).split("\n", 1)[0], 160)
    if isinstance(error, ResourceNotFoundError):
        if error_code(error) == "ContainerNotFound":
            message = f"Account '{account}' has no container for databases. Create it, or correct SHARDWARM_CONTAINER."
            return NotFound(Code.CONTAINER_NOT_FOUND, message, target=account)
        return error
    if isinstance(error, (ServiceRequestError, ServiceResponseError)):
        message = f"Storage account '{account}' cannot be reached: {reason}"
        return TransientFailure(Code.STORAGE_UNAVAILABLE, message, target=target, retry_after_seconds=5)
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if isinstance(error, ClientAuthenticationError) or status in _FORBIDDEN:
        message = (
            f"Storage account '{account}' refuses the app: {reason} Grant its identity the role Storage Blob Data Contributor "
            "on the container; a new role takes some minutes to work."
        )
        return Misconfigured(Code.STORAGE_REFUSED, message, target=target)
    if status in _CONDITION_FAILED:
        return ConditionFailedError(target)
    if status is None or status in _PASSING:
        message = f"Storage account '{account}' is busy or failing: {reason}"
        return TransientFailure(Code.STORAGE_UNAVAILABLE, message, target=target, retry_after_seconds=5)
    return Misconfigured(Code.STORAGE_REFUSED, f"Storage account '{account}' refused a request: {reason}", target=target)


def error_code(error: HttpResponseError) -> str:
    """The service's own code; empty where there is none."""
    return str(getattr(error, "error_code", ""))
