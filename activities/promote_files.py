"""Put staged files in their place, by copies within the account."""

from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic

from activities.binding import answering
from shared.clients import Clients
from shared.copying.lanes import Done, run_pieces
from shared.copying.pieces import Piece, lane_of
from shared.copying.plans import require_plan
from shared.errors import Code, Conflict
from shared.runs.prepare import CopyFiles, CopyReceipt
from shared.storage.staging import Held, Staging


@answering(CopyReceipt)
async def promote_files(request: CopyFiles, clients: Clients) -> CopyReceipt:
    """Copy one lane's files from their staging names over what is in place, each on a condition.

    Safe to repeat: what is in place is left as it is. Nothing is begun once the lease's time is over.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    plan = await require_plan(container, request.db, request.source_version, request.digest)
    staging = Staging(container, request.db, plan.source_version)
    pieces = lane_of([Piece(file, 0, 1) for file in plan.files], request.lane, request.steering.lanes)
    promotion = _Promotion(staging, await staging.in_place(), await staging.held(), request)
    return await run_pieces(request.lane, pieces, request.steering.at_once, promotion.place)


class _Promotion:
    def __init__(self, staging: Staging, in_place: Mapping[str, Held], held: Mapping[str, Held], request: CopyFiles) -> None:
        self._staging = staging
        self._in_place = in_place
        self._held = held
        self._until = monotonic() + request.steering.slice_seconds
        self._write_before = request.write_before
        self._has_begun = False

    async def place(self, piece: Piece) -> Done:
        file = piece.file
        over, staged = self._in_place.get(file.leaf), self._held.get(self._staging.name(file))
        if over is not None and over.is_copy_of(file):
            return Done(file.size_bytes, is_done=True, files_done=1)
        if staged is None or not staged.is_copy_of(file):
            message = f"'{file.leaf}' is neither in place nor staged any more. Start again."
            raise Conflict(Code.DATABASE_CHANGED, message, target=file.leaf)
        if over is not None and over.blob.copying:
            return Done(pending=1)
        if (self._has_begun and monotonic() >= self._until) or datetime.now(UTC) >= self._write_before:
            return Done()
        self._has_begun = True
        if await self._staging.promote(file, over):
            return Done(file.size_bytes, is_done=True, files_done=1)
        return Done(pending=1)
