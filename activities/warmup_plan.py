"""A warmup's plan: choose N and assign shards to nodes. Writes nothing.

`plan_warmup`, `apply_warmup` and `check_warmup` decide by the same function on the same facts. A warmup therefore applies what
it planned, and the assignment does not have to travel between the steps.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from activities.binding import answering
from shared.agent.assignment import AssignmentDocument
from shared.agent.disk import DiskReserve
from shared.agent.pace import PUBLISH_SECONDS, PUBLISH_VARIABLE, report_seconds
from shared.blastdb.blobs import files_prefix, taxonomy_prefix
from shared.blastdb.generations import digest_of_texts
from shared.blastdb.listings import listed_files
from shared.blastdb.obstacles import refuse_obstructed
from shared.blastdb.volumes import files_of
from shared.clients import Clients
from shared.errors import Code, Conflict, Problem, Unusable
from shared.kube.parsing import WorkloadNode
from shared.runs.database.state import DatabaseState, expected
from shared.runs.warmup.assignment import assign
from shared.runs.warmup.clusters import ClusterRef, refuse_unfit
from shared.runs.warmup.facts import PodTerms, Requested
from shared.runs.warmup.file_names import refuse_shared_names, suspects
from shared.runs.warmup.labels import database_hash
from shared.runs.warmup.payloads import Planned, PlanWarmup, WarmPlan
from shared.runs.warmup.placement import place, refusal, terms_of
from shared.runs.warmup.seats import Seat, choose, requested_by_node
from shared.runs.warmup.sizing import Choice, DatabaseSize
from shared.runs.warmup.vm_sizes import memory_bytes
from shared.storage.inspection import read_state


class Decision(NamedTuple):
    """A decision: the choice of N with its reason, and the assignment document for the nodes."""

    choice: Choice
    document: AssignmentDocument


@answering(Planned)
async def plan_warmup(request: PlanWarmup, clients: Clients) -> Planned:
    """Plan a warmup for the cluster and the database as they are. Writes nothing; an obstacle is the reply's problem.

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
        strict=request.strict,
    )
    plan = WarmPlan(
        shard_count=document.shard_count,
        replicas=choice.replicas,
        digest=document.digest,
        texts=document.texts,
        nodes=len(document.nodes),
        node_bytes=choice.node_bytes,
        reason=choice.reason,
    )
    return Planned(plan=plan)


def terms(clients: Clients) -> PodTerms:
    """What agents' pods ask of a node, by the settings."""
    return terms_of(clients.settings.warmer_tolerations, clients.settings.warmer_architectures)


async def decide(
    clients: Clients,
    cluster: ClusterRef,
    account: str,
    db: str,
    *,
    shard_count: int | None,
    replicas: int | None,
    strict: bool,
) -> Decision:
    """Decide N and the assignment for a database and a cluster as they are now. The same facts give the same decision.

    It plans onto the nodes that can take an agent. `strict` refuses when other nodes of the pool cannot, as
    `shared.runs.warmup.placement.refusal` says.

    Raises:
        Forbidden: the settings do not allow the cluster or the account.
        NotFound: the cluster or the database does not exist.
        Conflict: the cluster is stopped, has no node to use, or cannot hold the database; the numbers are in the message, and
            the details say of nodes that cannot take an agent why not. Another warm database has a file of the same name.
        Unusable: the database has no shard set, or is refused as it stands.
        TransientFailure: storage, ARM or Kubernetes was busy.
    """
    refuse_unfit(cluster, await clients.clusters.facts(cluster))
    agents = await clients.agents(cluster)
    container = clients.accounts.container(account)
    nodes, requests, assignments, state, taxonomy = await asyncio.gather(
        agents.nodes(),
        agents.requests(),
        agents.assignments(),
        read_state(container, clients.control, db, (), None),
        container.list(taxonomy_prefix(db)),
    )
    refuse_obstructed(db, taxonomy)
    previous = next((one for one in assignments if one.db == db), None)
    await _refuse_shared_names(clients, assignments, db, [file.leaf for file in state.inventory.files])
    taken = requested_by_node(requests, database_hash(db))
    placed = place((node.facts for node in nodes), terms(clients), taken)
    refused = refusal(placed, strict=strict)
    if refused is not None:
        raise Conflict.of(refused)
    fit = [node for node in nodes if node.facts.name in placed.fit]
    seats = _seats(clients, fit, taken)
    size = _size(state)
    choice, candidates = choose(size, seats, requested=shard_count, replicas=replicas)
    if choice.problem is not None or choice.shard_count is None:
        raise Conflict.of(_with(placed.details, choice.problem or _nothing(db)))
    generation = state.generation
    same = previous is not None and previous.digest == generation.digest and previous.shard_count == choice.shard_count
    assignment = assign(
        choice.shard_count,
        candidates,
        previous.assignment if previous is not None and same else None,
        replicas=choice.replicas,
        shard_bytes=size.shard_bytes[choice.shard_count],
        companion_bytes=size.companion_bytes,
    )
    if isinstance(assignment, Problem):
        raise Conflict.of(_with(placed.details, assignment))
    document = AssignmentDocument(
        account=account,
        container_url=container.url,
        db=db,
        molecule=state.inventory.volumes.molecule,
        source_version=generation.source_version,
        digest=generation.digest,
        texts=digest_of_texts(state.stored[choice.shard_count].md5_by_name),
        shard_count=choice.shard_count,
        mode="hot",
        nodes=assignment.nodes,
        # Agents run on every node of the pool, with or without shards.
        report_seconds=report_seconds(len(nodes), _least_interval(clients)),
    )
    return Decision(choice, document)


