"""What warms databases in one cluster: the objects of each, read and brought to what they are to be."""

import asyncio

from pydantic import ValidationError

from shared.errors import Code, ShardwarmError, TransientFailure
from shared.kube import readings
from shared.kube.api import ApiServer, Json
from shared.kube.errors import GoneError, WrittenByAnotherError
from shared.kube.manifests import NAME_LABEL, WarmerSpec, config_map, daemon_set, database_hash, object_name
from shared.kube.readings import WORKLOAD_SELECTOR, WorkloadNode
from shared.runs.assignment import ASSIGNMENT_FILE, AssignmentDocument
from shared.runs.readings import Readings
from shared.sanitise import sanitised_line

_NODES = "/api/v1/nodes"


class Warming:
    """The warmed databases of one cluster. Errors come out as ours; see `ApiServer`."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self._api = api
        self.namespace = namespace
        self._core = f"/api/v1/namespaces/{namespace}"
        self._apps = f"/apis/apps/v1/namespaces/{namespace}"

    async def nodes(self) -> tuple[WorkloadNode, ...]:
        """The nodes of the workload pool, by name."""
        items = await self._api.list(_NODES, labelSelector=WORKLOAD_SELECTOR)
        return tuple(sorted(map(readings.workload_node, items), key=lambda node: node.facts.name))

    async def assignment(self, db: str) -> AssignmentDocument | None:
        """What the ConfigMap says; None when there is none, or none that can be read: it is then written anew."""
        document, _ = await self._assignment(db)
        return document

    async def assignments(self) -> tuple[AssignmentDocument, ...]:
        """Every database that is warmed here."""
        items = await self._api.list(f"{self._core}/configmaps", labelSelector=f"app.kubernetes.io/name={NAME_LABEL}")
        return tuple(found for item in items if (found := _parsed(item)) is not None)

    async def readings(self, db: str) -> Readings:
        """One look in three calls, whatever the number of nodes (up to a page of each)."""
        selector = f"shardwarm/database={database_hash(db)}"
        try:
            daemon, pods, nodes = await asyncio.gather(
                self._daemon_set(db),
                self._api.list(f"{self._core}/pods", labelSelector=selector),
                self._api.list(_NODES, labelSelector=WORKLOAD_SELECTOR),
            )
        except ShardwarmError as error:
            return Readings(trouble=sanitised_line(error.problem.message))
        return Readings(
            rollout=readings.rollout(daemon) if daemon is not None else None,
            pods=tuple(map(readings.pod, pods)),
            nodes=tuple(readings.workload_node(node).facts for node in nodes),
        )

    async def write_assignment(self, document: AssignmentDocument) -> bool:
        """Bring the ConfigMap to a document, over the version that was read; whether anything had to be written.

        Raises:
            TransientFailure: somebody else wrote at the same time; read and decide again.
        """
        found, version = await self._assignment(document.db)
        if found == document:
            return False
        body = config_map(self.namespace, document.db, document.render())
        try:
            if version is None:
                await self._api.create(f"{self._core}/configmaps", body)
            else:
                body["metadata"]["resourceVersion"] = version
                await self._api.replace(f"{self._core}/configmaps/{object_name(document.db)}", body)
        except WrittenByAnotherError as error:
            message = f"The assignment of '{document.db}' is being written by another run."
            raise TransientFailure(Code.WRITTEN_BY_ANOTHER, message, target=document.db) from error
        return True

    async def apply(self, spec: WarmerSpec) -> bool:
        """Bring the DaemonSet to a spec; whether that changed its generation. Safe to repeat."""
        before = await self._daemon_set(spec.db)
        after = await self._api.apply(f"{self._apps}/daemonsets/{object_name(spec.db)}", daemon_set(spec))
        return before is None or before["metadata"].get("generation") != after["metadata"].get("generation")

    async def remove(self, db: str) -> None:
        """Remove DaemonSet and ConfigMap; what is gone already counts as removed."""
        for path in (f"{self._apps}/daemonsets", f"{self._core}/configmaps"):
            try:
                await self._api.delete(f"{path}/{object_name(db)}")
            except GoneError:
                continue

    async def _daemon_set(self, db: str) -> Json | None:
        try:
            return await self._api.get(f"{self._apps}/daemonsets/{object_name(db)}")
        except GoneError:
            return None

    async def _assignment(self, db: str) -> tuple[AssignmentDocument | None, str | None]:
        try:
            found = await self._api.get(f"{self._core}/configmaps/{object_name(db)}")
        except GoneError:
            return None, None
        return _parsed(found), str(found["metadata"]["resourceVersion"])


def _parsed(item: Json) -> AssignmentDocument | None:
    try:
        return AssignmentDocument.model_validate_json(readings.part(item, "data").get(ASSIGNMENT_FILE, ""))
    except ValidationError:
        return None
