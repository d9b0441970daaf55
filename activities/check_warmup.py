"""Look whether a warm database still is what a warmup of today would make it."""

from datetime import UTC, datetime

from activities.plan_warmup import decide
from shared.clients import Clients
from shared.errors import ShardwarmError, TransientFailure
from shared.runs.reconcile import CheckWarmup, Warmth
from shared.runs.warm import status_of
from shared.sanitise import sanitised_line

_LENGTH = 120


async def check_warmup(request: CheckWarmup, clients: Clients) -> Warmth:
    """Decide as a warmup would and compare with what the cluster has; then look at the nodes. Reads only.

    Raises:
        TransientFailure: storage, ARM or Kubernetes was busy; a retry helps.
    """
    try:
        return await _check(request, clients)
    except TransientFailure:
        raise
    except ShardwarmError as error:
        return Warmth(trouble=sanitised_line(f"{error.problem.code.value}: {error.problem.message}", _LENGTH))


async def _check(request: CheckWarmup, clients: Clients) -> Warmth:
    warm = request.warm
    look = await (await clients.warming(warm.cluster)).look(warm.db)
    if look is None:
        return Warmth(again="the cluster has nothing of it any more")
    if look.document.mode == "evict":
        return Warmth()
    _, wanted = await decide(clients, warm.cluster, warm.account, warm.db, shard_count=warm.shard_count, replicas=warm.replicas)
    if wanted.digest != look.document.digest:
        return Warmth(again="its nodes hold an older generation")
    status = status_of(*look, datetime.now(UTC))
    if status.status == "Stale":
        return Warmth(again=sanitised_line(status.error or f"shards {', '.join(status.stale_shards)} are cold", _LENGTH))
    if not wanted.asks_the_same_as(look.document):
        return Warmth(again="nodes were replaced or added, and its shards belong on others")
    if status.status == "Failed":
        # The agents go on trying by themselves; what is in their way is in the warm status.
        return Warmth(trouble=f"{status.nodes_failed} nodes fail; see the warm status")
    return Warmth()
