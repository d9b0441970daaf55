"""One lane's work: piece after piece, a few at once, until all is staged and verified or the slice of time is over."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from hashlib import md5
from typing import NamedTuple

from shared.copying.pieces import Piece, block_count, block_id, block_range
from shared.errors import Code, Problem, ShardwarmError, TransientFailure
from shared.ncbi.bucket import Bucket
from shared.ncbi.etags import agrees
from shared.runs.prepare import CopyReceipt, CopySteering, SourceFile
from shared.sanitise import sanitised_line
from shared.storage.staging import READ_BACK_BYTES, ForeignSourceError, Held, Staging

_SHOWN_FAILURES = 5
_LONGEST_MESSAGE = 120


class Relay:
    """Whether storage fetches blocks by itself. Found out once in a process: the first refusal decides."""

    def __init__(self) -> None:
        self.is_needed = False


class Done(NamedTuple):
    """What became of one piece: its bytes that are stored, those copied now, and whether its file is complete by it."""

    bytes_done: int = 0
    bytes_copied: int = 0
    is_done: bool = False
    files_done: int = 0


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

    async def copy(self, lane: int, pieces: list[Piece]) -> CopyReceipt:
        """Stage and verify these pieces. Safe to repeat: what is stored is not asked for again."""
        held = await self._staging.held()
        return await run_pieces(lane, pieces, self._steering.at_once, lambda piece: self._piece(piece, held))

    async def _piece(self, piece: Piece, held: Mapping[str, Held]) -> Done:
        file, size = piece.file, self._steering.block_bytes
        there = held.get(self._staging.name(file))
        mine = sum(block_range(file, number, size)[1] for number in range(piece.first, piece.stop))
        if there is not None and there.is_copy_of(file):
            return Done(mine, 0, is_done=True, files_done=int(piece.is_first))
        if there is not None:
            # Its blocks are a file already, which was not verified before somebody died.
            complete = piece.is_first and await self._verify(file)
            return Done(mine, 0, is_done=complete or not piece.is_first, files_done=int(complete))
        if file.size_bytes <= size and self._relay.is_needed:
            return await self._whole(file)
        return await self._blocks(piece, mine)

    async def _whole(self, file: SourceFile) -> Done:
        if self._is_over():
            return Done()
        data = await self._bucket.read(self._version, file, 0, file.size_bytes)
        if agrees(file.etag, md5(data, usedforsecurity=False).hexdigest()) is False:
            raise _differs(file)
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
        complete = await self._complete(file)
        return Done(done, copied, is_done=complete, files_done=int(complete))

    async def _block(self, file: SourceFile, number: int, offset: int, length: int) -> None:
        block = block_id(number, self._steering.block_bytes)
        if not self._relay.is_needed:
            try:
                await self._staging.stage_from(file, block, self._bucket.url(self._version, file), offset, length)
            except ForeignSourceError:
                self._relay.is_needed = True
            else:
                return
        await self._staging.stage(file, block, await self._bucket.read(self._version, file, offset, length))

    async def _complete(self, file: SourceFile) -> bool:
        """Make a file of all its blocks, those of other lanes included; False while some are missing."""
        size = self._steering.block_bytes
        wanted = [block_id(number, size) for number in range(block_count(file, size))] if file.size_bytes else []
        if len(wanted) > 1 and not set(wanted) <= set(await self._staging.blocks(file)):
            return False
        await self._staging.commit(file, wanted)
        return await self._verify(file)

    async def _verify(self, file: SourceFile) -> bool:
        """Digest what is stored, compare it with the source's ETag where that tells, and keep the digest."""
        if file.size_bytes > READ_BACK_BYTES:
            return True
        if self._is_over():
            return False
        digest, etag = await self._staging.read_back(file)
        if agrees(file.etag, digest) is False:
            await self._staging.discard(file, etag)
            raise _differs(file)
        await self._staging.seal(file, digest, etag)
        return True

    def _is_over(self) -> bool:
        """Whether the slice is over; never before one thing was begun, so that every call gets on."""
        is_over = self._has_begun and self._clock() >= self._until
        self._has_begun = True
        return is_over


async def run_pieces(lane: int, pieces: list[Piece], at_once: int, work: Callable[[Piece], Awaitable[Done]]) -> CopyReceipt:
    """Do the work for every piece, a few at once; what fails for a passing reason is counted, anything else ends it all."""
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
        failed=len(failures),
        failures=tuple(failures[:_SHOWN_FAILURES]),
        problem=stop[0] if stop else None,
    )


def _short(problem: Problem) -> Problem:
    return problem.model_copy(update={"message": sanitised_line(problem.message, _LONGEST_MESSAGE)})


def _differs(file: SourceFile) -> TransientFailure:
    message = f"'{file.leaf}' arrived with another MD5 than the source says; it is copied again."
    return TransientFailure(Code.VERIFICATION_FAILED, message, target=file.leaf)
