"""The node agents of one cluster: reads and writes the ConfigMap, DaemonSet and node labels of each warmed database.

The ConfigMap tells the agents their shards, and the next assignment starts from it. The DaemonSet carries a copy of it, so
that a reading needs only one object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import batched
from typing import TYPE_CHECKING, NamedTuple

from pydantic import ValidationError

from shared.agent.assignment import ASSIGNMENT_FILE, AssignmentDocument
from shared.errors import Misconfigured
from shared.kube import parsing
from shared.kube.errors import GoneError
from shared.kube.manifests import ASSIGNMENT_ANNOTATION, NAME_LABEL, WarmerSpec, config_map, daemon_set
from shared.kube.parsing import WORKLOAD_SELECTOR, WorkloadNode
from shared.runs.warmup.facts import PodRequest, Readings
from shared.runs.warmup.labels import DATABASE_LABEL, database_hash, database_label_prefix, object_name

if TYPE_CHECKING:
    from shared.kube.api import ApiServer
    from shared.kube.parsing import Json

_NODES = "/api/v1/nodes"
_AT_ONCE = 8
_NOT_ENDED = "status.phase!=Succeeded,status.phase!=Failed"
_OURS = f"app.kubernetes.io/name={NAME_LABEL}"


class ClusterReading(NamedTuple):
    """A warmed database as the cluster shows it at one moment."""

    document: AssignmentDocument
    readings: Readings


class Agents:
    """The warmed databases of one cluster. Errors come out as ours; see `ApiServer`."""

    def __init__(self, api: ApiServer, namespace: str) -> None:
        self._api = api
        self.namespace = namespace
        self._core = f"/api/v1/namespaces/{namespace}"
        self._apps = f"/apis/apps/v1/namespaces/{namespace}"

    async def nodes(self) -> tuple[WorkloadNode, ...]:
        """The nodes of the workload pool, sorted by name."""
        items = await self._api.list(_NODES, labelSelector=WORKLOAD_SELECTOR)
        return tuple(sorted(map(parsing.workload_node, items), key=lambda node: node.facts.name))

    async def requests(self) -> tuple[PodRequest, ...]:
        """The memory that pods request on nodes, one call a page of pods.

        An app that may not list the pods of every namespace sees only those of its own, which are the agents of warm databases.
        """
        try:
            return await self._requests("/api/v1/pods")
        except Misconfigured:
            return await self._requests(f"{self._core}/pods")

    async def _requests(self, path: str) -> tuple[PodRequest, ...]:
        pages = self._api.pages(path, fieldSelector=_NOT_ENDED)
        return tuple([found async for page in pages for item in page if (found := parsing.pod_request(item)) is not None])

    async def assignment(self, db: str) -> AssignmentDocument | None:
        """The assignment in the ConfigMap; None when it is absent or unreadable. A warmup then writes it again."""
        document, _ = await self._assignment(db)
        return document

    async def assignments(self) -> tuple[AssignmentDocument, ...]:
        """The assignments of all warm databases of the cluster, in one call for each page."""
        maps = await self._api.list(f"{self._core}/configmaps", labelSelector=_OURS)
        return tuple(found for item in maps if (found := _parsed(item)) is not None)

    async def read(self, db: str) -> ClusterReading | None:
        """Read one warmed database in three calls; None when the cluster has no assignment for it.

        The number of calls grows only with the pages of pods and nodes. If the DaemonSet is gone, a fourth call reads the
        ConfigMap.
        """
        daemon, pods, nodes = await asyncio.gather(
            self._daemon_set(db),
            self._api.list(f"{self._core}/pods", labelSelector=f"{DATABASE_LABEL}={database_hash(db)}"),
            self._api.list(_NODES, labelSelector=WORKLOAD_SELECTOR),
        )
        document = (_announced(daemon) if daemon is not None else None) or await self.assignment(db)
        return ClusterReading(document, _readings(daemon, pods, nodes)) if document is not None else None

    async def read_all(self) -> tuple[ClusterReading, ...]:
        """Read all warmed databases in four calls. The number of calls grows only with the pages of objects."""
        documents, daemons, pods, nodes = await asyncio.gather(
            self.assignments(),
            self._api.list(f"{self._apps}/daemonsets", labelSelector=_OURS),
            self._api.list(f"{self._core}/pods", labelSelector=_OURS),
            self._api.list(_NODES, labelSelector=WORKLOAD_SELECTOR),
        )
        by_name = {daemon["metadata"]["name"]: daemon for daemon in daemons}
        return tuple(
            ClusterReading(document, _readings(by_name.get(object_name(document.db)), _of(document.db, pods), nodes))
            for document in documents
        )

    async def mark_nodes(self, db: str, wanted: Mapping[str, Mapping[str, str]], *, may_add: bool = True) -> bool:
        """Set the node labels that say where a database's shards are, by node; False when the app may not label nodes.

        Safe to repeat: it writes only nodes that differ, and skips nodes that are gone. Without `may_add` it only removes
        labels.
        """
        changes: dict[str, dict[str, str | None]] = {}
        for node in await self.nodes():
            has = {mark: value for mark, value in node.marks.items() if mark.startswith(database_label_prefix(db))}
            wants = wanted.get(node.facts.name, {})
            kept = {mark: value for mark, value in wants.items() if may_add or has.get(mark) == value}
            if kept != has:
                changes[node.facts.name] = dict.fromkeys(has) | kept
        try:
            for batch in batched(changes.items(), _AT_ONCE, strict=False):
                await asyncio.gather(*(self._mark(name, labels) for name, labels in batch))
        except Misconfigured:
            return False
        return True

    async def write_assignment(self, document: AssignmentDocument) -> bool:
        """Write the assignment to the ConfigMap, on condition that it has not changed since it was read.

        Returns whether it wrote. A stored assignment that gives the agents the same work stays, with the run that wrote it.

        Raises:
            TransientFailure: another run wrote at the same time; read and decide again.
        """
        found, version = await self._assignment(document.db)
        if document.asks_the_same_as(found):
            return False
        body = config_map(self.namespace, document.db, document.render())
        if version is None:
            await self._api.create(f"{self._core}/configmaps", body)
        else:
            body["metadata"]["resourceVersion"] = version
            await self._api.replace(f"{self._core}/configmaps/{object_name(document.db)}", body)
        return True

    async def apply(self, spec: WarmerSpec) -> bool:
        """Apply the DaemonSet with the ConfigMap's assignment. Returns whether that rolls its pods. Safe to repeat."""
        before, document = await asyncio.gather(self._daemon_set(spec.db), self.assignment(spec.db))
        body = daemon_set(spec, document.render() if document is not None else "")
        after = await self._api.apply(f"{self._apps}/daemonsets/{object_name(spec.db)}", body)
        return before is None or before["metadata"].get("generation") != after["metadata"].get("generation")

    async def evict(self, db: str) -> bool:
        """Tell the agents of a database to free its memory and delete its files. Returns whether it wrote the assignment.

        Safe to repeat. Without an assignment it changes nothing.

        Raises:
            TransientFailure: another run wrote at the same time; read and decide again.
        """
        document = await self.assignment(db)
        if document is None:
            return False
        leaving = document.model_copy(update={"mode": "evict"})
        wrote = await self.write_assignment(leaving)
        told = {"metadata": {"annotations": {ASSIGNMENT_ANNOTATION: leaving.render()}}}
        with suppress(GoneError):
            await self._api.merge(f"{self._apps}/daemonsets/{object_name(db)}", told)
        return wrote

    async def remove(self, db: str) -> None:
        """Remove DaemonSet and ConfigMap; an object that is gone already counts as removed."""
        for path in (f"{self._apps}/daemonsets", f"{self._core}/configmaps"):
            try:
                await self._api.delete(f"{path}/{object_name(db)}")
            except GoneError:
                continue

    async def _mark(self, node: str, labels: Mapping[str, str | None]) -> None:
        with suppress(GoneError):
            await self._api.merge(f"{_NODES}/{node}", {"metadata": {"labels": dict(labels)}})

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


def _parsed(config_map: Json) -> AssignmentDocument | None:
    return _document(parsing.part(config_map, "data").get(ASSIGNMENT_FILE, ""))


def _announced(daemon_set: Json) -> AssignmentDocument | None:
    return _document(parsing.part(parsing.part(daemon_set, "metadata"), "annotations").get(ASSIGNMENT_ANNOTATION, ""))


def _document(text: str) -> AssignmentDocument | None:
    try:
        return AssignmentDocument.model_validate_json(text)
    except ValidationError:
        return None


def _readings(daemon_set: Json | None, pods: Sequence[Json], nodes: Sequence[Json]) -> Readings:
    return Readings(
        rollout=parsing.rollout(daemon_set) if daemon_set is not None else None,
        terms=parsing.terms(daemon_set) if daemon_set is not None else None,
        pods=tuple(map(parsing.pod, pods)),
        nodes=tuple(parsing.workload_node(node).facts for node in nodes),
    )


def _of(db: str, pods: Sequence[Json]) -> list[Json]:
    return [pod for pod in pods if parsing.part(parsing.part(pod, "metadata"), "labels").get(DATABASE_LABEL) == database_hash(db)]
