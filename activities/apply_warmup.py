"""Bring a cluster to a plan: labels that will not be true go first, then the ConfigMap, then the DaemonSet that reads it."""

from activities.binding import answering
from activities.plan_warmup import decide
from shared.clients import Clients
from shared.errors import Code, Problem
from shared.kube.manifests import WarmerSpec
from shared.runs.warmup import Applied, ApplyWarmup


@answering(Applied)
async def apply_warmup(request: ApplyWarmup, clients: Clients) -> Applied:
    """Write the assignment over the version that was read, and apply the DaemonSet on the server's side.

    Safe to repeat: what is as it should be is not written. Decides anew for nodes that came or went since the plan, but keeps
    to its N and generation; when they cannot be kept, that is the reply's problem.

    Raises:
        TransientFailure: storage, ARM or Kubernetes was busy; a retry helps.
    """
    plan = request.plan
    choice, document = await decide(
        clients, request.cluster, request.account, request.db, shard_count=plan.shard_count, replicas=request.replicas
    )
    if document.digest != plan.digest:
        message = f"'{request.db}' changed while its warmup was being planned. Start again."
        return Applied(problem=Problem(code=Code.DATABASE_CHANGED, message=message, target=request.db))
    warming = await clients.warming(request.cluster)
    await warming.mark_nodes(request.db, document.marks, may_add=False)
    wrote = await warming.write_assignment(document.model_copy(update={"run": request.run}))
    stored = await warming.assignment(request.db)
    assigned = wrote or (stored is not None and stored.run == request.run)
    # A request that changes restarts every agent: it is raised for a node that has to hold more, and not lowered again.
    node_bytes = max(plan.node_bytes, choice.node_bytes)
    rolled = await warming.apply(_spec(request, clients, document.digest, node_bytes, warming.namespace))
    return Applied(changed=assigned or rolled, assigned=assigned, node_bytes=node_bytes)


def _spec(request: ApplyWarmup, clients: Clients, digest: str, node_bytes: int, namespace: str) -> WarmerSpec:
    settings = clients.settings
    return WarmerSpec(
        namespace=namespace,
        db=request.db,
        account=request.account,
        shard_count=request.plan.shard_count,
        digest=digest,
        image=settings.warmer_image,
        memory_request_bytes=node_bytes,
        sas_secret=settings.warmer_sas_secret,
        client_id=settings.warmer_client_id,
        environment=dict(settings.warmer_environment),
    )
