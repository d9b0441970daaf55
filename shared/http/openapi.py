"""The API's description (OpenAPI 3.1), generated from the models that parse requests and make replies.

The app serves it at `/api/openapi.json`. A test keeps docs/openapi.json equal to it.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, NamedTuple, cast

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from shared.errors import Problem
from shared.http.access import Role, require
from shared.http.messages import Answer, Call
from shared.http.ports import Backing
from shared.http.starting import Holder
from shared.runs.operations import Operation
from shared.runs.replies.models import Readiness
from shared.version import VERSION

type Handler = Callable[[Call, Backing], Awaitable[Answer]]
type LoneHandler = Callable[[Call], Awaitable[Answer]]


class ErrorDocument(BaseModel):
    """The body of every error. The header `x-ms-error-code` repeats its code."""

    error: Problem


class HeldDocument(ErrorDocument):
    """The body of a 409. With the code `LeaseHeld` it names the run that holds the database."""

    operation_id: str | None = None
    holder: Holder | None = None


class Route(NamedTuple):
    """One route: function name, handler, method, path, parameters, body, reply, and the errors that not every route has.

    `role` is what a caller needs. An open route has none: it needs no key either, reaches nothing outside the process, and has
    only the errors in `errors`.
    """

    name: str
    handler: Handler | LoneHandler
    method: str
    path: str
    summary: str
    reply: type[BaseModel] | None
    status: int = 200
    body: type[BaseModel] | None = None
    query: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    role: Role | None = Role.READ

    @property
    def is_open(self) -> bool:
        """Whether everybody may call it."""
        return self.role is None

    async def serve(self, call: Call, make_backing: Callable[[], Backing]) -> Answer:
        """The handler's reply, if the caller has the route's role. An open route makes no backing: it answers without settings.

        Raises:
            Forbidden: the caller is not signed in, or lacks the role. Nothing was read.
            Misconfigured: `make_backing` found the settings wrong.
        """
        if self.role is None:
            return await cast("LoneHandler", self.handler)(call)
        backing = make_backing()
        require(call, backing.settings, self.role)
        return await cast("Handler", self.handler)(call, backing)


_REFS = "#/components/schemas/{model}"
_ACCEPTED, _UNAVAILABLE = 202, 503
_OF_A_RUN = ("Operation-Location", "Location", "Retry-After")
_HEADERS = {
    "Operation-Location": ("string", "The URL where to follow the run"),
    "Location": ("string", "The same URL"),
    "Retry-After": ("integer", "Seconds to wait before the next look or try"),
    "x-ms-error-code": ("string", "The code in the body"),
}
_ERRORS: dict[int, tuple[Any, ...]] = {
    400: ("The request is wrong; `target` names the field", ErrorDocument),
    401: ("Not signed in; without a function key the platform itself answers, without a body", ErrorDocument),
    403: ("Not allowed: a role, an account, a cluster or a callback; `target` says which", ErrorDocument),
    404: ("It does not exist", ErrorDocument),
    409: ("Its state forbids this now; headers when a run holds it", HeldDocument, "Operation-Location", "Retry-After"),
    502: ("An operator must change a setting or grant a role", ErrorDocument, "Retry-After"),
    503: ("Busy or out of reach; try again", ErrorDocument, "Retry-After"),
}
"""By status: its description, its body, and its headers other than `x-ms-error-code`."""
_KEY_AND_ROLE = (
    "Every route with a role asks for the key. Where SHARDWARM_AUTH is entra, the platform's login must also give the caller "
    "that role."
)
_ERRORS_OF_ALL = (400, 401, 403, 502, 503)
_PARAMETERS = {
    **{name: {"type": "integer"} for name in ("n", "top", "wait_ms")},
    "created_from": {"type": "string", "format": "date-time"},
    "detail": {"type": "boolean"},
}


@cache
def document(routes: tuple[Route, ...]) -> dict[str, Any]:
    """The whole description of a table of routes."""
    models = {model for route in routes for model in (route.reply, route.body) if model is not None}
    models |= {ErrorDocument, HeldDocument}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schemas = models_json_schema([(model, "serialization") for model in ordered], ref_template=_REFS)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Shardwarm", "version": VERSION},
        "servers": [{"url": "/api"}],
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "headers": {name: {"description": what, "schema": {"type": kind}} for name, (kind, what) in _HEADERS.items()},
            "securitySchemes": {
                "functionKey": {"type": "apiKey", "in": "header", "name": "x-functions-key", "description": _KEY_AND_ROLE}
            },
        },
        "security": [{"functionKey": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    in_path = [part.strip("{}") for part in route.path.split("/") if part.startswith("{")]
    parameters = [_parameter(name, "path") for name in in_path] + [_parameter(name, "query") for name in route.query]
    errors = route.errors if route.is_open else sorted({*_ERRORS_OF_ALL, *route.errors})
    described: dict[str, Any] = {
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            str(route.status): {
                "description": "Success",
                "content": _json(route.reply),
                "headers": _headers(*_told(route)),
            },
            **{str(status): _error(route, status) for status in errors},
        },
    }
    if route.body is not None:
        described["requestBody"] = {"required": True, "content": _json(route.body)}
    described["security"] = [{"functionKey": [route.role.value]}] if route.role else []
    return described


def _told(route: Route) -> tuple[str, ...]:
    if route.status == _ACCEPTED:
        return _OF_A_RUN
    return ("Retry-After",) if route.reply is Operation else ()


def _error(route: Route, status: int) -> dict[str, Any]:
    if route.reply is Readiness and status == _UNAVAILABLE:
        return {"description": "A probe failed", "content": _json(Readiness), "headers": _headers("Retry-After")}
    description, model, *headers = _ERRORS[status]
    return {"description": description, "content": _json(model), "headers": _headers("x-ms-error-code", *headers)}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _parameter(name: str, where: str) -> dict[str, Any]:
    schema = _PARAMETERS.get(name, {"type": "string"})
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def _json(model: type[BaseModel] | None) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": _REFS.format(model=model.__name__)} if model else {"type": "object"}}}
