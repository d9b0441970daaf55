"""Machine types: the replaced system's table as it was, the families it lacked, and names in any spelling."""

import pytest

from shared.runs.warmup.vm_sizes import GIBIBYTE, MACHINES, UNKNOWN_MEMORY_BYTES, cheapest_with, machine, memory_bytes, normalise


@pytest.mark.parametrize(
    ("name", "vcpus", "memory_gib", "usd_per_hour"),
    [
        ("Standard_D2s_v3", 2, 8, 0.096),
        ("Standard_D4as_v7", 4, 16, None),
        ("Standard_HB120rs_v3", 120, 480, 3.6),
        ("Standard_HC44rs", 44, 352, 3.168),
        ("Standard_D64s_v3", 64, 256, 3.072),
        ("Standard_E64s_v3", 64, 432, 3.629),
        ("Standard_E64is_v3", 64, 504, 3.629),
        ("Standard_E16s_v5", 16, 128, 1.008),
        ("Standard_E32s_v5", 32, 256, 2.016),
        ("Standard_E96s_v5", 96, 672, 6.048),
        ("Standard_E32as_v7", 32, 256, 2.016),
        ("Standard_E96bs_v5", 96, 672, 7.296),
        ("Standard_L80s_v3", 80, 640, 6.24),
        ("Standard_L8as_v3", 8, 64, 0.624),
    ],
)
def test_the_replaced_systems_types_are_as_they_were(name, vcpus, memory_gib, usd_per_hour):
    assert MACHINES[name] == (name, vcpus, memory_gib, usd_per_hour)


def test_every_priced_type_of_the_replaced_system_is_there():
    assert sum(1 for row in MACHINES.values() if row.usd_per_hour is not None) == 36


@pytest.mark.parametrize(
    ("name", "memory_gib"),
    [
        ("Standard_E16s_v3", 128),
        ("Standard_E32s_v3", 256),
        ("Standard_E48s_v3", 384),
        ("Standard_E16ds_v5", 128),
        ("Standard_E64ds_v5", 512),
        ("Standard_E96ds_v5", 672),
        ("Standard_E96as_v5", 672),
        ("Standard_D16s_v5", 64),
        ("Standard_D96s_v5", 384),
        ("Standard_D32ds_v5", 128),
    ],
)
def test_the_types_that_the_replaced_system_lacked_have_their_familys_memory(name, memory_gib):
    assert memory_bytes(name) == memory_gib * GIBIBYTE


def test_the_machine_of_the_benchmark_is_not_taken_for_half_its_memory():
    assert memory_bytes("Standard_E16s_v3") == 2 * UNKNOWN_MEMORY_BYTES


@pytest.mark.parametrize("row", MACHINES.values(), ids=lambda row: row.name)
def test_every_type_is_found_under_its_own_name_whatever_its_case_and_without_prefix(row):
    assert machine(row.name) == row
    assert machine(row.name.upper()) == row
    assert machine(row.name.removeprefix("Standard_").lower()) == row
    assert row.dependable_bytes < row.memory_bytes


@pytest.mark.parametrize("name", ["", "Standard_", "Standard_X1_v9", "E16s_v5 ", "Standard_Standard_E16s_v5"])
def test_a_name_that_is_not_in_the_table_stays_as_it_is_and_counts_for_sixty_four_gibibytes(name):
    assert normalise(name) == name
    assert machine(name) is None
    assert memory_bytes(name) == 64 * GIBIBYTE


@pytest.mark.parametrize(
    ("needed_gib", "name"), [(100, "Standard_E16as_v7"), (240, "Standard_E32as_v7"), (500, "Standard_E96s_v5")]
)
def test_the_cheapest_sufficient_type_is_advised(needed_gib, name):
    assert cheapest_with(needed_gib * GIBIBYTE).name == name


def test_a_type_without_a_price_is_advised_only_when_no_other_will_do():
    assert cheapest_with(1, at_least=machine("E96ds_v5")).name == "Standard_E96s_v5"


def test_a_type_is_advised_only_when_its_nodes_really_show_so_much():
    assert cheapest_with(128 * GIBIBYTE).memory_gib > 128
    assert cheapest_with(121 * GIBIBYTE).memory_gib == 128


def test_no_smaller_machine_than_the_present_one_is_advised():
    present = machine("E48s_v5")

    advised = cheapest_with(1, at_least=present)

    assert (advised.vcpus, advised.memory_gib) == (48, 384)


def test_no_machine_is_advised_for_more_memory_than_any_has():
    assert cheapest_with(10**15) is None


def test_no_machine_with_fewer_processors_is_advised():
    assert cheapest_with(1, at_least=machine("D64s_v3")).name == "Standard_D64s_v3"
