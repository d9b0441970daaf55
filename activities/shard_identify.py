"""A shard run's step that gives files without an MD5 their MD5."""

from datetime import UTC, datetime
from time import monotonic

from activities.binding import answering
from shared import telemetry
from shared.blastdb.blobs import files_prefix
from shared.blastdb.listings import ListedBlob, own_blobs
from shared.clients import Clients
from shared.errors import Code, Problem, ShardwarmError, TransientFailure
from shared.runs.shard.identifying import Identified, IdentifyFiles
from shared.storage.container import Container
from shared.storage.identifying import Outcome, store_md5

_LONGEST_SECONDS = 420.0
"""When a call gives up a file that it still reads: the host ends a function after ten minutes, and the engine repeats it."""
_LOG = telemetry.logger(__name__)


@answering(Identified)
async def identify_files(request: IdentifyFiles, clients: Clients) -> Identified:
    """Read one lane's files that have no MD5, and store it, for one time slice.

    Safe to repeat: files that have an MD5 by now, and files that change meanwhile, are passed over. A leased file is passed over
    too. Any other refusal ends the lane, because it holds for the other files as well and reading them would be in vain.

    Raises:
        TransientFailure: storage was busy; a retry helps.
    """
    container = clients.accounts.container(request.account)
    listing = own_blobs(request.db, await container.list(files_prefix(request.db)))
    lane = listing[request.lane :: request.steering.lanes]
    return await _Lane(request, container).identify(lane)


class _Lane:
    def __init__(self, request: IdentifyFiles, container: Container) -> None:
        self._request = request
        self._container = container
        self._began = monotonic()
        self._problem: Problem | None = None

    async def identify(self, lane: list[ListedBlob]) -> Identified:
        """Go on from the file at which the last call stopped; every call deals with at least one."""
        passed, files, size = self._request.passed, 0, 0
        while passed < len(lane):
            blob = lane[passed]
            passed += 1
            if blob.md5 is not None:
                continue
            if await self._outcome_of(blob) == "stored":
                files, size = files + 1, size + blob.size_bytes
            elif self._problem is not None and self._problem.code is not Code.BLOB_LEASED:
                passed = len(lane)
            if self._seconds >= self._request.steering.slice_seconds:
                break
        return Identified(passed=passed, is_done=passed >= len(lane), files=files, bytes=size, problem=self._problem)

    async def _outcome_of(self, blob: ListedBlob) -> Outcome | None:
        try:
            outcome = await store_md5(self._container, blob, self._is_over)
        except TransientFailure:
            raise
        except ShardwarmError as error:
            _LOG.warning(f"No MD5 is stored for '{blob.name}': {error.problem.message}")
            self._problem = self._problem or error.problem
            return None
        if outcome != "stored":
            _LOG.info(f"No MD5 is stored for '{blob.name}': {outcome}.")
        return outcome

    def _is_over(self) -> bool:
        return self._seconds >= _LONGEST_SECONDS or datetime.now(UTC) >= self._request.write_before

    @property
    def _seconds(self) -> float:
        return monotonic() - self._began
