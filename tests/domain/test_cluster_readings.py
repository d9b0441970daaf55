"""Kubernetes' JSON as facts, the objects that are applied, and clusters by their addresses."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.names import is_database_name
from shared.errors import Code, Conflict
from shared.kube.manifests import WarmerSpec, config_map, daemon_set, database_hash, labels, object_name
from shared.kube.parsing import pod, quantity, rollout, workload_node
from shared.runs.warmup.clusters import ClusterFacts, ClusterRef, Pool, refuse_unfit

database_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}", fullmatch=True).filter(is_database_name)
SPEC = WarmerSpec(
    namespace="shardwarm",
    db="core_nt",
    account="elbstg01",
    shard_count=10,
    digest="d" * 32,
    image="shardwarm-warmer:1",
    memory_request_bytes=2**30,
    client_id="client",
)
CLUSTER = ClusterRef(subscription_id="S", resource_group="G", name="aks")
WORKERS = Pool("blastpool", "Standard_E16s_v5", 3, "User", is_workload=True)
SYSTEM = Pool("systempool", "Standard_D4s_v5", 1, "System", is_workload=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("131923968Ki", 131923968 * 1024),
        ("128Gi", 128 * 2**30),
        ("1Ti", 2**40),
        ("5M", 5_000_000),
        ("12", 12),
        ("0", 0),
        ("", None),
        ("Ki", None),
        ("1.5Gi", 3 * 2**29),
        ("1e9", 10**9),
        ("-1Ki", None),
        ("4iK", None),
        ("NaN", None),
        ("Infinity", None),
        ("much", None),
    ],
)
def test_quantity_is_bytes_or_nothing(text, value):
    assert quantity(text) == value


def test_rollout_without_a_status_has_seen_nothing():
    facts = rollout({"metadata": {"generation": 3}})

    assert (facts.generation, facts.observed_generation, facts.desired, facts.updated, facts.ready) == (3, 0, 0, 0, 0)


def test_rollout_has_the_daemon_sets_counts():
    status = {"observedGeneration": 2, "desiredNumberScheduled": 5, "updatedNumberScheduled": 4, "numberReady": 3}
    facts = rollout({"metadata": {"generation": 2}, "status": status})

    assert (facts.observed_generation, facts.desired, facts.updated, facts.ready) == (2, 5, 4, 3)


def pod_item(**status) -> dict:
    return {"metadata": {"name": "warm-x"}, "spec": {"nodeName": "n0"}, "status": {"phase": "Running", **status}}


def test_pod_that_says_little_is_not_ready():
    facts = pod({"metadata": {"name": "warm-x"}})

    assert (facts.name, facts.node, facts.phase, facts.ready, facts.deleting) == ("warm-x", None, "Unknown", False, False)
    assert (facts.report, facts.started_at, facts.restarts, facts.unschedulable) == (None, None, 0, None)


def test_pod_is_ready_only_by_its_condition():
    assert pod(pod_item(conditions=[{"type": "Ready", "status": "True"}])).ready
    assert not pod(pod_item(conditions=[{"type": "Ready", "status": "Unknown"}])).ready
    assert not pod(pod_item(containerStatuses=[{"ready": True}])).ready


def test_pod_that_is_being_deleted_says_so():
    item = pod_item()
    item["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"

    assert pod(item).deleting


def test_pods_container_tells_why_it_waits_and_how_it_ended():
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    facts = pod(pod_item(containerStatuses=[{"state": waiting, "lastState": ended, "restartCount": 4}]))

    assert (facts.waiting_reason, facts.waiting_message) == ("CrashLoopBackOff", "back-off")
    assert (facts.terminated_reason, facts.exit_code, facts.restarts) == ("OOMKilled", 137, 4)


def test_pod_that_the_scheduler_refuses_speaks_for_the_node_that_it_is_wanted_on():
    fields = [{"key": "metadata.name", "operator": "In", "values": ["n7"]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": fields}]}}
    refused = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "Insufficient memory"}
    item = {
        "metadata": {"name": "warm-x", "annotations": {"shardwarm/report": "{}"}},
        "spec": {"affinity": {"nodeAffinity": required}},
        "status": {"phase": "Pending", "conditions": [refused]},
    }
    facts = pod(item)

    assert (facts.node, facts.unschedulable, facts.report) == ("n7", "Insufficient memory", "{}")


def test_pod_that_is_only_not_scheduled_yet_is_not_unschedulable():
    later = {"type": "PodScheduled", "status": "False", "reason": "SchedulerError", "message": "later"}

    assert pod(pod_item(conditions=[later])).unschedulable is None


def node_item(**changes) -> dict:
    item = {
        "metadata": {"name": "n0", "labels": {"node.kubernetes.io/instance-type": "Standard_E16s_v5"}},
        "spec": {},
        "status": {"capacity": {"memory": "1024Ki"}, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    return item | changes


def test_node_tells_its_memory_and_its_machine():
    node = workload_node(node_item())

    assert (node.facts.name, node.facts.ready, node.facts.schedulable) == ("n0", True, True)
    assert (node.memory_bytes, node.machine) == (2**20, "Standard_E16s_v5")


def test_node_that_is_cordoned_or_unknown_is_not_used():
    assert not workload_node(node_item(spec={"unschedulable": True})).facts.schedulable
    assert not workload_node(node_item(status={"conditions": [{"type": "Ready", "status": "Unknown"}]})).facts.ready
    assert not workload_node(node_item(status={})).facts.ready
    assert workload_node(node_item(status={})).memory_bytes is None


def test_names_that_read_alike_have_objects_of_their_own():
    names = ["a.b", "a_b", "a-b", "A-b", "a-B", "a", "_a", "a" * 64, "a" * 63 + "b"]

    assert len({object_name(name) for name in names}) == len(names)
    assert len({json.dumps(labels(name)) for name in names}) == len(names)


@given(db=database_names)
def test_law_an_object_name_is_one_that_kubernetes_takes(db):
    name = object_name(db)

    # As a DaemonSet's pods are called after it, with a hash in a label of 63 characters at most.
    assert len(name) <= 52
    assert all(char.isascii() and (char.isalnum() or char == "-") and char == char.lower() for char in name)
    assert name.startswith("warm-")
    assert name.endswith(f"-{database_hash(db)}")


def template(spec=SPEC) -> dict:
    return daemon_set(spec)["spec"]["template"]


def container(spec=SPEC) -> dict:
    (only,) = template(spec)["spec"]["containers"]
    return only


def test_change_of_n_or_generation_rolls_the_pods():
    others = ({"shard_count": 8}, {"digest": "e" * 32}, {"image": "shardwarm-warmer:2"})
    for changes in others:
        assert template(SPEC.model_copy(update=changes)) != template()
    annotations = template()["metadata"]["annotations"]
    assert (annotations["shardwarm/shard-count"], annotations["shardwarm/digest"]) == ("10", "d" * 32)
    assert annotations["shardwarm/db"] == "core_nt"


def test_memory_is_asked_for_and_not_limited():
    resources = container()["resources"]

    assert resources["requests"]["memory"] == str(2**30)
    assert "limits" not in resources


def test_agents_run_on_the_tainted_workload_pool_and_nowhere_else():
    pod_spec = template()["spec"]

    assert pod_spec["nodeSelector"]["workload"] == "blast"
    assert pod_spec["tolerations"] == [{"key": "workload", "operator": "Equal", "value": "blast", "effect": "NoSchedule"}]


def test_agent_reads_storage_by_its_identity_or_by_a_sas_and_never_by_both():
    by_sas = SPEC.model_copy(update={"sas_secret": "storage-sas", "client_id": None})

    assert template()["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert {"name": "AZURE_CLIENT_ID", "value": "client"} in container()["env"]
    assert "SHARDWARM_SAS" not in json.dumps(container())
    assert "azure.workload.identity/use" not in template(by_sas)["metadata"]["labels"]
    reference = {"secretKeyRef": {"name": "storage-sas", "key": "sas"}}
    assert {"name": "SHARDWARM_SAS", "valueFrom": reference} in container(by_sas)["env"]


def test_agent_may_do_little_in_its_container():
    security = container()["securityContext"]

    assert not security["allowPrivilegeEscalation"]
    assert security["readOnlyRootFilesystem"]
    assert security["capabilities"] == {"drop": ["ALL"]}
    assert "privileged" not in security


def test_selector_matches_the_pods_and_the_config_map_is_the_one_that_they_mount():
    spec = daemon_set(SPEC)["spec"]
    (mounted,) = [volume["configMap"]["name"] for volume in template()["spec"]["volumes"] if "configMap" in volume]

    assert spec["selector"]["matchLabels"].items() <= template()["metadata"]["labels"].items()
    assert mounted == config_map("shardwarm", "core_nt", "{}")["metadata"]["name"] == object_name("core_nt")


@pytest.mark.parametrize(
    ("power", "provisioning"), [("Stopped", "Succeeded"), ("Running", "Creating"), ("Running", "Deleting"), ("Running", "Failed")]
)
def test_cluster_that_does_not_run_is_refused(power, provisioning):
    with pytest.raises(Conflict) as error:
        refuse_unfit(CLUSTER, ClusterFacts(power, provisioning, (SYSTEM, WORKERS)))

    assert error.value.problem.code is Code.CLUSTER_STOPPED
    assert power in error.value.problem.message


def test_cluster_without_a_pool_for_searches_is_refused():
    with pytest.raises(Conflict) as error:
        refuse_unfit(CLUSTER, ClusterFacts("Running", "Succeeded", (SYSTEM,)))

    assert error.value.problem.code is Code.NO_WORKLOAD_POOL
    assert "workload=blast" in error.value.problem.message


@pytest.mark.parametrize("provisioning", ["Succeeded", "Updating", "Upgrading"])
def test_cluster_that_runs_is_taken_also_while_it_is_being_changed(provisioning):
    refuse_unfit(CLUSTER, ClusterFacts("Running", provisioning, (SYSTEM, WORKERS)))


def test_cluster_is_known_by_its_whole_address_whatever_the_case():
    others = ({"subscription_id": "S2"}, {"resource_group": "G2"}, {"name": "aks2"})

    assert CLUSTER.key == CLUSTER.model_copy(update={"resource_group": "g", "name": "AKS"}).key
    assert all(CLUSTER.model_copy(update=changes).key != CLUSTER.key for changes in others)
    assert CLUSTER.key.startswith("aks-")
