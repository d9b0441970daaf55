"""A warmup's plan: the choice of N and the assignment, before anything of it is written.

Applying and checking decide by the same function on the same facts, so that what was promised is what is applied, and nothing
large has to travel between the two.
"""

import asyncio
from typing import NamedTuple

from activities.binding import answering
from shared.agent.assignment import AssignmentDocument
from shared.blastdb.blobs import taxonomy_prefix
from shared.blastdb.obstacles import refuse_obstructed
from shared.clients import Clients
from shared.errors import Code, Conflict, Problem, Unusable
from shared.kube.parsing import WorkloadNode
from shared.runs.database.state import DatabaseState, expected
from shared.runs.warmup.assignment import Candidate, assign
from shared.runs.warmup.capacity import budget_of
from shared.runs.warmup.clusters import ClusterRef, refuse_unfit
from shared.runs.warmup.payloads import (
    Planned,
    PlanWarmup,
    WarmPlan,
)
from shared.runs.warmup.sizing import Choice, DatabaseSize, NodePool, choose_shard_count
from shared.runs.warmup.vm_sizes import memory_bytes
from shared.storage.inspection import read_state


class Decision(NamedTuple):
    """What is to be done: the choice with its reason, and the document that says it to every node."""

    choice: Choice
    document: AssignmentDocument


@answering(Planned)
async def plan_warmup(request: PlanWarmup, clients: Clients) -> Planned:
    """Look at cluster and database and decide. Writes nothing; what forbids a warmup is the reply's problem.

    Raises:
        TransientFailure: storage, ARM or Kubernetes was busy; a retry helps.
    """
    choice, document = await decide(
        clients,
        request.cluster,
        request.account,
        request.db,
        shard_count=request.shard_count,
        replicas=request.replicas,
    )
    plan = WarmPlan(
        shard_count=document.shard_count,
        replicas=choice.replicas,
        digest=document.digest,
        nodes=len(document.nodes),
        node_bytes=choice.node_bytes,
        reason=choice.reason,
    )
    return Planned(plan=plan)


async def decide(
    clients: Clients, cluster: ClusterRef, account: str, db: str, *, shard_count: int | None, replicas: int | None
) -> Decision:
    """Decide for a database and a cluster as they are now. The same facts give the same decision.

    Raises:
        Forbidden, NotFound: cluster or database.
        Conflict: the cluster is stopped, has no node to use, or cannot hold the database; the numbers are in the message.
        Unusable: the database has no shard set, or is refused as it stands.
        TransientFailure: storage, ARM or Kubernetes was busy.
    """
    refuse_unfit(cluster, await clients.clusters.facts(cluster))
    agents = await clients.agents(cluster)
    container = clients.accounts.container(account)
    nodes, previous, state, taxonomy = await asyncio.gather(
        agents.nodes(),
        agents.assignment(db),
        read_state(container, clients.control, db, (), None),
        container.list(taxonomy_prefix(db)),
    )
    refuse_obstructed(db, taxonomy)
    usable = [node for node in nodes if node.facts.ready and node.facts.schedulable]
    size = _size(state)
    memories = tuple(map(_memory, usable))
    pool = NodePool(memory_bytes=memories, machine=next((node.machine for node in usable if node.machine), None))
    choice = choose_shard_count(size, pool, requested=shard_count, replicas=replicas)
    if choice.problem is not None or choice.shard_count is None:
        raise Conflict.of(choice.problem or _nothing(db))
    generation = state.generation
    same = previous is not None and previous.digest == generation.digest and previous.shard_count == choice.shard_count
    assignment = assign(
        choice.shard_count,
        [Candidate(node.facts.name, budget_of(memory)) for node, memory in zip(usable, memories, strict=True)],
        previous.assignment if previous is not None and same else None,
        replicas=choice.replicas,
        shard_bytes=size.shard_bytes[choice.shard_count],
        companion_bytes=size.companion_bytes,
    )
    if isinstance(assignment, Problem):
        raise Conflict.of(assignment)
    document = AssignmentDocument(
        account=account,
        container_url=container.url,
        db=db,
        molecule=state.inventory.volumes.molecule,
        source_version=generation.source_version,
        digest=generation.digest,
        shard_count=choice.shard_count,
        mode="hot",
        nodes=assignment.nodes,
    )
    return Decision(choice, document)


def _size(state: DatabaseState) -> DatabaseSize:
    inventory = state.inventory
    counts = [count for count in state.known.shard_sets if count <= inventory.volumes.count]
    if not counts:
        raise Unusable(Code.SHARD_SET_NOT_FOUND, f"'{inventory.volumes.db}' is not sharded.", target=inventory.volumes.db)
    volumes = inventory.volume_bytes
    target = expected(inventory, state.statistics, counts, legacy_alias=False, record=state.pinned)
    return DatabaseSize(
        volume_bytes=sum(volumes),
        companion_bytes=inventory.total_bytes - sum(volumes),
        shard_bytes={count: layout.shard_bytes(volumes) for count, layout in target.layouts.items()},
    )


def _memory(node: WorkloadNode) -> int:
    return node.memory_bytes or memory_bytes(node.machine or "")


def _nothing(db: str) -> Problem:
    return Problem(code=Code.SHARD_SET_NOT_FOUND, message=f"'{db}' has no shard set to choose from.", target=db)
