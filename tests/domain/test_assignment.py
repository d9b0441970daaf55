"""Shards on nodes: all covered, none overloaded, nothing moves that need not, whatever happens to the nodes."""

import json
import random
from itertools import combinations, product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.agent.assignment import Assignment, AssignmentDocument
from shared.blastdb.layout import split
from shared.blastdb.volumes import MAX_VOLUMES
from shared.errors import Code, Problem
from shared.runs.warmup.assignment import Candidate, assign
from shared.runs.warmup.capacity import shards_per_node
from shared.runs.warmup.labels import database_hash, labels_of
from shared.runs.warmup.min_cost_flow import match
from tests.effort import lines_executed


def candidates(*names, budget=None):
    return [Candidate(name, budget) for name in names]


def pool(count, first=0):
    return [f"aks-blastpool-{number:03d}" for number in range(first, first + count)]


def gains(before, after):
    """What each node has to get that it did not have; nothing counts as had when N was another."""
    had = before.nodes if before.shard_count == after.shard_count else {}
    gained = {node: tuple(shard for shard in shards if shard not in had.get(node, ())) for node, shards in after.nodes.items()}
    return {node: shards for node, shards in gained.items() if shards}


def moved(before, after):
    return sum(map(len, gains(before, after).values()))


def check(assignment, names, shard_count, replicas=1):
    """Total cover and no overload."""
    assert set(assignment.nodes) <= set(names)
    assert all(len(assignment.holders(shard)) == replicas for shard in range(shard_count))
    assert max(map(len, assignment.nodes.values())) <= shards_per_node(shard_count, len(names), replicas)


def fewest_moves(ceilings, held, replicas):
    """By trying every matching: the fewest new pairs, or None."""
    choices = [list(combinations(range(len(ceilings)), replicas)) for _ in held]
    costs = [
        sum(not held[shard] >> node & 1 for shard, nodes in enumerate(chosen) for node in nodes)
        for chosen in product(*choices)
        if all(sum(node in nodes for nodes in chosen) <= ceiling for node, ceiling in enumerate(ceilings))
    ]
    return min(costs, default=None)


def test_a_fresh_assignment_goes_by_the_nodes_names():
    names = pool(3)

    assert assign(3, candidates(*reversed(names))).nodes == {names[0]: (0,), names[1]: (1,), names[2]: (2,)}
    assert assign(5, candidates(*names)).nodes == {names[0]: (0, 3), names[1]: (1, 4), names[2]: (2,)}
    assert assign(2, candidates(*names)).nodes == {names[0]: (0,), names[1]: (1,)}


def test_fresh_replicas_lie_on_distinct_nodes_evenly():
    assignment = assign(3, candidates("a", "b", "c"), replicas=2)

    assert assignment.nodes == {"a": (0, 1), "b": (0, 2), "c": (1, 2)}


def test_a_lost_node_moves_only_what_it_held():
    names = pool(5)
    before = assign(5, candidates(*names))

    after = assign(5, candidates(*names[:2], *names[3:]), before)

    assert gains(before, after) == {names[0]: (2,)}
    assert all(set(before.nodes[name]) <= set(after.nodes[name]) for name in after.nodes)


def test_a_replaced_node_gets_exactly_what_the_lost_one_held():
    names = pool(5)
    before = assign(5, candidates(*names))

    after = assign(5, candidates(*names[:2], *names[3:], "aks-blastpool-000000"), before)

    assert gains(before, after) == {"aks-blastpool-000000": (2,)}


def test_a_node_that_sorts_first_shifts_nobody():
    before = assign(3, candidates("b", "c", "d"))

    assert assign(3, candidates("a", "b", "c", "d"), before) == before


def test_a_cordoned_node_gives_up_its_shards_and_takes_none_back_unasked():
    names = pool(4)
    before = assign(3, candidates(*names))

    cordoned = assign(3, candidates(*names[1:]), before)
    uncordoned = assign(3, candidates(*names), cordoned)

    assert gains(before, cordoned) == {names[3]: (0,)}
    assert uncordoned == cordoned


def test_added_nodes_relieve_only_those_who_hold_too_many():
    before = assign(10, candidates(*pool(5)))

    after = assign(10, candidates(*pool(10)), before)

    check(after, pool(10), 10)
    assert moved(before, after) == 5
    assert all(set(after.nodes[name]) <= set(before.nodes[name]) for name in pool(5))


