"""Write one shard set's manifests and aliases."""

from shared import telemetry
from shared.clients import Clients
from shared.errors import ShardwarmError, TransientFailure
from shared.runs.shard import SetReceipt, UploadSet
from shared.storage.layouts import write_set

_LOG = telemetry.logger(__name__)


async def upload_shard_set(request: UploadSet, clients: Clients) -> SetReceipt:
    """Write what the set lacks, all blobs at once, each on a condition, each verified.

    Safe to repeat: blobs that are right already are left as they are.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    plan = request.plan
    right = 2 * plan.shard_count - plan.writes
    try:
        written = await write_set(
            clients.accounts.container(request.account),
            plan,
            request.volumes,
            request.statistics,
            changed=request.last_change,
            write_before=request.write_before,
        )
    except TransientFailure:
        raise
    except ShardwarmError as error:
        _LOG.warning(f"Shard set {plan.shard_count} failed: {error.problem.message}")
        return SetReceipt(shard_count=plan.shard_count, already_right=right, problem=error.problem)
    return SetReceipt(shard_count=plan.shard_count, written=written, already_right=right)
