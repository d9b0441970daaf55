"""Invocations of the app's functions by the triggers that are not durable work items: HTTP, events, schedules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local.functions.wire import Value

if TYPE_CHECKING:
    from local.functions.catalogue import BoundFunction
    from local.functions.supervisor import WorkerSupervisor
    from local.functions.wire import Answer, HttpCall

WEBHOOKS = "/runtime/webhooks/durabletask"
_LARGEST_MESSAGE = 2**31 - 1


class Caller:
    """Invokes functions in the current worker, with the durable client where a binding asks for it."""

    def __init__(self, supervisor: WorkerSupervisor, durable_client: Value) -> None:
        self._supervisor = supervisor
        self._durable_client = durable_client

    async def call(self, function: BoundFunction, trigger: Value | HttpCall) -> Answer:
        """Run a function once; waits while the worker is being restarted.

        Raises:
            WorkerLost: the worker ended during the call; the caller decides whether to retry.
        """
        inputs: dict[str, Value | HttpCall] = {function.trigger["name"]: trigger}
        for binding in function.others:
            if binding["type"] == "durableClient":
                inputs[binding["name"]] = self._durable_client
        worker = await self._supervisor.ready()
        return await worker.invoke(function.id, inputs)


def durable_client(task_hub: str, rpc_address: str, url: str) -> Value:
    """The payload of a durableClient binding, in the extension's form."""
    client: dict[str, Any] = {
        "taskHubName": task_hub,
        "connectionName": "",
        "creationUrls": {},
        "managementUrls": {},
        "baseUrl": url + WEBHOOKS,
        "httpBaseUrl": url + WEBHOOKS,
        "rpcBaseUrl": rpc_address,
        "requiredQueryStringParameters": "",
        "maxGrpcMessageSizeInBytes": _LARGEST_MESSAGE,
    }
    return Value(kind="string", text=json.dumps(client))