def test_more_replicas_add_and_fewer_take_away_without_a_move():
    one = assign(4, candidates(*pool(8)))
    two = assign(4, candidates(*pool(8)), one, replicas=2)

    assert moved(one, two) == 4
    assert moved(two, assign(4, candidates(*pool(8)), two, replicas=1)) == 0


def test_shards_of_another_count_are_other_volumes_and_count_for_nothing():
    before = Assignment(shard_count=4, nodes={"a": (1,), "b": (0,), "c": (2, 3)})

    after = assign(2, candidates("a", "b"), before)

    assert after.nodes == {"a": (0,), "b": (1,)}
    assert moved(before, after) == 2


def test_a_newcomer_makes_way_for_a_shard_that_returns_to_its_node():
    # Shard 0 holds a; shard 1 held both; one each must be found without moving anything.
    assert match([1, 1], [0b01, 0b11], 1) == [0b01, 0b10]
    assert match([1, 1], [0b11, 0b01], 1) == [0b10, 0b01]


@pytest.mark.parametrize(
    ("ceilings", "held", "replicas", "moves"),
    [([2, 0, 5, 3], [2, 13, 3, 12, 7], 2, 3), ([2, 0, 2, 2, 0], [16, 28], 1, 1)],
)
def test_rearrangements_that_a_careless_search_misses_are_found(ceilings, held, replicas, moves):
    matched = match(ceilings, held, replicas)

    assert sum((nodes & ~before).bit_count() for nodes, before in zip(matched, held, strict=True)) == moves
    assert fewest_moves(ceilings, held, replicas) == moves


def test_bytes_bound_what_a_node_gets():
    assignment = assign(4, [Candidate("a", 10), Candidate("b", 100), Candidate("c", 0)], shard_bytes=(10, 10, 10, 10))

    assert assignment.nodes == {"a": (0,), "b": (1, 2, 3)}


def test_what_every_node_needs_besides_counts_against_its_budget():
    assert assign(2, candidates("a", "b", budget=10), shard_bytes=(10, 10)).nodes == {"a": (0,), "b": (1,)}

    refused = assign(2, candidates("a", "b", budget=10), shard_bytes=(10, 10), companion_bytes=1)

    assert refused.code is Code.CLUSTER_TOO_SMALL


def test_what_does_not_fit_is_refused_with_numbers():
    refused = assign(8, candidates(*pool(3), budget=20), replicas=2, shard_bytes=[10] * 8)

    assert refused.code is Code.CLUSTER_TOO_SMALL
    assert "8 shards with 2 replicas need 16 places; 3 nodes have memory for 6." in refused.message


@pytest.mark.parametrize(
    ("count", "replicas", "code"),
    [(0, 1, Code.NO_READY_NODES), (2, 3, Code.TOO_FEW_NODES), (2, 0, Code.TOO_FEW_NODES), (2, -1, Code.TOO_FEW_NODES)],
)
def test_too_few_nodes_are_refused_with_their_code(count, replicas, code):
    assert assign(4, candidates(*pool(count)), replicas=replicas).code is code


def test_a_node_twice_or_too_few_sizes_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="must be distinct"):
        assign(1, candidates("a", "a"))
    with pytest.raises(ValueError, match="size for every shard"):
        assign(2, candidates("a"), shard_bytes=(1,))


def test_a_matching_without_places_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="do not have enough places"):
        match([1], [0, 0], 1)


DOCUMENT = AssignmentDocument(
    account="elbstg01",
    container_url="https://elbstg01.blob.core.windows.net/blast-db",
    db="core_nt",
    molecule="nucl",
    source_version="2026-05-09-01-05-02",
    digest="0123456789abcdef0123456789abcdef",
    shard_count=3,
    mode="hot",
    nodes={"aks-blastpool-1": (1, 2), "aks-blastpool-0": (0,)},
    run="warm-1",
)


