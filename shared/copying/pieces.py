"""Division of a copy: files into blocks, blocks into pieces, pieces among lanes. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from shared.runs.prepare.payloads import SourceFile


class Piece(NamedTuple):
    """Blocks `first` to `stop` (excluded) of a file; `is_first` of its pieces, whose lane also completes the file."""

    file: SourceFile
    first: int
    stop: int

    @property
    def is_first(self) -> bool:
        """Whether this piece's lane completes the file."""
        return self.first == 0


def block_count(file: SourceFile, block_bytes: int) -> int:
    """The number of blocks of a file; an empty file has one."""
    return max(1, -(-file.size_bytes // block_bytes))


def block_range(file: SourceFile, number: int, block_bytes: int) -> tuple[int, int]:
    """The offset and length of a block."""
    offset = number * block_bytes
    return offset, min(block_bytes, file.size_bytes - offset)


def block_id(number: int, block_bytes: int) -> str:
    """A block's id. All ids have one length, and they contain the block size, so that a changed setting never mixes blocks."""
    return f"{block_bytes:012d}-{number:06d}"


def pieces_of(files: Iterable[SourceFile], block_bytes: int, piece_blocks: int = 512) -> list[Piece]:
    """All pieces of all files, in order."""
    return [
        Piece(file, first, min(first + piece_blocks, count))
        for file in files
        for count in (block_count(file, block_bytes),)
        for first in range(0, count, piece_blocks)
    ]


def lane_of(pieces: Sequence[Piece], lane: int, lanes: int) -> list[Piece]:
    """The pieces of one lane, the same in every call."""
    return list(pieces[lane::lanes])
