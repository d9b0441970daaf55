"""Copy what one lane has to, from the source to the staged files."""

from datetime import UTC, datetime
from time import monotonic

from activities.binding import answering
from shared.clients import Clients
from shared.copying.lanes import Lane
from shared.copying.pieces import lane_of, pieces_of
from shared.copying.plans import require_plan
from shared.runs.prepare import CopyFiles, CopyReceipt
from shared.storage.staging import Staging


@answering(CopyReceipt)
async def copy_files(request: CopyFiles, clients: Clients) -> CopyReceipt:
    """Stage and verify files for the time of one slice.

    Safe to repeat: what is stored is not copied again. Files that failed for a passing reason are counted in the reply, and
    the next call tries them again; its problem is what no repetition cures.

    Raises:
        TransientFailure: storage could not be looked at; a retry helps.
    """
    container = clients.accounts.container(request.account)
    plan = await require_plan(container, request.db, request.source_version, request.digest)
    files = [file for file in plan.files if not file.kept]
    steering = request.steering
    pieces = lane_of(pieces_of(files, steering.block_bytes, steering.piece_blocks), request.lane, steering.lanes)
    # Whoever takes the lease over clears what is staged: nothing is to come after that.
    left = (request.write_before - datetime.now(UTC)).total_seconds()
    steering = steering.model_copy(update={"slice_seconds": min(steering.slice_seconds, left)})
    staging = Staging(container, request.db, plan.source_version)
    lane = Lane(plan.source_version, clients.bucket, staging, clients.relay, steering, monotonic)
    return await lane.copy(request.lane, pieces)