def test_the_document_in_the_config_map_has_these_very_bytes():
    assert DOCUMENT.render() == (
        '{"version":1,"account":"elbstg01","container_url":"https://elbstg01.blob.core.windows.net/blast-db","db":"core_nt",'
        '"molecule":"nucl","source_version":"2026-05-09-01-05-02","digest":"0123456789abcdef0123456789abcdef","texts":"",'
        '"shard_count":3,'
        '"mode":"hot","nodes":{"aks-blastpool-0":[0],"aks-blastpool-1":[1,2]},"run":"warm-1"}\n'
    )


def test_the_interval_of_reports_is_written_where_one_is_asked_for():
    paced = DOCUMENT.model_copy(update={"report_seconds": 80.0})

    assert paced.render() == DOCUMENT.render().replace('"run":"warm-1"', '"run":"warm-1","report_seconds":80.0')
    assert not paced.asks_the_same_as(DOCUMENT)


def test_a_document_of_another_run_asks_for_the_same_work():
    assert DOCUMENT.asks_the_same_as(DOCUMENT.model_copy(update={"run": "warm-2"}))
    assert not DOCUMENT.asks_the_same_as(DOCUMENT.model_copy(update={"mode": "disk"}))
    assert not DOCUMENT.asks_the_same_as(None)


def test_nodes_are_marked_with_their_own_shards_n_and_generation():
    mark = f"shardwarm/core-nt-{database_hash('core_nt')}-n3-"

    assert labels_of(DOCUMENT) == {
        "aks-blastpool-0": {f"{mark}00": DOCUMENT.digest},
        "aks-blastpool-1": {f"{mark}01": DOCUMENT.digest, f"{mark}02": DOCUMENT.digest},
    }


def test_a_document_reads_back_and_passes_over_what_a_newer_release_added():
    newer = json.dumps({**json.loads(DOCUMENT.render()), "added": 1})

    assert AssignmentDocument.model_validate_json(newer) == DOCUMENT
    assert DOCUMENT.assignment == Assignment(shard_count=3, nodes={"aks-blastpool-0": (0,), "aks-blastpool-1": (1, 2)})


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"digest": "x"},
        {"digest": DOCUMENT.digest + "\n"},
        {"shard_count": 0},
        {"shard_count": 33},
        {"mode": "warm"},
        {"molecule": "rna"},
        {"nodes": {"a": [3]}},
        {"nodes": {"a": [-1]}},
        {"nodes": {"a": [0, 0]}},
        {"nodes": {"a": [1, 0]}},
    ],
)
def test_a_document_that_contradicts_itself_is_refused(change):
    with pytest.raises(ValidationError):
        AssignmentDocument.model_validate({**DOCUMENT.model_dump(), **change})


def test_an_assignment_knows_what_nobody_holds():
    assert Assignment(shard_count=4, nodes={"a": (1,), "b": (1, 3)}).uncovered == (0, 2)
    assert Assignment(shard_count=4, nodes={"b": (1, 3), "a": (1,)}).holders(1) == ("a", "b")


node_sets = st.lists(st.sampled_from(pool(12)), min_size=1, max_size=12, unique=True)
shard_counts = st.integers(1, 32)
replica_counts = st.integers(1, 3)


@given(node_sets, shard_counts, replica_counts, st.data())
def test_law_whatever_happens_to_the_nodes_all_is_covered_and_nobody_overloaded(names, shard_count, replicas, data):
    assume(replicas <= len(names))
    assignment = None
    for turn in range(4):
        assignment = assign(shard_count, candidates(*names), assignment, replicas=replicas)
        check(assignment, names, shard_count, replicas)
        names = data.draw(node_sets.filter(lambda drawn: len(drawn) >= replicas), label=f"nodes after turn {turn}")


@given(node_sets, node_sets, shard_counts, replica_counts, st.randoms(use_true_random=False))
def test_law_the_order_of_nodes_plays_no_part_and_repeating_changes_nothing(names, later, shard_count, replicas, chance):
    assume(replicas <= min(len(names), len(later)))
    before = assign(shard_count, candidates(*names), replicas=replicas)
    after = assign(shard_count, candidates(*later), before, replicas=replicas)
    chance.shuffle(later)

    again = assign(shard_count, candidates(*later), before, replicas=replicas)

    assert (again, list(again.nodes)) == (after, list(after.nodes))
    assert assign(shard_count, candidates(*later), after, replicas=replicas) == after


