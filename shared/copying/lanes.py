"""One lane of a copy: it copies its pieces, a few at once, until all are staged and verified or its time slice is used up."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from shared.copying.pieces import Piece, block_count, block_id, block_range
from shared.copying.verifying import Verified, Verifier
from shared.errors import Problem, ShardwarmError, TransientFailure
from shared.ncbi.bucket import Bucket
from shared.runs.prepare.payloads import CopyReceipt, CopySteering, SourceFile
from shared.sanitise import sanitised_line
from shared.storage.staging import ForeignSourceError, StagedFile, Staging

_SHOWN_FAILURES = 5
_LONGEST_MESSAGE = 120
_MOST_REFUSALS = 3
"""After this many consecutive blocks that storage did not fetch, a call relays the rest; the next call tries storage again."""


class Relay:
    """Whether this app must relay every block because storage cannot fetch. Learnt once in a process, from storage's answer."""

    def __init__(self) -> None:
        self.is_needed = False


class Done(NamedTuple):
    """The outcome of one piece: its bytes that are stored, those copied and verified now, and whether it completes its file.

    `pending` counts files that storage itself is copying.
    """

    bytes_done: int = 0
    bytes_copied: int = 0
    is_done: bool = False
    files_done: int = 0
    bytes_verified: int = 0
    pending: int = 0


class Lane:
    """One call's work on one lane."""

    def __init__(
        self, version: str, bucket: Bucket, staging: Staging, relay: Relay, steering: CopySteering, clock: Callable[[], float]
    ) -> None:
        self._version = version
        self._bucket = bucket
        self._staging = staging
        self._relay = relay
        self._steering = steering
        self._clock = clock
        self._until = clock() + steering.slice_seconds
        self._has_begun = False
        self._refusals = 0
        self._verifier = Verifier(version, bucket, staging, steering.whole_bytes, self._is_over)

    async def copy(self, lane: int, pieces: list[Piece]) -> CopyReceipt:
        """Stage and verify these pieces. Safe to repeat: what is already stored is not copied again."""
        held = await self._staging.held()
        return await run_pieces(lane, pieces, self._steering.at_once, lambda piece: self._piece(piece, held))

    async def _piece(self, piece: Piece, held: Mapping[str, StagedFile]) -> Done:
        file, size = piece.file, self._steering.block_bytes
        there = held.get(self._staging.name(file))
        mine = sum(block_range(file, number, size)[1] for number in range(piece.first, piece.stop))
        if there is not None and there.is_copy_of(file):
            return Done(mine, 0, is_done=True, files_done=int(piece.is_first))
        if there is not None:
            # Its blocks are already a file, but the process that committed it ended before it verified it.
            return _ended(await self._verifier.verify(file), mine) if piece.is_first else Done(mine, 0, is_done=True)
        if file.size_bytes <= size and self._has_to_relay:
            return await self._whole(file)
        return await self._blocks(piece, mine)

    async def _whole(self, file: SourceFile) -> Done:
        if self._is_over():
            return Done()
        data = await self._bucket.read(self._version, file, 0, file.size_bytes)
        await self._verifier.verify_bytes(file, data)
        await self._staging.put(file, data)
        return Done(len(data), len(data), is_done=True, files_done=1)

    async def _blocks(self, piece: Piece, mine: int) -> Done:
        file, size = piece.file, self._steering.block_bytes
        stored = await self._staging.blocks(file)
        done, copied = 0, 0
        for number in range(piece.first, piece.stop):
            offset, length = block_range(file, number, size)
            if stored.get(block_id(number, size), 0) != length:
                if self._is_over():
                    break
                await self._block(file, number, offset, length)
                copied += length
            done += length
        if done < mine or not piece.is_first:
            return Done(done, copied, is_done=done == mine)
        return _ended(await self._complete(file), done, copied)

    async def _block(self, file: SourceFile, number: int, offset: int, length: int) -> None:
        block = block_id(number, self._steering.block_bytes)
        if not self._has_to_relay:
            try:
                await self._staging.stage_from(file, block, self._bucket.url(self._version, file), offset, length)
            except ForeignSourceError as error:
                # If the file at the source has changed, the read below reports it.
                self._relay.is_needed |= error.is_general
                self._refusals += 1
            else:
                self._refusals = 0
                return
        await self._staging.stage(file, block, await self._bucket.read(self._version, file, offset, length))

    async def _complete(self, file: SourceFile) -> Verified:
        """Commit and verify a file once all its blocks are stored in full, including those of other lanes."""
        size = self._steering.block_bytes
        wanted = {block_id(number, size): block_range(file, number, size)[1] for number in range(block_count(file, size))}
        if len(wanted) > 1 and not wanted.items() <= (await self._staging.blocks(file)).items():
            return Verified()
        await self._staging.commit(file, list(wanted) if file.size_bytes else [])
        return await self._verifier.verify(file)

    @property
    def _has_to_relay(self) -> bool:
        return self._relay.is_needed or self._refusals >= _MOST_REFUSALS

    def _is_over(self) -> bool:
        """Whether the time slice is used up. False until the first piece has started, so that every call makes progress."""
        is_over = self._has_begun and self._clock() >= self._until
        self._has_begun = True
        return is_over


async def run_pieces(lane: int, pieces: list[Piece], at_once: int, work: Callable[[Piece], Awaitable[Done]]) -> CopyReceipt:
    """Run the work for every piece, a few at once. A transient failure is counted; any other error stops the lane."""
    limit, failures, stop = asyncio.Semaphore(at_once), list[Problem](), list[Problem]()

    async def one(piece: Piece) -> Done:
        async with limit:
            if stop:
                return Done()
            try:
                return await work(piece)
            except TransientFailure as error:
                failures.append(_short(error.problem))
            except ShardwarmError as error:
                stop.append(error.problem)
            return Done()

    ended = await asyncio.gather(*map(one, pieces))
    return CopyReceipt(
        lane=lane,
        is_done=all(done.is_done for done in ended),
        files_done=sum(done.files_done for done in ended),
        bytes_done=sum(done.bytes_done for done in ended),
        bytes_copied=sum(done.bytes_copied for done in ended),
        bytes_verified=sum(done.bytes_verified for done in ended),
        failed=len(failures),
        failures=tuple(failures[:_SHOWN_FAILURES]),
        problem=stop[0] if stop else None,
        pending=sum(done.pending for done in ended),
    )


def _ended(verified: Verified, done: int, copied: int = 0) -> Done:
    return Done(done, copied, verified.is_done, int(verified.is_done), verified.bytes_read)


def _short(problem: Problem) -> Problem:
    return problem.model_copy(update={"message": sanitised_line(problem.message, _LONGEST_MESSAGE)})
