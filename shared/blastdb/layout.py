"""Layouts: the assignment of volumes to N shards; contiguous, balanced by bytes, without an empty shard.

The replaced system cut blocks of ceil(n/N) volumes. For 47 of the first 100 volume counts that left the last shards empty, and
so lost the preset (contract 1.5). Consumers read what a manifest lists, so the split is not part of the wire format.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict


class Layout(BaseModel):
    """A shard set as its cut points: shard i has the volumes cuts[i] (included) to cuts[i + 1] (excluded)."""

    model_config = ConfigDict(frozen=True)

    cuts: tuple[int, ...]

    @property
    def shard_count(self) -> int:
        """N."""
        return len(self.cuts) - 1

    def shard(self, index: int) -> tuple[int, int]:
        """The first volume of a shard, and the one after its last."""
        return self.cuts[index], self.cuts[index + 1]

    def shard_bytes(self, volume_bytes: Sequence[int]) -> tuple[int, ...]:
        """The bytes of each shard's volumes, without the database-level files, which every node needs once."""
        return tuple(sum(volume_bytes[start:stop]) for start, stop in zip(self.cuts, self.cuts[1:], strict=False))


class _Weights(NamedTuple):
    before: list[int]  # before[i] = weight of the volumes 0..i-1

    def between(self, start: int, stop: int) -> int:
        return self.before[stop] - self.before[start]


def split(volume_bytes: Sequence[int], shard_count: int) -> Layout:
    """The contiguous split into N shards whose largest shard is as small as possible.

    Several splits may have that largest shard. Of these, it takes the one where each shard in turn takes volumes until it has
    an even share of the rest. Volumes of equal size therefore give counts that differ by at most one, the larger ones first.

    Raises:
        ValueError: there are fewer volumes than shards, or no shard is asked for.
    """
    count = len(volume_bytes)
    if not 1 <= shard_count <= count:
        raise ValueError(f"{count} volumes cannot make {shard_count} shards")
    # If no volume has a byte, every split is equally good. Weighing each volume as 1 keeps the split even.
    weights = _Weights([0, *accumulate(volume_bytes if any(volume_bytes) else [1] * count)])
    limit = _smallest_limit(weights, count, shard_count)
    needed = _shards_needed(weights, count, limit)
    cuts = [0]
    for left in range(shard_count, 1, -1):
        cuts.append(_next_cut(weights, count, cuts[-1], left, limit, needed))
    return Layout(cuts=(*cuts, count))


def _smallest_limit(weights: _Weights, count: int, shard_count: int) -> int:
    low = max(weights.between(i, i + 1) for i in range(count))
    high = weights.between(0, count)
    while low < high:
        middle = (low + high) // 2
        if _shards_needed(weights, count, middle)[0] <= shard_count:
            high = middle
        else:
            low = middle + 1
    return low


def _shards_needed(weights: _Weights, count: int, limit: int) -> list[int]:
    """For each volume i, the fewest shards of at most `limit` bytes that hold the volumes i..count-1."""
    needed = [0] * (count + 1)
    stop = count
    for start in range(count - 1, -1, -1):
        while weights.between(start, stop) > limit:
            stop -= 1
        needed[start] = needed[stop] + 1
    return needed


def _next_cut(weights: _Weights, count: int, start: int, left: int, limit: int, needed: Sequence[int]) -> int:
    """The end of the shard that begins at `start`, when `left` shards (this one included) are still to fill."""
    rest = weights.between(start, count)
    cut = start
    for stop in range(start + 1, count - left + 2):
        if weights.between(start, stop) > limit:
            break
        if needed[stop] > left - 1:
            continue
        cut = stop
        if weights.between(start, stop) * left >= rest:
            break
    return cut
