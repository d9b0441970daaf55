"""The API's description, OpenAPI 3.1, generated from the models that parse requests and make replies.

Served at `/api/openapi.json` and kept in docs/openapi.json, which a test compares.
"""

from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

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
from shared.http.messages import Answer, Call
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
from shared.version import VERSION

_REFS = "#/components/schemas/{model}"


class ErrorDocument(BaseModel):
    """Every error's body; the header `x-ms-error-code` repeats the code."""

    error: Problem


class Described(NamedTuple):
    """One route: where, what it does, what it takes and gives, and the errors that are its own."""

    method: str
    path: str
    summary: str
    reply: type[BaseModel]
    status: int = 200
    body: type[BaseModel] | None = None
    query: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()


_CLUSTER = ("subscription_id", "resource_group", "cluster_name")

ROUTES = (
    Described("get", "/health", "Liveness; touches nothing", Health),
    Described("get", "/health/ready", "Whether storage and the task hub answer", Readiness, errors=(503,)),
    Described(
        "get",
        "/blast/databases",
        "All databases of an account",
        DatabasePage,
        query=("account_name", "top", "after"),
        errors=(400, 403),
    ),
    Described("get", "/blast/databases/{db}", "One database", DatabaseDocument, query=("account_name",), errors=(400, 403, 404)),
    Described(
        "post",
        "/blast/databases/{db}/shard",
        "Start a shard run",
        ShardAccepted,
        status=202,
        body=ShardRequest,
        errors=(400, 403, 404, 409, 503),
    ),
    Described(
        "post",
        "/blast/databases/{db}/restore",
        "Put a replaced layout back",
        RestoreAccepted,
        status=202,
        body=RestoreRequest,
        errors=(400, 403, 404, 409, 503),
    ),
    Described(
        "get",
        "/blast/databases/{db}/shard-sets/{n}",
        "One shard set with its texts",
        ShardSetDocument,
        query=("account_name",),
        errors=(400, 403, 404),
    ),
    Described(
        "post",
        "/blast/databases/{db}/verify",
        "The certificate of what is stored of a database",
        Certificate,
        body=VerifyRequest,
        errors=(400, 403, 404, 409, 503),
    ),
    Described(
        "get",
        "/operations",
        "Operations created since created_from (7 days ago), newest first; nextLink leads to older ones",
        OperationPage,
        query=("status", "kind", "created_from", "top", "after"),
        errors=(400,),
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
        errors=(400, 403, 404, 409, 502, 503),
    ),
    Described(
        "post",
        "/storage/prepare-db/{db}/cancel",
        "Ask such a copy to stop",
        PrepareAccepted,
        status=202,
        body=CancelPrepareRequest,
        errors=(400, 404, 503),
    ),
    Described(
        "post",
        "/warmup/start",
        "Warm a database on a cluster",
        WarmupAccepted,
        status=202,
        body=WarmupRequest,
        errors=(400, 403, 404, 409, 502, 503),
    ),
    Described(
        "post",
        "/warmup/release",
        "Remove what warms a database",
        WarmupAccepted,
        status=202,
        body=WarmupRequest,
        errors=(400, 403, 404, 409, 502, 503),
    ),
    Described("get", "/warmup/active", "Warmups under way", ActiveWarmups, query=_CLUSTER),
    Described("get", "/warmup/{id}/status", "One warmup", WarmupStatus, errors=(404,)),
    Described(
        "get", "/monitor/aks/warmup-status", "How warm a cluster's databases are", WarmSummary, query=_CLUSTER, errors=(400,)
    ),
)


async def describe_api(call: Call) -> Answer:  # noqa: ARG001 - routes have one signature
    """`GET /api/openapi.json`: this document."""
    return Answer(document())


@cache
def document() -> dict[str, Any]:
    """The whole description."""
    models = {model for route in ROUTES for model in (route.reply, route.body) if model is not None} | {ErrorDocument}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "serialization") for model in ordered], ref_template=_REFS)
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shardwarm", "version": VERSION},
        "servers": [{"url": "/api"}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key"}},
        },
        "security": [{"functionKey": []}],
    }


def _operation(route: Described) -> dict[str, Any]:
    in_path = [part.strip("{}") for part in route.path.split("/") if part.startswith("{")]
    parameters = [_parameter(name, "path") for name in in_path] + [_parameter(name, "query") for name in route.query]
    described: dict[str, Any] = {
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            str(route.status): {"description": "As asked", "content": _json(route.reply)},
            **{str(status): {"description": "Why not", "content": _json(ErrorDocument)} for status in route.errors},
        },
    }
    if route.body is not None:
        described["requestBody"] = {"required": True, "content": _json(route.body)}
    return described


def _parameter(name: str, where: str) -> dict[str, Any]:
    kind = "integer" if name in {"n", "top", "wait_ms"} else "string"
    return {"name": name, "in": where, "required": where == "path", "schema": {"type": kind}}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFS.format(model=model.__name__)}}}
