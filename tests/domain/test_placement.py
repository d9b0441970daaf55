"""Where an agent's pod can run, by the scheduler's rules and kubelet's, and a reason for each node where it cannot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Code
from shared.kube.manifests import WarmerSpec, daemon_set
from shared.kube.parsing import terms, workload_node
from shared.runs.warmup.facts import NodeFacts, Requested, Taint, Toleration
from shared.runs.warmup.placement import obstacles, place, refusal, terms_of

SPOT = Toleration("kubernetes.azure.com/scalesetpriority", "spot", "NoSchedule")
TERMS = terms_of([SPOT])
LABELS = {"workload": "blast", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
SPEC = WarmerSpec(
    namespace="shardwarm",
    db="core_nt",
    account="elbstg01",
    shard_count=10,
    digest="d" * 32,
    image="shardwarm-warmer:1",
    memory_request_bytes=2**30,
)


def node(name="n0", *taints, labels=(), conditions=(("Ready", "True"),), cordoned=False, **allocatable):
    """A node as the API server shows it, with these taints (`key=value:effect`), and these labels besides the usual ones.

    `allocatable` is what pods may request there, CPU and pods.
    """
    parsed = [(*taint.rpartition(":")[0].partition("=")[::2], taint.rpartition(":")[2]) for taint in taints]
    item = {
        "metadata": {"name": name, "labels": LABELS | dict(labels)},
        "spec": {
            "unschedulable": cordoned,
            "taints": [{"key": key, "value": value, "effect": effect} for key, value, effect in parsed],
        },
        "status": {
            "conditions": [{"type": kind, "status": status} for kind, status in conditions],
            "allocatable": allocatable,
        },
    }
    return workload_node(item).facts


def reasons(facts, allowed=TERMS):
    return [one.reason.value for one in obstacles(facts, allowed)]


def pressed(condition):
    return node(conditions=(("Ready", "True"), (condition, "True")))


@pytest.mark.parametrize(
    "taints",
    [
        (),
        ("workload=blast:NoSchedule",),
        ("kubernetes.azure.com/scalesetpriority=spot:NoSchedule", "workload=blast:NoSchedule"),
        ("sku=gpu:PreferNoSchedule", "DeletionCandidateOfClusterAutoscaler=1:PreferNoSchedule"),
        # A DaemonSet's pods bear these; what they stand for is read from the node's conditions.
        ("node.kubernetes.io/unschedulable=:NoSchedule", "node.kubernetes.io/not-ready=:NoExecute"),
    ],
)
def test_agent_runs_where_it_bears_every_taint(taints):
    assert reasons(node("n0", *taints)) == []


@pytest.mark.parametrize(
    ("facts", "reason", "says"),
    [
        (node("n0", "sku=gpu:NoSchedule"), "NodeTainted", "has the taint sku=gpu:NoSchedule, which agents do not tolerate"),
        (node("n0", "sku=:NoExecute"), "NodeTainted", "has the taint sku:NoExecute"),
        (node("n0", "workload=other:NoSchedule"), "NodeTainted", "workload=other:NoSchedule"),
        (node("n0", "workload=blast:NoExecute"), "NodeTainted", "workload=blast:NoExecute"),
        (node("n0", "node.cloudprovider.kubernetes.io/uninitialized=true:NoSchedule"), "NodeNotReady", "is not in order yet"),
        (node("n0", "ToBeDeletedByClusterAutoscaler=17:NoSchedule"), "NodeLeaving", "is being removed"),
        (node("n0", "remediator.kubernetes.azure.com/unschedulable=:NoSchedule"), "NodeLeaving", "is being removed"),
        (node(cordoned=True), "NodeCordoned", "is cordoned"),
        (node(conditions=[("Ready", "Unknown")]), "NodeNotReady", "is not ready"),
        (pressed("DiskPressure"), "NodeUnderPressure", "is under DiskPressure"),
        (pressed("MemoryPressure"), "NodeUnderPressure", "is under MemoryPressure"),
        (pressed("PIDPressure"), "NodeUnderPressure", "is under PIDPressure"),
        (node(labels={"kubernetes.io/arch": "arm64"}), "NodeArchitecture", "is arm64, and the agents' image is for amd64"),
        (node(labels={"kubernetes.io/os": "windows"}), "NodeOperatingSystem", "runs windows, and agents run on linux"),
        (node(labels={"workload": "other"}), "NodeLabelMissing", "lacks the label workload=blast"),
    ],
)
def test_each_obstacle_has_a_code_and_says_what_it_is(facts, reason, says):
    (found,) = obstacles(facts, TERMS)

    assert found.reason == reason
    assert says in found.message


@pytest.mark.parametrize(
    ("allocatable", "requested", "says"),
    [
        ({"cpu": "3860m"}, Requested(cpu_millis=3611), "has 249m of 3860m CPU left, and an agent requests 250m"),
        ({"cpu": "2"}, Requested(cpu_millis=2100), "has 0m of 2000m CPU left"),
        ({"pods": "30"}, Requested(pods=30), "may run 30 pods and has 30"),
    ],
)
def test_node_that_is_full_says_of_what(allocatable, requested, says):
    (found,) = obstacles(node(**allocatable), TERMS, requested)

    assert found.reason == "NodeFull"
    assert says in found.message


@pytest.mark.parametrize(
    ("allocatable", "requested"),
    [
        ({"cpu": "3860m", "pods": "30"}, Requested(cpu_millis=3610, pods=29)),
        ({}, Requested(cpu_millis=10**6, pods=10**6)),
    ],
)
def test_node_with_room_for_one_agent_more_or_that_tells_nothing_is_not_full(allocatable, requested):
    placed = place([node(**allocatable)], TERMS, {"n0": requested, "n1": Requested(pods=10**6)})

    assert placed.fit == {"n0"}


def test_strict_plan_is_refused_by_a_full_node_and_names_it():
    nodes = [node("n0", cpu="2", pods="30"), node("n1", cpu="2", pods="30")]
    placed = place(nodes, TERMS, {"n1": Requested(cpu_millis=2000, pods=1)})

    refused = refusal(placed, strict=True)
    assert refused is not None
    assert (refused.code, refusal(placed, strict=False)) == (Code.NODES_UNFIT, None)
    assert "n1 has 0m of 2000m CPU left" in refused.message


def test_pressure_that_has_passed_is_no_obstacle():
    calm = node(conditions=(("Ready", "True"), ("DiskPressure", "False"), ("MemoryPressure", "Unknown")))

    assert reasons(calm) == []


def test_every_obstacle_of_a_node_is_found():
    worst = node("n0", "sku=gpu:NoSchedule", labels={"kubernetes.io/arch": "arm64"}, cordoned=True)

    assert reasons(worst) == ["NodeCordoned", "NodeTainted", "NodeArchitecture"]


def test_settings_open_the_doors():
    arm = node("n0", "sku=gpu:NoSchedule", labels={"kubernetes.io/arch": "arm64"})

    assert reasons(arm, terms_of([Toleration("sku")], ["amd64", "arm64"])) == []
    assert reasons(arm, terms_of([Toleration("sku", "cpu")], ["arm64"])) == ["NodeTainted"]


@pytest.mark.parametrize(
    "allowed",
    [TERMS, terms_of(), terms_of([Toleration("a"), Toleration("b", "", "NoExecute")], ["amd64", "arm64"]), terms_of([], [])],
)
def test_terms_are_read_from_the_daemon_set_as_they_were_written(allowed):
    assert terms(daemon_set(SPEC.model_copy(update={"terms": allowed}))) == allowed


def test_terms_of_an_earlier_builds_daemon_set_let_any_architecture_in():
    spec = daemon_set(SPEC)["spec"]["template"]["spec"]
    del spec["affinity"]

    assert terms({"spec": {"template": {"spec": spec}}}).architectures == ()


def test_toleration_that_asks_for_nothing_bears_every_taint():
    written = {"tolerations": [{"operator": "Exists"}], "nodeSelector": {}}
    (every,) = terms({"spec": {"template": {"spec": written}}}).tolerations

    assert every.bears(Taint("any", "thing", "NoExecute"))


# The plan.


def refused(*nodes, strict=False):
    return refusal(place(nodes, TERMS), strict=strict)


GOOD = node("good")
TAINTED = node("tainted", "sku=gpu:NoSchedule")
CORDONED = node("cordoned", cordoned=True)


def test_label_is_said_to_be_missing_only_when_no_node_has_it():
    assert refused().code is Code.NO_READY_NODES
    assert refused().message.startswith("No node has the label workload=blast.")
    for nodes in ([TAINTED], [CORDONED], [CORDONED, TAINTED]):
        assert "No node has" not in refused(*nodes).message


def test_plan_without_a_node_says_of_each_why_not():
    problem = refused(CORDONED, TAINTED)

    assert problem.code is Code.NODES_UNFIT
    assert problem.message == (
        "None of the 2 nodes with the label workload=blast can take an agent: tainted has the taint sku=gpu:NoSchedule, which "
        "agents do not tolerate; cordoned is cordoned."
    )
    assert [(one.target, one.message) for one in problem.details] == [
        ("tainted", "NodeTainted: has the taint sku=gpu:NoSchedule, which agents do not tolerate"),
        ("cordoned", "NodeCordoned: is cordoned"),
    ]
    assert refused(CORDONED, node("away", conditions=())).code is Code.NO_READY_NODES


def test_strict_plan_needs_every_node_but_those_that_come_and_go():
    assert refused(GOOD, TAINTED) is None
    assert refused(GOOD, CORDONED, strict=True) is None
    problem = refused(GOOD, TAINTED, CORDONED, strict=True)
    assert problem.code is Code.NODES_UNFIT
    assert problem.message.startswith(
        "1 of the 3 nodes with the label workload=blast cannot take an agent: tainted has the taint"
    )
    assert '"require_all_nodes": false' in problem.message


def test_refusal_stays_small_on_a_large_cluster():
    many = [node(f"n{number:04d}", *[f"taint-{one}={'x' * 60}:NoSchedule" for one in range(9)]) for number in range(1000)]
    problem = refused(*many)

    assert len(problem.details) == 5
    assert "and 998 more" in problem.message
    assert len(problem.model_dump_json()) < 1600


@given(
    st.lists(
        st.builds(
            NodeFacts,
            name=st.sampled_from("abcdef"),
            ready=st.booleans(),
            schedulable=st.booleans(),
            labels=st.just(LABELS),
            pressures=st.sampled_from([(), ("DiskPressure",)]),
        ),
        unique_by=lambda facts: facts.name,
    ),
    st.booleans(),
)
def test_law_a_plan_is_refused_without_nodes_and_a_strict_one_is_never_easier(nodes, strict):
    placed = place(nodes, TERMS)

    assert placed.fit | placed.unfit.keys() == {facts.name for facts in nodes}
    assert placed.fit or refusal(placed, strict=strict) is not None
    assert refusal(placed, strict=True) is not None or refusal(placed, strict=False) is None
