"""The split of volumes over shards: it always exists, loses nothing, and no contiguous one is more even (contract 1.5)."""

import random
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.blobs import MAX_SHARDS, PRESETS
from shared.blastdb.layout import Layout, split
from shared.blastdb.volumes import MAX_VOLUMES

COUNTS = range(1, 121)
GIBIBYTE = 2**30


def sizes_of(count):
    """Volume sizes as they occur: alike but for the last, one outlier, and never the same twice."""
    chance = random.Random(count)
    sizes = [chance.randint(GIBIBYTE // 2, 4 * GIBIBYTE) for _ in range(count)]
    sizes[chance.randrange(count)] *= 5
    sizes[-1] //= 7
    return sizes


def least_largest(sizes, most_shards):
    """By dynamic programming, for N = 1..most_shards: the smallest largest shard of any split into N non-empty blocks."""
    before = [0, *accumulate(sizes)]
    count = len(sizes)
    row = before[:]
    answers = [row[count]]
    for shards in range(2, min(most_shards, count) + 1):
        above, row = row, [0] * (count + 1)
        for stop in range(shards, count + 1):
            end = before[stop]
            row[stop] = min(max(above[start], end - before[start]) for start in range(shards - 1, stop))
        answers.append(row[count])
    return answers


def blocks(layout, sizes):
    return [sizes[start:stop] for start, stop in pairwise(layout.cuts)]


def fits(sizes, shard_count, limit):
    """Whether some contiguous split keeps every shard within the limit; filling each shard up decides it."""
    shards, filled = 1, 0
    for size in sizes:
        if size > limit:
            return False
        filled += size
        if filled > limit:
            shards, filled = shards + 1, size
    return shards <= shard_count


@pytest.fixture(scope="module")
def layouts():
    """Every volume count to 120 with every preset not above it: (count, N) to sizes and layout."""
    made = {}
    for count in COUNTS:
        sizes = sizes_of(count)
        for shard_count in PRESETS:
            if shard_count <= count:
                made[count, shard_count] = sizes, split(sizes, shard_count)
    return made


def test_every_count_has_a_layout_for_every_preset_not_above_it(layouts):
    assert set(layouts) == {(count, preset) for count in COUNTS for preset in PRESETS if preset <= count}
    assert all(layout.shard_count == shard_count for (_, shard_count), (_, layout) in layouts.items())


def test_no_shard_is_empty_for_any_preset(layouts):
    assert [key for key, (_, layout) in layouts.items() if any(start >= stop for start, stop in pairwise(layout.cuts))] == []


def test_every_volume_is_in_exactly_one_shard_in_order(layouts):
    for (count, shard_count), (_, layout) in layouts.items():
        covered = [volume for index in range(shard_count) for volume in range(*layout.shard(index))]
        assert covered == list(range(count))


def test_the_largest_shard_is_the_smallest_that_any_contiguous_split_can_have(layouts):
    for count in COUNTS:
        best = least_largest(sizes_of(count), max(PRESETS))
        for shard_count in PRESETS:
            if shard_count <= count:
                sizes, layout = layouts[count, shard_count]
                assert max(layout.shard_bytes(sizes)) == best[shard_count - 1], (count, shard_count)


def test_equal_volumes_give_counts_that_differ_by_at_most_one_the_larger_first():
    for count in COUNTS:
        for shard_count in (*(preset for preset in PRESETS if preset <= count), min(count, MAX_SHARDS)):
            each, more = divmod(count, shard_count)
            layout = split([GIBIBYTE] * count, shard_count)
            assert [stop - start for start, stop in pairwise(layout.cuts)] == [each + 1] * more + [each] * (shard_count - more)


@pytest.mark.parametrize(
    ("shard_count", "sizes"),
    [
        (1, [83]),
        (2, [42, 41]),
        (3, [28, 28, 27]),
        (4, [21, 21, 21, 20]),
        (5, [17, 17, 17, 16, 16]),
        (6, [14] * 5 + [13]),
        (8, [11] * 3 + [10] * 5),
        (10, [9] * 3 + [8] * 7),
    ],
)
def test_eighty_three_equal_volumes_are_split_as_the_contract_says(shard_count, sizes):
    assert split([1] * 83, shard_count).shard_bytes([1] * 83) == tuple(sizes)


def test_the_counts_that_lost_a_preset_in_the_replaced_system_keep_it():
    broken = {3: [4], 4: [5, 6, 9], 5: [6, 7, 8, 11, 12, 16], 10: [11, 18, 21, 45, 61, 72, 81]}

    for shard_count, counts in broken.items():
        for count in counts:
            assert min(split([1] * count, shard_count).shard_bytes([1] * count)) >= 1


def test_volumes_without_a_byte_are_split_evenly():
    assert split([0] * 10, 4).cuts == (0, 3, 6, 8, 10)


def test_one_volume_larger_than_all_others_together_leaves_no_shard_empty():
    assert split([1, 1, 1, 10**12], 4).cuts == (0, 1, 2, 3, 4)
    assert split([10**12, 1, 1, 1], 3).shard_bytes([10**12, 1, 1, 1])[0] == 10**12


@pytest.mark.parametrize(("count", "shard_count"), [(0, 1), (3, 4), (3, 0), (3, -1)])
def test_what_cannot_be_split_is_refused(count, shard_count):
    with pytest.raises(ValueError, match="cannot make"):
        split([1] * count, shard_count)


def test_a_layout_is_its_cut_points():
    layout = Layout(cuts=(0, 9, 18, 20))

    assert layout.shard_count == 3
    assert [layout.shard(index) for index in range(3)] == [(0, 9), (9, 18), (18, 20)]


any_sizes = st.lists(st.one_of(st.integers(0, 5), st.integers(0, 10**12)), min_size=1, max_size=24)
many_sizes = st.builds(
    lambda count, seed, top: [random.Random(seed + index).randint(0, top) for index in range(count)],
    st.integers(1, MAX_VOLUMES),
    st.integers(0, 2**32),
    st.sampled_from([0, 1, 3, 1000, 10**12]),
)


@given(sizes=any_sizes, data=st.data())
def test_law_no_contiguous_split_has_a_smaller_largest_shard(sizes, data):
    shard_count = data.draw(st.integers(1, len(sizes)))

    layout = split(sizes, shard_count)

    assert max(layout.shard_bytes(sizes)) == least_largest(sizes, shard_count)[-1]


@given(sizes=many_sizes, data=st.data())
def test_law_a_thousand_volumes_and_thirty_two_shards_lose_nothing(sizes, data):
    shard_count = data.draw(st.integers(1, min(MAX_SHARDS, len(sizes))))

    layout = split(sizes, shard_count)

    assert layout.shard_count == shard_count
    assert [size for block in blocks(layout, sizes) for size in block] == sizes
    assert all(blocks(layout, sizes))
    largest = max(layout.shard_bytes(sizes))
    assert largest == 0 or not fits(sizes, shard_count, largest - 1)


@given(sizes=any_sizes, data=st.data())
def test_law_the_same_volumes_always_give_the_same_layout(sizes, data):
    shard_count = data.draw(st.integers(1, len(sizes)))

    assert split(list(sizes), shard_count) == split(tuple(sizes), shard_count)