async def _refuse_shared_names(
    clients: Clients, assignments: Sequence[AssignmentDocument], db: str, files: Sequence[str]
) -> None:
    warm = {one.db: one.account for one in assignments if one.mode != "evict"}
    for other in suspects(db, files, warm):
        listing = await clients.accounts.container(warm[other]).list(files_prefix(other))
        refuse_shared_names(db, files, other, (file.leaf for file in files_of(other, listed_files(other, listing))))


def _size(state: DatabaseState) -> DatabaseSize:
    inventory = state.inventory
    counts = [count for count in state.known.shard_sets if count <= inventory.volumes.count]
    if not counts:
        db = inventory.volumes.db
        raise Unusable(Code.SHARD_SET_NOT_FOUND, f"'{db}' has no shard set. Shard it first.", target=db)
    volumes = inventory.volume_bytes
    target = expected(inventory, state.statistics, counts, legacy_alias=False, record=state.pinned)
    return DatabaseSize(
        volume_bytes=sum(volumes),
        companion_bytes=inventory.total_bytes - sum(volumes),
        shard_bytes={count: layout.shard_bytes(volumes) for count, layout in target.layouts.items()},
    )


def _least_interval(clients: Clients) -> float:
    """The agents' own interval, by the settings. A value that is no number counts as absent; it ends the agent."""
    given = dict(clients.settings.warmer_environment).get(PUBLISH_VARIABLE, "")
    try:
        return max(1.0, float(given))
    except ValueError:
        return PUBLISH_SECONDS


def _seats(clients: Clients, nodes: Sequence[WorkloadNode], taken: Mapping[str, Requested]) -> list[Seat]:
    settings = clients.settings
    reserve = None if settings.warmer_disk == "other" else DiskReserve.of(dict(settings.warmer_environment))
    return [_seat(node, taken.get(node.facts.name, Requested()).memory_bytes, reserve) for node in nodes]


def _seat(node: WorkloadNode, taken: int, reserve: DiskReserve | None) -> Seat:
    memory, size = node.memory_bytes or memory_bytes(node.machine or ""), node.disk_bytes
    return Seat(
        node.facts.name,
        memory,
        max(0, (node.allocatable_bytes or memory) - taken),
        None if size is None or reserve is None else max(0, size - reserve.on(size)),
        node.machine,
    )


def _with(details: tuple[Problem, ...], problem: Problem) -> Problem:
    return problem.model_copy(update={"details": (*problem.details, *details)})


def _nothing(db: str) -> Problem:
    return Problem(code=Code.SHARD_SET_NOT_FOUND, message=f"'{db}' has no shard set to choose from. Shard it first.", target=db)
