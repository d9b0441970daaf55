"""The choice of N: the replaced system's table where it was right, exact arithmetic, and refusals that say what would do."""

import random
import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.blastdb.blobs import PRESETS
from shared.blastdb.layout import split
from shared.errors import Code
from shared.runs.warmup.capacity import budget_of, least_ceiling, load, room, shards_per_node
from shared.runs.warmup.sizing import DatabaseSize, NodePool, choose_shard_count
from shared.runs.warmup.vm_sizes import GIBIBYTE, machine, memory_bytes

CORE_NT_GIB = 269


def database(gib, sets=PRESETS, companions=0):
    """A database of so many GiB (it may be a fraction) whose shards are equal but for a byte."""
    total = int(Fraction(gib) * GIBIBYTE)
    shard_bytes = {count: tuple(total // count + (1 if shard < total % count else 0) for shard in range(count)) for count in sets}
    return DatabaseSize(volume_bytes=total, companion_bytes=companions, shard_bytes=shard_bytes)


def pool(nodes, name="Standard_E16s_v5"):
    return NodePool(memory_bytes=(memory_bytes(name),) * nodes, machine=name)


def like(machine_name, advice):
    """The pool that a piece of advice speaks of; a type's nodes show a little less than its name promises."""
    memory = machine(advice.machine).dependable_bytes if advice.machine else advice.memory_bytes
    return NodePool(memory_bytes=(memory or memory_bytes(machine_name),) * advice.nodes, machine=machine_name)


@pytest.mark.parametrize(
    ("gib", "nodes", "name", "expected"),
    [
        (CORE_NT_GIB, 8, "Standard_E16s_v5", 8),
        (CORE_NT_GIB, 10, "Standard_E16s_v5", 10),
        (CORE_NT_GIB, 5, "Standard_E32s_v5", 5),
        (CORE_NT_GIB, 3, "Standard_E64s_v5", 3),
        (CORE_NT_GIB, 3, "E32as_v7", 3),
        (1, 4, "Standard_E16s_v5", 4),
        (1, 1, "Standard_E16s_v5", 1),
    ],
)
def test_the_replaced_systems_expectations_hold_where_memory_allows(gib, nodes, name, expected):
    choice = choose_shard_count(database(gib), pool(nodes, name))

    assert (choice.fits, choice.shard_count, choice.shards_per_node) == (True, expected, 1)


@pytest.mark.parametrize(
    ("gib", "name", "formerly", "nodes_needed"),
    [
        # Five shards of 53.8 GiB on the one node are 269 GiB on 128 GiB of memory.
        (CORE_NT_GIB, "Standard_E16s_v5", 5, 5),
        # A type that is not known counts for 64 GiB. Nine halves hold the sum, but no set splits over nine nodes evenly.
        (CORE_NT_GIB, "Standard_Unknown", 10, 10),
        # The largest preset, although a tenth of 1,000 GiB does not fit half of 128 GiB either.
        (1000, "Standard_E16s_v5", 10, None),
    ],
)
def test_rows_where_the_replaced_system_promised_what_one_node_cannot_hold_are_refused(gib, name, formerly, nodes_needed):
    choice = choose_shard_count(database(gib), pool(1, name))

    assert formerly in PRESETS
    assert not choice.fits
    more = [advice for advice in choice.advice if advice.memory_bytes is None]
    assert [advice.nodes for advice in more] == ([nodes_needed] if nodes_needed else [])
    assert choice.problem.code == (Code.CLUSTER_TOO_SMALL if nodes_needed else Code.MACHINE_TOO_SMALL)


@pytest.mark.parametrize(("nodes", "formerly", "expected"), [(7, 8, 6), (9, 10, 8)])
def test_no_node_gets_two_shards_while_a_smaller_set_gives_each_one(nodes, formerly, expected):
    choice = choose_shard_count(database(CORE_NT_GIB), pool(nodes))

    assert formerly > nodes
    assert (choice.shard_count, choice.shards_per_node, choice.fits) == (expected, 1, True)


@pytest.mark.parametrize(
    ("gib", "floor"), [("64", 1), ("64.5", 2), ("128", 2), ("128.5", 3), ("269", 5), ("272.29", 5), ("0", 1), ("1", 1)]
)
def test_the_memory_floor_is_a_true_ceiling(gib, floor):
    assert choose_shard_count(database(gib), pool(10)).memory_floor == floor


def test_one_byte_above_half_of_the_memory_asks_for_a_shard_more():
    exactly, above = database(64), database(64 + Fraction(1, GIBIBYTE))

    assert choose_shard_count(exactly, pool(1)).fits
    refused = choose_shard_count(above, pool(1))

    assert refused.memory_floor == 2
    assert not refused.fits
    assert refused.node_bytes == refused.budget_bytes + 1
    assert "64.01 GiB" in refused.problem.message


def test_memory_is_checked_with_the_largest_shard_and_not_with_the_average():
    size = DatabaseSize(
        volume_bytes=100 * GIBIBYTE,
        shard_bytes={2: (70 * GIBIBYTE, 30 * GIBIBYTE), 3: (60 * GIBIBYTE, 20 * GIBIBYTE, 20 * GIBIBYTE)},
    )

    refused = choose_shard_count(size, pool(2))

    assert not refused.fits
    assert choose_shard_count(size, pool(3)).shard_count == 3


def test_what_every_node_needs_besides_its_shards_counts_once_a_node():
    fits = database(128, sets=(2,))
    too_much = database(128, sets=(2,), companions=1)

    assert choose_shard_count(fits, pool(2)).node_bytes == 64 * GIBIBYTE
    assert choose_shard_count(too_much, pool(2)).problem.code is Code.MACHINE_TOO_SMALL


def test_several_shards_share_a_node_when_no_set_gives_each_one():
    choice = choose_shard_count(database(100, sets=(5, 6, 8, 10)), pool(4))

    assert (choice.fits, choice.shard_count, choice.shards_per_node) == (True, 8, 2)
    assert choice.node_bytes == 25 * GIBIBYTE
    assert "loads the fullest node least" in choice.reason


def test_a_requested_count_above_the_nodes_is_used_when_memory_allows():
    choice = choose_shard_count(database(100), pool(3), requested=10)

    assert (choice.fits, choice.shard_count, choice.shards_per_node) == (True, 10, 4)
    assert choice.node_bytes == 40 * GIBIBYTE
    assert "as requested" in choice.reason


def test_a_requested_count_that_does_not_fit_is_refused_and_never_replaced():
    choice = choose_shard_count(database(CORE_NT_GIB), pool(8), requested=3)

    assert choice.shard_count == 3
    assert choice.problem.code is Code.MACHINE_TOO_SMALL
    assert any((advice.nodes, advice.shard_count, advice.memory_bytes) == (8, 8, None) for advice in choice.advice)
    assert "89.67 GiB" in choice.problem.message
    assert "64.00 GiB" in choice.problem.message


def test_a_requested_count_that_is_not_there_is_refused_with_those_that_are():
    choice = choose_shard_count(database(1, sets=(1, 2)), pool(3), requested=3)

    assert choice.problem.code is Code.SHARD_SET_NOT_FOUND
    assert choice.problem.target == "3"
    assert "the sets are 1, 2. Ask for one of these" in choice.problem.message


def test_only_available_sets_are_chosen():
    assert choose_shard_count(database(1, sets=(1, 2, 3)), pool(10)).shard_count == 3


def test_a_single_shard_goes_to_every_node_and_must_fit_each():
    fits = choose_shard_count(database(60, sets=(1,)), pool(8))
    refused = choose_shard_count(database(65, sets=(1,)), pool(8))

    assert (fits.shard_count, fits.replicas, fits.shards_per_node) == (1, 8, 1)
    assert refused.problem.code is Code.MACHINE_TOO_SMALL
    assert choose_shard_count(database(60, sets=(1,)), pool(8), replicas=1).replicas == 1


@pytest.mark.parametrize(("replicas", "expected", "per_node"), [(1, 10, 1), (2, 5, 1), (3, 3, 1), (10, 1, 1)])
def test_replicas_count_as_shards_of_a_node(replicas, expected, per_node):
    choice = choose_shard_count(database(50), pool(10), replicas=replicas)

    assert (choice.shard_count, choice.replicas, choice.shards_per_node) == (expected, replicas, per_node)


@pytest.mark.parametrize("replicas", [0, -1, 4])
def test_replicas_that_three_nodes_cannot_hold_apart_are_refused(replicas):
    choice = choose_shard_count(database(1), pool(3), replicas=replicas)

    assert choice.problem.code is Code.TOO_FEW_NODES
    assert choice.problem.target == "replicas"


def test_no_node_and_no_set_are_refused():
    assert choose_shard_count(database(1), pool(0)).problem.code is Code.NO_READY_NODES
    assert choose_shard_count(database(1, sets=()), pool(1)).problem.code is Code.SHARD_SET_NOT_FOUND


def test_a_refusal_says_how_many_nodes_or_which_machine_would_do():
    choice = choose_shard_count(database(CORE_NT_GIB), pool(1))

    assert choice.problem.message == (
        "1 shard of up to 269.00 GiB, and 0.00 GiB for every node, do not fit: of 128.00 GiB memory a node, shards may fill "
        "64.00 GiB; 1 node can hold 0 of 1. N = 5 fits 5 nodes like these. N = 1 fits 1 node with 538.00 GiB each, "
        "such as Standard_E96s_v5."
    )


def test_no_smaller_machine_is_advised_even_if_it_has_the_memory():
    choice = choose_shard_count(database(50, sets=(1,)), NodePool(memory_bytes=(8 * GIBIBYTE,), machine="Standard_E96s_v5"))

    assert machine(choice.advice[-1].machine).vcpus >= 96


def test_where_machines_differ_no_smaller_one_than_the_largest_is_advised():
    mixed = NodePool(memory_bytes=(512 * GIBIBYTE, 8 * GIBIBYTE))

    choice = choose_shard_count(database(280, sets=(2,)), mixed)

    assert [(advice.nodes, advice.memory_bytes) for advice in choice.advice] == [(2, 512 * GIBIBYTE)]
    assert "8.00 GiB to 512.00 GiB memory a node" in choice.problem.message


def test_a_machine_larger_than_any_known_is_described_by_its_memory_alone():
    choice = choose_shard_count(database(1000), pool(1))

    assert choice.advice[-1].machine is None
    assert "2000.00 GiB each." in choice.problem.message


def test_a_node_too_small_for_any_shard_does_not_stand_in_the_way_of_the_others():
    mixed = NodePool(memory_bytes=(128 * GIBIBYTE,) * 9 + (8 * GIBIBYTE,))

    choice = choose_shard_count(database(CORE_NT_GIB), mixed)

    assert (choice.fits, choice.shard_count, choice.shards_per_node) == (True, 8, 1)
    assert choice.budget_bytes == 64 * GIBIBYTE


def test_sizes_that_are_not_as_many_as_the_shards_are_no_database():
    with pytest.raises(ValidationError, match="as many sizes"):
        DatabaseSize(volume_bytes=1, shard_bytes={2: (1,)})


def test_a_choice_survives_the_wire():
    for nodes in (1, 8):
        choice = choose_shard_count(database(CORE_NT_GIB), pool(nodes))
        assert type(choice).model_validate_json(choice.model_dump_json()) == choice


volumes = st.builds(
    lambda count, seed, top: [random.Random(seed + index).randint(0, top) for index in range(count)],
    st.integers(1, 60),
    st.integers(0, 2**32),
    st.sampled_from([1, 1000, 40 * GIBIBYTE]),
)
pools = st.lists(st.sampled_from([1, 700, 30 * GIBIBYTE, 128 * GIBIBYTE, 512 * GIBIBYTE]), min_size=1, max_size=12)


def sized(volume_bytes, companions):
    layouts = {count: split(volume_bytes, count) for count in PRESETS if count <= len(volume_bytes)}
    return DatabaseSize(
        volume_bytes=sum(volume_bytes),
        companion_bytes=companions,
        shard_bytes={count: layout.shard_bytes(volume_bytes) for count, layout in layouts.items()},
    )


@given(volumes, pools, st.integers(0, 1000), st.none() | st.integers(1, 3), st.none() | st.sampled_from(PRESETS))
def test_law_what_fits_fits_on_every_node_that_gets_the_largest_shards(volume_bytes, memory, companions, replicas, requested):
    size = sized(volume_bytes, companions)
    choice = choose_shard_count(size, NodePool(memory_bytes=tuple(memory)), requested=requested, replicas=replicas)

    if not choice.fits:
        assert choice.problem.message
        return
    shard_bytes = size.shard_bytes[choice.shard_count]
    rooms = [room(shard_bytes, budget_of(one), companions) for one in memory]
    assert requested in (None, choice.shard_count)
    assert sum(min(choice.shards_per_node, one) for one in rooms) >= choice.shard_count * choice.replicas
    assert choice.node_bytes == load(shard_bytes, choice.shards_per_node, companions) <= choice.budget_bytes
    assert 2 * choice.budget_bytes <= max(memory)


@given(volumes, st.integers(1, 12), st.sampled_from([700, 30 * GIBIBYTE, 128 * GIBIBYTE]), st.none() | st.integers(1, 3))
def test_law_one_shard_a_node_is_chosen_whenever_some_set_allows_it(volume_bytes, nodes, memory, replicas):
    size = sized(volume_bytes, 0)
    choice = choose_shard_count(size, NodePool(memory_bytes=(memory,) * nodes), replicas=replicas)
    alone = [
        count
        for count, shard_bytes in size.shard_bytes.items()
        if count * (replicas or 1) <= nodes and 2 * max(shard_bytes) <= memory
    ]

    if choice.problem is None or choice.problem.code is not Code.TOO_FEW_NODES:
        assert (choice.fits and choice.shards_per_node == 1) == bool(alone)
        assert not alone or choice.shard_count == max(alone)


@given(volumes, st.integers(1, 6), st.sampled_from(["D2s_v3", "E16s_v5", "E96s_v5", "nothing"]), st.none() | st.integers(1, 3))
def test_law_all_advice_comes_true_and_none_is_a_downgrade(volume_bytes, nodes, name, replicas):
    size = sized(volume_bytes, 1000)
    choice = choose_shard_count(size, pool(nodes, name), replicas=replicas)

    for advice in choice.advice:
        assert advice.nodes >= nodes
        assert (advice.memory_bytes or memory_bytes(name)) >= memory_bytes(name)
        assert choose_shard_count(size, like(name, advice), requested=advice.shard_count, replicas=replicas).fits
        if advice.machine and machine(name):
            assert machine(advice.machine).vcpus >= machine(name).vcpus
    assert choice.fits == (not choice.advice) or choice.problem.code is Code.TOO_FEW_NODES
    assert choice.fits or re.search(r"[1-9]", choice.problem.message)


@given(st.integers(1, 32), st.integers(1, 500), st.integers(1, 4))
def test_law_alike_nodes_with_room_enough_hold_the_ceiling_of_the_average(shard_count, nodes, replicas):
    even = shards_per_node(shard_count, nodes, replicas)

    assert (even - 1) * nodes < shard_count * replicas <= even * nodes
    if replicas <= nodes:
        assert least_ceiling([shard_count] * nodes, shard_count, replicas) == even
        assert least_ceiling([even - 1] * nodes, shard_count, replicas) is None


def test_nobody_has_room_where_there_is_nobody():
    assert least_ceiling([], 1) is None
    assert room((1, 2, 3), 5) == 2
    assert room((1, 2, 3), 5, 6) == 0