@given(node_sets, node_sets, shard_counts)
def test_law_without_replicas_only_the_homeless_and_the_surplus_move(names, later, shard_count):
    before = assign(shard_count, candidates(*names))
    after = assign(shard_count, candidates(*later), before)
    ceiling = shards_per_node(shard_count, len(later))

    homeless = sum(len(shards) for name, shards in before.nodes.items() if name not in later)
    surplus = sum(max(0, len(shards) - ceiling) for name, shards in before.nodes.items() if name in later)
    assert moved(before, after) == homeless + surplus


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    st.lists(st.integers(0, 15), min_size=1, max_size=4),
    st.integers(1, 2),
)
def test_law_no_matching_moves_fewer_shards(ceilings, held, replicas):
    held = [nodes & ((1 << len(ceilings)) - 1) for nodes in held]
    least = fewest_moves(ceilings, held, replicas)

    if least is None:
        with pytest.raises(ValueError, match="do not have enough places"):
            match(ceilings, held, replicas)
        return
    matched = match(ceilings, held, replicas)
    assert sum((nodes & ~before).bit_count() for nodes, before in zip(matched, held, strict=True)) == least
    assert all(nodes.bit_count() == replicas for nodes in matched)
    assert all(sum(nodes >> node & 1 for nodes in matched) <= ceiling for node, ceiling in enumerate(ceilings))


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=8), st.lists(st.integers(0, 20), min_size=1, max_size=10), replica_counts
)
def test_law_no_node_gets_more_bytes_than_its_budget(budgets, shard_bytes, replicas):
    there = [Candidate(f"n{number}", budget) for number, budget in enumerate(budgets)]

    assignment = assign(len(shard_bytes), there, replicas=replicas, shard_bytes=shard_bytes, companion_bytes=3)

    if isinstance(assignment, Problem):
        assert assignment.code in (Code.CLUSTER_TOO_SMALL, Code.TOO_FEW_NODES)
        return
    for seat in there:
        shards = assignment.nodes.get(seat.name, ())
        assert not shards or 3 + sum(shard_bytes[shard] for shard in shards) <= seat.budget_bytes
    assert all(len(assignment.holders(shard)) == replicas for shard in range(len(shard_bytes)))


MOST_LINES = 2_000_000
"""Of Python, three times what it takes: a fraction of a second on the machine that plans a warmup."""


@pytest.mark.parametrize("replicas", [1, 2, 3, 16, 100])
def test_five_hundred_nodes_and_a_thousand_volumes_are_little_work(replicas):
    chance = random.Random(replicas)
    volumes = [chance.randint(1, 4 * 2**30) for _ in range(MAX_VOLUMES)]
    names = pool(500)

    shard_bytes, splitting = lines_executed(lambda: split(volumes, 32).shard_bytes(volumes))
    there = [Candidate(name, 2**40) for name in names]
    fresh, assigning = lines_executed(lambda: assign(32, there, replicas=replicas, shard_bytes=shard_bytes))
    lost = set(chance.sample(names, 50))
    later = [seat for seat in there if seat.name not in lost] + [Candidate(name, 2**40) for name in pool(50, first=500)]
    after, moving = lines_executed(lambda: assign(32, later, fresh, replicas=replicas, shard_bytes=shard_bytes))

    assert splitting + assigning + moving < MOST_LINES
    check(after, [seat.name for seat in later], 32, replicas)
    assert moved(fresh, after) == sum(len(fresh.nodes.get(name, ())) for name in lost)


@settings(max_examples=settings.default.max_examples // 4)
@given(st.integers(0, 2**32))
def test_law_a_scrambled_cluster_is_put_right_with_little_work(seed):
    chance = random.Random(seed)
    count, replicas = chance.choice([(40, 1), (40, 3), (500, 2), (500, 4)])
    names = pool(count)
    # Not what this code would have left: everything on a few nodes, each shard on any number of them.
    crowded = chance.sample(names, 9)
    nodes = {name: tuple(shard for shard in range(32) if chance.random() < 0.6) for name in crowded}

    scrambled = Assignment(shard_count=32, nodes=nodes)
    after, work = lines_executed(lambda: assign(32, candidates(*names), scrambled, replicas=replicas))

    assert work < MOST_LINES
    check(after, names, 32, replicas)
