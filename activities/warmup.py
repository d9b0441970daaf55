"""A warmup's steps: plan, apply, read, label nodes, evict, remove."""

from datetime import UTC, datetime

from activities.binding import answering
from activities.warmup_plan import decide, terms
from shared.agent.assignment import AssignmentDocument
from shared.agent.report import parse_report
from shared.clients import Clients
from shared.errors import Code, Problem, ShardwarmError, TransientFailure
from shared.kube.agents import ClusterReading
from shared.kube.manifests import WarmerSpec
from shared.runs.warmup.facts import Readings
from shared.runs.warmup.labels import labels_of
from shared.runs.warmup.payloads import (
    Applied,
    ApplyWarmup,
    Marked,
    MarkNodes,
    ReadWarmup,
    RemoveWarmup,
    WarmReading,
)
from shared.runs.warmup.reading import REASON_LENGTH, summarised
from shared.runs.warmup.status import status_of
from shared.sanitise import sanitised_line


@answering(Applied)
async def apply_warmup(request: ApplyWarmup, clients: Clients) -> Applied:
    """Apply a warmup: write the assignment over the version that was read, and apply the DaemonSet on the server's side.

    Safe to repeat: it writes only what differs. It decides again, because nodes may have come or gone since the plan, but it
    keeps the plan's N and generation. If they no longer fit, the reply's problem says so.

    Raises:
        TransientFailure: storage, ARM or Kubernetes was busy; a retry helps.
    """
    plan = request.plan
    choice, document = await decide(
        clients,
        request.cluster,
        request.account,
        request.db,
        shard_count=plan.shard_count,
        replicas=request.replicas,
        strict=request.strict,
    )
    if (document.digest, document.texts) != (plan.digest, plan.texts or document.texts):
        message = f"'{request.db}' changed while the run planned its warmup. Start again."
        return Applied(problem=Problem(code=Code.DATABASE_CHANGED, message=message, target=request.db))
    agents = await clients.agents(request.cluster)
    await agents.mark_nodes(request.db, labels_of(document), may_add=False)
    wrote = await agents.write_assignment(document.model_copy(update={"run": request.run}))
    stored = await agents.assignment(request.db)
    assigned = wrote or (stored is not None and stored.run == request.run)
    # A changed memory request restarts every agent. It therefore rises when a node must hold more, and never falls.
    node_bytes = max(plan.node_bytes, choice.node_bytes)
    rolled = await agents.apply(_spec(request, clients, document, node_bytes, agents.namespace))
    return Applied(changed=assigned or rolled, assigned=assigned, node_bytes=node_bytes)


def _spec(request: ApplyWarmup, clients: Clients, document: AssignmentDocument, node_bytes: int, namespace: str) -> WarmerSpec:
    settings = clients.settings
    return WarmerSpec(
        namespace=namespace,
        db=request.db,
        account=request.account,
        shard_count=request.plan.shard_count,
        digest=document.digest,
        texts=document.texts,
        image=settings.warmer_image,
        memory_request_bytes=node_bytes,
        terms=terms(clients),
        sas_secret=settings.warmer_sas_secret,
        client_id=settings.warmer_client_id,
        environment=dict(settings.warmer_environment),
    )


async def read_warmup(request: ReadWarmup, clients: Clients) -> WarmReading:
    """Read a warmup's state from DaemonSet, pods and nodes. A transient error is `Unknown`, never warm and never cold."""
    try:
        reading = await (await clients.agents(request.cluster)).read(request.db)
    except TransientFailure as error:
        return WarmReading(status="Unknown", trouble=sanitised_line(error.problem.message, REASON_LENGTH))
    except ShardwarmError as error:
        return WarmReading(status="Failed", reasons=(error.problem,))
    if reading is None:
        return WarmReading(status="Absent")
    if reading.document.mode == "evict":
        return _eviction(*reading)
    return summarised(status_of(*reading, datetime.now(UTC)), request.run)


def _eviction(document: AssignmentDocument, readings: Readings) -> WarmReading:
    """The reading while a database is being released: `nodes_ready` counts the nodes that have freed it."""
    reports = [parse_report(pod.report) if pod.report else None for pod in readings.pods]
    done = sum(
        1 for report in reports if report and (report.db, report.mode, report.phase) == (document.db, "evict", "completed")
    )
    return WarmReading(status="Stale", nodes_ready=done, nodes_total=len(reports))


@answering(Marked)
async def mark_nodes(request: MarkNodes, clients: Clients) -> Marked:
    """Label the warm nodes: read the cluster once more, and remove labels of other nodes, N or generations. Safe to repeat.

    Raises:
        TransientFailure: Kubernetes was busy; a retry helps.
    """
    agents = await clients.agents(request.cluster)
    reading = await agents.read(request.db)
    return Marked(marked=await agents.mark_nodes(request.db, _marks(reading) if reading is not None else {}))


def _marks(reading: ClusterReading) -> dict[str, dict[str, str]]:
    nodes = status_of(*reading, datetime.now(UTC)).nodes
    return {node: marks for node, marks in labels_of(reading.document).items() if node in nodes and nodes[node].state == "warm"}


@answering(Applied)
async def evict_warmup(request: RemoveWarmup, clients: Clients) -> Applied:
    """Tell the agents to free a database: remove its node labels and set the assignment's mode to `evict`.

    Safe to repeat. Without an assignment it only removes labels.

    Raises:
        TransientFailure: Kubernetes was busy, or another run wrote the assignment; a retry helps.
    """
    agents = await clients.agents(request.cluster)
    await agents.mark_nodes(request.db, {})
    return Applied(changed=await agents.evict(request.db))


@answering(Applied)
async def remove_warmup(request: RemoveWarmup, clients: Clients) -> Applied:
    """Remove labels, DaemonSet and ConfigMap. Safe to repeat: an object that is gone counts as removed.

    Raises:
        TransientFailure: Kubernetes was busy; a retry helps.
    """
    agents = await clients.agents(request.cluster)
    await agents.mark_nodes(request.db, {})
    await agents.remove(request.db)
    return Applied(changed=True)
