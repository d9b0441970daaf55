"""What a node has left for a database, and the choice of N within that: nothing is planned that could not be scheduled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.agent.disk import DiskReserve
from shared.errors import Code
from shared.kube.manifests import WarmerSpec, daemon_set
from shared.kube.parsing import pod_request, workload_node
from shared.runs.warmup.assignment import assign
from shared.runs.warmup.capacity import load
from shared.runs.warmup.facts import PodRequest, Requested
from shared.runs.warmup.labels import database_hash
from shared.runs.warmup.placement import AGENT_CPU_MILLIS
from shared.runs.warmup.seats import Seat, choose, requested_by_node
from shared.runs.warmup.sizing import DatabaseSize
from shared.runs.warmup.vm_sizes import GIBIBYTE
from warmer.settings import parse as parse_agents

GIB = GIBIBYTE
OWN = database_hash("core_nt")
OTHER = database_hash("nt")


def request(node="n0", gib=30, *, bound=True, database=None):
    return PodRequest(node, gib * GIB, bound, database)


def size(gib, *counts):
    return DatabaseSize(volume_bytes=gib * GIB, shard_bytes={count: (gib * GIB // count,) * count for count in counts or (1,)})


def seat(name="n0", memory=64, left=57):
    return Seat(name, memory * GIB, left * GIB)


# What pods request.


def test_others_count_and_the_databases_own_agents_do_not():
    requests = [request(database=OWN), request(gib=7), request(database=OTHER, gib=20), request("n1", gib=1)]

    assert requested_by_node(requests, OWN) == {"n0": Requested(27 * GIB, pods=2), "n1": Requested(GIB, pods=1)}


def test_pod_that_waits_for_a_node_counts_there_but_pushes_nobody_out():
    waiting = request(database=OTHER, bound=False)

    taken = {"n0": Requested(30 * GIB, pods=1)}
    assert requested_by_node([waiting], OWN) == taken
    assert requested_by_node([waiting, request(database=OWN, bound=False)], OWN) == taken
    assert requested_by_node([waiting, request(database=OWN)], OWN) == {}


def pod(**spec):
    return {"metadata": {"name": "x"}, "spec": {"nodeName": "n0", **spec}, "status": {"phase": "Running"}}


def asking(memory, **more):
    return {"name": "c", "resources": {"requests": {"memory": memory, "cpu": "1"}}, **more}


@pytest.mark.parametrize(
    ("spec", "gib", "millis"),
    [
        ({"containers": [asking("1Gi"), asking("2Gi"), {"name": "asks nothing"}]}, 3, 2000),
        ({"containers": [asking("1Gi")], "initContainers": [asking("4Gi")]}, 4, 1000),
        ({"containers": [asking("3Gi")], "initContainers": [asking("2Gi")]}, 3, 1000),
        ({"containers": [asking("3Gi")], "initContainers": [asking("2Gi", restartPolicy="Always")]}, 5, 2000),
        ({"containers": [asking("1Gi")], "overhead": {"memory": "1Gi", "cpu": "250m"}}, 2, 1250),
        ({"containers": [asking("1Gi")], "resources": {"requests": {"memory": "5Gi", "cpu": "0.5"}}}, 5, 500),
        ({}, 0, 0),
    ],
)
def test_request_of_a_pod_is_the_schedulers_sum(spec, gib, millis):
    assert pod_request(pod(**spec)) == PodRequest("n0", gib * GIB, is_bound=True, cpu_millis=millis)


def test_pod_that_keeps_nothing_from_others_is_passed_over():
    ending, ended, free = pod(), pod(), pod(nodeName=None)
    ending["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    ended["status"]["phase"] = "Succeeded"

    assert [pod_request(one) for one in (ending, ended, free)] == [None] * 3


def test_agent_that_waits_for_its_node_is_known_by_node_and_database():
    spec = WarmerSpec(
        namespace="shardwarm", db="nt", account="a", shard_count=1, digest="d", image="i", memory_request_bytes=30 * GIB
    )
    item = daemon_set(spec)["spec"]["template"]
    fields = [{"key": "metadata.name", "operator": "In", "values": ["n7"]}]
    terms = {"nodeSelectorTerms": [{"matchFields": fields}]}
    item["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}

    assert pod_request(item) == PodRequest("n7", 30 * GIB, is_bound=False, database=OTHER, cpu_millis=AGENT_CPU_MILLIS)


def test_node_tells_what_pods_may_request():
    item = {"metadata": {"name": "n0"}, "status": {"capacity": {"memory": "64Gi"}, "allocatable": {"memory": "57Gi"}}}

    assert (workload_node(item).memory_bytes, workload_node(item).allocatable_bytes) == (64 * GIB, 57 * GIB)
    assert workload_node({"metadata": {"name": "n0"}}).allocatable_bytes is None


# The choice.


def test_thirty_gibibytes_fit_a_node_of_sixty_four_once_and_not_twice():
    first, _ = choose(size(30), [seat()])
    second, _ = choose(size(30), [seat(left=27)])

    assert first.fits
    assert second.problem.code is Code.MACHINE_TOO_SMALL
    assert "of 64.00 GiB memory a node, shards may fill 27.00 GiB, as pods request the rest" in second.problem.message
    assert "N = 1 fits 2 nodes like these. " in second.problem.message
    assert "release a database" in second.problem.message


def test_half_of_the_memory_stays_the_limit_on_an_empty_node():
    refused, _ = choose(size(40), [seat(left=64)])

    assert "shards may fill 32.00 GiB; 1 node" in refused.problem.message
    assert "release" not in refused.problem.message


def test_advice_counts_what_pods_request():
    refused, _ = choose(size(30), [seat(left=20)])
    (memory,) = [one.memory_bytes for one in refused.advice if one.memory_bytes]

    # Of each further gibibyte pods get four fifths at least.
    assert memory == 64 * GIB + 10 * GIB * 5 // 4
    assert choose(size(30), [Seat("n0", memory, 20 * GIB + (memory - 64 * GIB) * 4 // 5)])[0].fits


def test_full_node_is_left_out_and_the_others_hold_the_database():
    choice, candidates = choose(size(60, 3), [seat("a"), seat("b", left=5), seat("c"), seat("d")])

    assert (choice.shard_count, [one.name for one in candidates if (one.budget_bytes or 0) >= 20 * GIB]) == (3, ["a", "c", "d"])


def test_node_that_could_hold_its_part_but_not_the_request_of_the_fullest_is_left_out():
    # Two shards of 10 on the large node, one on the small one: all agents would ask for 20.
    large, small = seat("large", 128, 118), seat("small", 24, 15)

    choice, candidates = choose(size(30, 3), [large, small])

    assert (choice.node_bytes, [one.name for one in candidates]) == (30 * GIB, ["large"])


def on_disk(gib, left=60):
    return Seat("n0", 128 * GIB, left * GIB, gib * GIB)


def test_disk_that_is_smaller_than_the_memory_is_the_limit_and_says_so():
    fits, _ = choose(size(40), [on_disk(40)])
    refused, _ = choose(size(50, 1, 2), [on_disk(40)])

    assert fits.fits
    assert "shards may fill 40.00 GiB, as the disk holds no more beside its reserve" in refused.problem.message
    assert refused.problem.message.endswith("N = 2 fits 2 nodes like these. Or use larger disks.")
    # More memory would not help.
    assert all(one.memory_bytes is None for one in refused.advice)


def test_disk_of_unknown_size_limits_nothing():
    assert choose(size(50), [Seat("n0", 128 * GIB, 118 * GIB)])[0].fits


def test_node_tells_the_size_of_its_disk():
    item = {"metadata": {"name": "n0"}, "status": {"capacity": {"ephemeral-storage": "129886128Ki"}}}

    assert workload_node(item).disk_bytes == 129886128 * 1024
    assert workload_node({"metadata": {"name": "n0"}}).disk_bytes is None


def test_reserve_is_above_what_kubelet_evicts_at_and_one_for_agents_and_plans():
    agents = parse_agents({"NODE_NAME": "n"})
    default = DiskReserve.of({})

    assert (default.percent, default.least_bytes) == (agents.disk_reserve_percent, agents.disk_reserve_bytes) == (15, GIB)
    assert default.on(128 * GIB) == 128 * GIB * 15 // 100
    assert default.on(2 * GIB) == GIB
    given = {"SHARDWARM_DISK_RESERVE_PERCENT": "20.5", "SHARDWARM_DISK_RESERVE_BYTES": "0"}
    assert DiskReserve.of(given).on(1000) == 205
    assert DiskReserve.of(dict.fromkeys(given, "much")) == default
    agents = parse_agents({"NODE_NAME": "n", **given})
    assert (agents.disk_reserve_percent, agents.disk_reserve_bytes) == DiskReserve.of(given)


seats = st.lists(
    st.builds(lambda memory, part: (memory, memory * part // 10), st.sampled_from([8, 32, 64, 128]), st.integers(0, 9)),
    min_size=1,
    max_size=8,
).map(lambda found: [seat(f"n{number}", *one) for number, one in enumerate(found)])


@given(seats, st.integers(1, 200), st.none() | st.integers(1, 2))
def test_law_every_agent_of_a_plan_can_be_scheduled(places, gib, replicas):
    database = size(gib, 1, 2, 4, 8)
    choice, candidates = choose(database, places, replicas=replicas)
    if not choice.fits:
        assert choice.problem.message
        return
    sizes = database.shard_bytes[choice.shard_count]
    nodes = assign(choice.shard_count, candidates, replicas=choice.replicas, shard_bytes=sizes).nodes
    left = {one.name: one.left_bytes for one in places}

    for name, shards in nodes.items():
        assert load(sizes, len(shards)) <= choice.node_bytes <= left[name]
