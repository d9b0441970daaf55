"""The routes as they are described: what each takes and gives, and the errors that are its own."""

from typing import NamedTuple

from pydantic import BaseModel

from shared.blastdb.certificate import Certificate
from shared.errors import Problem
from shared.http.bodies import (
    CancelPrepareRequest,
    PrepareRequest,
    RestoreRequest,
    ShardRequest,
    VerifyRequest,
    WarmupRequest,
)
from shared.http.starting import Holder
from shared.runs.documents import (
    ActiveWarmups,
    DatabaseDocument,
    DatabasePage,
    Health,
    OperationPage,
    PrepareAccepted,
    Readiness,
    RestoreAccepted,
    ShardAccepted,
    ShardSetDocument,
    WarmSummary,
    WarmupAccepted,
    WarmupStatus,
)
from shared.runs.operations import Operation


class ErrorDocument(BaseModel):
    """Every error's body; the header `x-ms-error-code` repeats the code."""

    error: Problem


class HeldDocument(ErrorDocument):
    """The body of a 409; with the code `LeaseHeld` it names the run that goes first."""

    operation_id: str | None = None
    holder: Holder | None = None


class Described(NamedTuple):
    """One route: where, what it does, what it takes and gives, and the errors that it has besides those of all.

    One that `is_open` asks for no key, and has no errors but its own.
    """

    method: str
    path: str
    summary: str
    reply: type[BaseModel] | None
    status: int = 200
    body: type[BaseModel] | None = None
    query: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    is_open: bool = False


_CLUSTER = ("subscription_id", "resource_group", "cluster_name")

ROUTES = (
    Described("get", "/health", "Liveness; touches nothing", Health, errors=(400,), is_open=True),
    Described("get", "/health/ready", "Whether storage and the task hub answer", Readiness),
    Described("get", "/openapi.json", "This description", None, is_open=True),
    Described("get", "/blast/databases", "All databases of an account", DatabasePage, query=("account_name", "top", "after")),
    Described("get", "/blast/databases/{db}", "One database", DatabaseDocument, query=("account_name",), errors=(404,)),
    Described(
        "post",
        "/blast/databases/{db}/shard",
        "Start a shard run",
        ShardAccepted,
        status=202,
        body=ShardRequest,
        errors=(404, 409),
    ),
    Described(
        "post",
        "/blast/databases/{db}/restore",
        "Put a replaced layout back",
        RestoreAccepted,
        status=202,
        body=RestoreRequest,
        errors=(404, 409),
    ),
    Described(
        "get",
        "/blast/databases/{db}/shard-sets/{n}",
        "One shard set with its texts",
        ShardSetDocument,
        query=("account_name",),
        errors=(404,),
    ),
    Described(
        "post",
        "/blast/databases/{db}/verify",
        "The certificate of what is stored of a database",
        Certificate,
        body=VerifyRequest,
        errors=(404, 409),
    ),
    Described(
        "get",
        "/operations",
        "Operations created since created_from (7 days ago), newest first; nextLink leads to older ones",
        OperationPage,
        query=("status", "kind", "created_from", "top", "after"),
    ),
    Described(
        "get", "/operations/{id}", "One operation; wait_ms waits for a change", Operation, query=("wait_ms",), errors=(404,)
    ),
    Described("post", "/operations/{id}/cancel", "Ask a run to stop", Operation, status=202, errors=(404, 409)),
    Described(
        "post",
        "/storage/prepare-db",
        "Copy a database from NCBI and shard it",
        PrepareAccepted,
        status=202,
        body=PrepareRequest,
        errors=(404, 409),
    ),
    Described(
        "post",
        "/storage/prepare-db/{db}/cancel",
        "Ask such a copy to stop",
        PrepareAccepted,
        status=202,
        body=CancelPrepareRequest,
        errors=(404,),
    ),
    Described(
        "post",
        "/warmup/start",
        "Warm a database on a cluster",
        WarmupAccepted,
        status=202,
        body=WarmupRequest,
        errors=(404, 409),
    ),
    Described(
        "post",
        "/warmup/release",
        "Remove what warms a database",
        WarmupAccepted,
        status=202,
        body=WarmupRequest,
        errors=(404, 409),
    ),
    Described("get", "/warmup/active", "Warmups under way", ActiveWarmups, query=_CLUSTER),
    Described("get", "/warmup/{id}/status", "One warmup", WarmupStatus, errors=(404,)),
    Described("get", "/monitor/aks/warmup-status", "How warm a cluster's databases are", WarmSummary, query=_CLUSTER),
)
