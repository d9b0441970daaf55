"""Microsoft's Python worker library, driven without the Functions host's protobuf messages."""

from __future__ import annotations

import contextvars
import json
import logging
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, override

import azure_functions_runtime.handle_event
import azure_functions_runtime.native_invocation
from azure_functions_runtime.bindings.datumdef import Datum
from azure_functions_runtime.utils.threadpool import start_threadpool_executor

from local.functions.wire import Answer, Failure, HttpCall, HttpReply, Invocation, LoadedFunction, Value

if TYPE_CHECKING:
    from pathlib import Path

# The library has no types.
_indexing: Any = azure_functions_runtime.handle_event
_invoking: Any = azure_functions_runtime.native_invocation

_failure: contextvars.ContextVar[Exception | None] = contextvars.ContextVar("failure", default=None)


class AppNotLoaded(Exception):  # noqa: N818 - named for what happened, as the house style asks
    """The app cannot be imported or indexed; the message carries the traceback."""


async def load(app: Path) -> list[LoadedFunction]:
    """Import the app and return its functions. Call it once per process, with the app's folder on `sys.path`.

    Raises:
        AppNotLoaded: with the reason; a retry in this process does not help.
    """
    start_threadpool_executor()
    init = SimpleNamespace(capabilities={}, function_app_directory=str(app))
    request = SimpleNamespace(
        request=SimpleNamespace(worker_init_request=init), properties={"host": "127.0.0.1", "protos": _protos()}
    )
    result = (await _indexing.worker_init_request(request)).result
    if result.status != _StatusResult.Success:
        raise AppNotLoaded(f"{result.exception.message}\n{result.exception.stack_trace}")
    indexed = cast("list[Any] | None", _indexing._metadata_result)  # noqa: SLF001 - the library returns it nowhere else
    if indexed is None:
        raise AppNotLoaded(f"there is no function_app.py in {app}")
    logging.getLogger("azure.functions").addFilter(_FailureCatcher())
    return [LoadedFunction(name=f.name, id=f.function_id, bindings=[json.loads(raw) for raw in f.raw_bindings]) for f in indexed]


async def invoke(invocation: Invocation) -> Answer:
    """Run one function; its exception is part of the answer. Run each invocation in its own task."""
    inputs = [(name, _datum(value)) for name, value in invocation.inputs.items()]
    ok, result, _outputs, error, stack = await _invoking.invocation_request_native(
        str(uuid.uuid4()), invocation.function_id, inputs, {}
    )
    if ok:
        return Answer(id=invocation.id, result=_value(result))
    cause = _failure.get()
    kind, message = (type(cause).__name__, str(cause)) if cause else ("RuntimeError", error or "")
    return Answer(id=invocation.id, failure=Failure(type=kind, message=message, stack=stack or ""))


class _FailureCatcher(logging.Filter):
    """Keeps the exception of a failed invocation, which the runtime logs but returns only as a repr.

    The runtime logs in the invocation's own task, so a context variable carries the exception to `invoke`.
    """

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and isinstance(record.exc_info[1], Exception):
            _failure.set(record.exc_info[1])
        return True


class _StatusResult(SimpleNamespace):
    Failure = 0
    Success = 1


class _BindingInfo(SimpleNamespace):
    undefined = 0
    out = 1
    inout = 2


def _protos() -> SimpleNamespace:
    """Stand-ins for the message classes that the runtime fills while it indexes an app."""
    names = ("WorkerInitResponse", "WorkerMetadata", "RpcFunctionMetadata", "RpcException", "RpcRetryOptions")
    plain = dict.fromkeys(names, SimpleNamespace)
    return SimpleNamespace(StatusResult=_StatusResult, BindingInfo=_BindingInfo, **plain)


def _datum(value: Value | HttpCall) -> Datum:
    if isinstance(value, Value):
        return Datum(value.text, value.kind)
    request = {
        "method": Datum(value.method, "string"),
        "url": Datum(value.url, "string"),
        "headers": {name: Datum(text, "string") for name, text in value.headers.items()},
        "params": {name: Datum(text, "string") for name, text in value.params.items()},
        "query": {name: Datum(text, "string") for name, text in value.query.items()},
        "body": Datum(value.body, "bytes"),
    }
    return Datum(request, "http")


def _value(datum: Any) -> Value | HttpReply | None:
    match datum.type if datum else None:
        case None:
            return None
        case "http":
            return _reply(datum.value)
        case "string":
            return Value(kind="string", text=datum.value)
        case "json":
            return Value(kind="json", text=datum.value)
        case "bytes":
            return Value(kind="string", text=datum.value.decode())
        case _:
            return Value(kind="json", text=json.dumps(datum.value))


def _reply(http: dict[str, Any]) -> HttpReply:
    cookies = [morsel.OutputString() for jar in http["cookies"] or () for morsel in jar.values()]
    headers = [(name, datum.value) for name, datum in http["headers"].items()]
    return HttpReply(status=int(http["status_code"].value), headers=headers, cookies=cookies, body=http["body"].value or b"")
