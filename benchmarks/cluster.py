"""What a warmup costs beside the copying: the assignment of a large cluster, and the calls of one look at it."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from local.cluster import Cluster
from local.cluster.given import given_kubeconfig
from shared.agent.assignment import Assignment, AssignmentDocument
from shared.kube.agents import Agents
from shared.kube.api import ApiServer
from shared.kube.manifests import WarmerSpec
from shared.runs.warmup.assignment import Candidate, assign
from shared.runs.warmup.clusters import Access

if TYPE_CHECKING:
    from pathlib import Path

    from shared.errors import Problem
    from shared.kube.api import Json

_SEATS = 500
_SHARDS = 32
_REPLICAS = 100
_GIB = 2**30
_NODES = 100
_NAMESPACE = "shardwarm"
_DATABASE = "core_nt"
_ACCOUNT = "devstoreaccount1"
_DIGEST = "0" * 32


def assign_seconds(repeats: int) -> float:
    """The slowest of: a first assignment, one with 100 replicas, and one after every node that held a shard was lost."""
    seats = [Candidate(f"aks-blastpool-{number:04d}", 100 * _GIB) for number in range(_SEATS)]
    sizes = [8 * _GIB] * _SHARDS
    first = _assigned(assign(_SHARDS, seats, shard_bytes=sizes))
    left = [seat for seat in seats if seat.name not in first.nodes]

    def seconds(seats: list[Candidate], previous: Assignment | None, replicas: int) -> float:
        began = perf_counter()
        _assigned(assign(_SHARDS, seats, previous, replicas=replicas, shard_bytes=sizes))
        return perf_counter() - began

    cases: list[tuple[list[Candidate], Assignment | None, int]] = [(seats, None, 1), (seats, None, _REPLICAS), (left, first, 1)]
    return max(median(seconds(*case) for _ in range(repeats)) for case in cases)


async def poll_calls(root: Path) -> int | None:
    """HTTP requests of one look at a warmup on 100 nodes; None without a local cluster.

    The agents' image does not exist: their pods are counted, not run.
    """
    if given_kubeconfig() is not None or await Cluster.obstacle() is not None:
        return None
    async with Cluster(root, nodes=_NODES) as cluster:
        api = _Counted(cluster)
        try:
            agents = Agents(api, _NAMESPACE)
            nodes = await agents.nodes()
            await agents.write_assignment(_document({node.facts.name: (number % _SHARDS,) for number, node in enumerate(nodes)}))
            await agents.apply(_spec())
            while (reading := await agents.read(_DATABASE)) is None or len(reading.readings.pods) < _NODES:
                pass
            api.requests = 0
            reading = await agents.read(_DATABASE)
        finally:
            api.close()
        if reading is None or not len(reading.readings.nodes) == len(reading.document.nodes) == _NODES:
            raise RuntimeError(f"the reading of {_NODES} nodes saw {reading}")
        return api.requests


class _Counted(ApiServer):
    """The app's way to the API server, with the app's rights."""

    def __init__(self, cluster: Cluster) -> None:
        async def token() -> str:
            return cluster.app_token

        super().__init__(cluster.cluster_name, Access(cluster.app.server, cluster.app.authority), token)
        self.requests = 0

    async def _call(
        self, method: str, path: str, query: dict[str, str], body: Json | None = None, content_type: str | None = None
    ) -> Json:
        self.requests += 1
        return await super()._call(method, path, query, body, content_type)


def _document(nodes: dict[str, tuple[int, ...]]) -> AssignmentDocument:
    return AssignmentDocument(
        account=_ACCOUNT,
        container_url=f"https://{_ACCOUNT}.blob.example/blast-db",
        db=_DATABASE,
        molecule="nucl",
        source_version=None,
        digest=_DIGEST,
        shard_count=_SHARDS,
        mode="hot",
        nodes=nodes,
    )


def _spec() -> WarmerSpec:
    return WarmerSpec(
        namespace=_NAMESPACE,
        db=_DATABASE,
        account=_ACCOUNT,
        shard_count=_SHARDS,
        digest=_DIGEST,
        image="absent:local",
        memory_request_bytes=_GIB,
    )


def _assigned(found: Assignment | Problem) -> Assignment:
    if not isinstance(found, Assignment):
        raise TypeError(found.message)
    return found
