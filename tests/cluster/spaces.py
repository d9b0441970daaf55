"""A namespace of a test's own on the local cluster, and readings of what its pods say."""

from __future__ import annotations

from local.cluster.api import Api, ApiError
from tests.patience import PATIENCE_SECONDS, eventually


class Space:
    """A namespace of the test's own, with short ways to make pods and to wait for what becomes of them."""

    def __init__(self, api: Api, name: str) -> None:
        self.api = api
        self.name = name
        self.root = f"/api/v1/namespaces/{name}"

    async def make(self, kind: str, name: str, **content) -> dict:
        """Create an object of the core API."""
        return await self.api.create(f"{self.root}/{kind}", {"metadata": {"name": name}, **content})

    async def run(self, name: str, script: str, *, node: str | None = None, container=None, **spec) -> dict:
        """Create a pod whose one container runs a shell script; on any node of the workload pool, or on that one."""
        main = {"name": "main", "image": "machine:local", "command": ["sh", "-c", script], **(container or {})}
        where = {"nodeName": node} if node else {"nodeSelector": {"workload": "blast"}}
        tolerations = [{"key": "workload", "operator": "Exists"}]
        body = {"containers": [main], "tolerations": tolerations, "terminationGracePeriodSeconds": 2, **where, **spec}
        return await self.make("pods", name, spec=body)

    async def pod(self, name: str) -> dict:
        """A pod as it is now."""
        return await self.api.get(f"{self.root}/pods/{name}")

    async def until(self, name: str, says_yes, seconds: float = PATIENCE_SECONDS) -> dict:
        """Wait until something holds of a pod; returns the pod as it then is."""
        return await until(self.api, f"{self.root}/pods/{name}", says_yes, seconds)

    async def gone(self, name: str) -> None:
        """Wait until there is no pod of that name."""

        async def is_gone():
            try:
                await self.pod(name)
            except ApiError as error:
                return error.status == 404
            return False

        await eventually(is_gone)


async def until(api: Api, path: str, says_yes, seconds: float = PATIENCE_SECONDS) -> dict:
    """Wait until something holds of what is at a path; returns that as it then is."""
    found = None

    async def holds():
        nonlocal found
        found = await api.get(path)
        return says_yes(found)

    try:
        await eventually(holds, seconds)
    except TimeoutError:
        raise AssertionError(f"waited in vain; {path} is {found}") from None
    return found


def main_of(pod: dict) -> dict:
    """The status of a pod's first container."""
    return (pod["status"].get("containerStatuses") or [{"state": {}, "restartCount": 0, "ready": False, "lastState": {}}])[0]


def is_ready(pod: dict) -> bool:
    """Whether the pod's condition Ready is true."""
    return any(item["type"] == "Ready" and item["status"] == "True" for item in pod["status"].get("conditions", []))
