"""Warm is claimed only on complete, recent evidence about this very assignment; everything else says why not."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.agent.assignment import AssignmentDocument
from shared.agent.report import parse_report, percent
from shared.runs.warmup.facts import Limits, NodeFacts, PodFacts, Readings, RolloutFacts, Taint
from shared.runs.warmup.node_status import NodeReason
from shared.runs.warmup.placement import terms_of
from shared.runs.warmup.progress import PHASE_LABELS
from shared.runs.warmup.reading import summarised
from shared.runs.warmup.status import WarmStatus, status_of

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
DIGEST = "0123456789abcdef0123456789abcdef"
DOCUMENT = AssignmentDocument(
    account="elbstg01",
    container_url="https://elbstg01.blob.core.windows.net/blast-db",
    db="core_nt",
    molecule="nucl",
    source_version="2026-05-09-01-05-02",
    digest=DIGEST,
    shard_count=3,
    mode="hot",
    nodes={"n0": (0,), "n1": (1, 2)},
)
NOWHERE = RolloutFacts(generation=2, observed_generation=2, desired=0, updated=0, ready=0)
NOWHERE = RolloutFacts(generation=2, observed_generation=2, desired=0, updated=0, ready=0)
ROLLOUT = RolloutFacts(generation=2, observed_generation=2, desired=2, updated=2, ready=2)


def report_on(node, document=DOCUMENT, **changes):
    """A warm node's report, as the agent writes it."""
    shard = {"phase": "completed", "bytes_done": 100, "bytes_total": 100, "resident_percent": 100.0}
    whole = {
        "version": 1,
        "db": document.db,
        "digest": document.digest,
        "shard_count": document.shard_count,
        "mode": document.mode,
        "node": node,
        "pod": f"warm-{node}",
        "phase": "completed",
        "warm": True,
        "reason": None,
        "message": None,
        "files_done": 10,
        "files_total": 10,
        "bytes_done": 1000,
        "bytes_total": 1000,
        "bytes_moved": 1000,
        "resident_bytes": 1000,
        "resident_total": 1000,
        "shards": {f"{number:02d}": shard for number in document.nodes.get(node, ())},
        "started_at": "2026-11-21T11:50:00.000Z",
        "updated_at": "2026-11-21T11:59:30.000Z",
    }
    return whole | changes


def copying(node, **changes):
    """A report in the middle of the copy."""
    half = {"phase": "copying_files", "bytes_done": 40, "bytes_total": 100, "resident_percent": 0.0}
    return report_on(node, phase="copying_files", warm=False, shards={f"{n:02d}": half for n in DOCUMENT.nodes[node]}) | {
        "files_done": 3,
        "bytes_done": 400,
        "bytes_moved": 400,
        "resident_bytes": 100,
        **changes,
    }


def pod_on(node, *, report="warm", **changes):
    """A ready pod with a warm node's report, but for the changes."""
    if report == "warm":
        report = report_on(node)
    text = json.dumps(report) if isinstance(report, dict) else report
    facts = {"name": f"warm-{node}", "node": node, "phase": "Running", "ready": True, "started_at": NOW, "report": text}
    return PodFacts.model_validate(facts | changes)


def readings(*pods, rollout=ROLLOUT, nodes=None, terms=None):
    """A cluster in which both nodes are warm, but for the pods given."""
    replaced = {pod.node for pod in pods}
    others = [pod_on(node) for node in DOCUMENT.nodes if node not in replaced]
    there = (NodeFacts(name="n0", ready=True), NodeFacts(name="n1", ready=True)) if nodes is None else nodes
    return Readings(rollout=rollout, terms=terms, pods=(*pods, *others), nodes=there)


def judged(*pods, document=DOCUMENT, limits=None, **changes):
    return status_of(document, readings(*pods, **changes), NOW, limits)


def test_all_evidence_together_is_warm():
    status = judged()

    assert status.is_warm
    assert (status.nodes_ready, status.nodes_failed, status.nodes_active, status.total_jobs) == (2, 0, 0, 2)
    assert (status.progress_pct, status.resident_pct, status.error, status.stale_shards) == (100, 100, None, ())
    assert all(node.reason is None for node in status.nodes.values())


def test_the_document_has_the_replaced_systems_fields():
    status = judged()

    document = status.model_dump(mode="json")
    assert list(document)[:23] == [
        "name", "mol_type", "status", "nodes_ready", "nodes_failed", "nodes_active", "total_jobs", "shards", "shard_nodes",
        "shard_host_paths", "progress_pct", "sources", "source_version", "stale_shards", "started_at", "elapsed_seconds",
        "estimated_remaining_seconds", "active_phase", "active_phase_label", "active_message", "active_last_log",
        "phase_counts", "pod_statuses",
    ]  # fmt: skip
    assert document["name"] == "core_nt"
    assert document["mol_type"] == "nucl"
    assert document["shards"] == ["00", "01", "02"]
    assert document["shard_nodes"] == {"00": "n0", "01": "n1", "02": "n1"}
    assert document["shard_host_paths"] == dict.fromkeys(["00", "01", "02"], "/workspace/blast")
    assert document["sources"] == ["warmup"]
    assert document["source_version"] == "2026-05-09-01-05-02"
    assert document["started_at"] == "2026-11-21T11:50:00Z"
    assert (document["active_phase"], document["active_phase_label"]) == ("completed", "Completed")
    assert document["phase_counts"] == {"completed": 2}
    assert document["pod_statuses"][1] == {
        "pod": "warm-n1",
        "shard": "01,02",
        "node": "n1",
        "phase": "completed",
        "phase_label": "Completed",
        "message": None,
        "last_log": None,
        "started_at": "2026-11-21T12:00:00Z",
    }
    assert WarmStatus.model_validate(document) == status


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rollout": ROLLOUT.model_copy(update={"desired": 0, "updated": 0, "ready": 0})}, "selects no node"),
        ({"rollout": NOWHERE}, "although 2 have the label workload=blast"),
        ({"rollout": NOWHERE, "nodes": ()}, "selects no node: no node has the label workload=blast"),
        ({"rollout": ROLLOUT.model_copy(update={"generation": 3})}, "seen generation 2 of the DaemonSet, not yet 3"),
    ],
)
def test_what_cannot_be_seen_is_unknown_and_neither_warm_nor_cold(changes, says):
    status = judged(**changes)

    assert status.status == "Unknown"
    assert says in status.error
    assert status.active_message == status.error
    assert status.nodes_ready == 0
    assert status.total_jobs == 2
    assert status.phase_counts == {"unknown": 2}
    assert status.shards == ("00", "01", "02")


def test_pods_of_an_older_kind_keep_it_from_being_warm():
    status = judged(rollout=ROLLOUT.model_copy(update={"updated": 1}))

    assert status.status == "Loading"
    assert status.error == "1 of 2 pods are up to date."


def test_without_a_daemonset_nothing_is_warm():
    status = judged(rollout=None)

    assert status.status == "Stale"
    assert "DaemonSet is gone" in status.error


def test_a_shard_that_nobody_holds_keeps_it_from_being_warm():
    document = DOCUMENT.model_copy(update={"nodes": {"n0": (0,)}})
    status = judged(document=document)

    assert status.status == "Stale"
    assert "01, 02" in status.error
    nobody = judged(document=DOCUMENT.model_copy(update={"nodes": {"n0": ()}}))
    assert (nobody.status, nobody.total_jobs, nobody.progress_pct, nobody.active_phase) == ("Stale", 0, 0, "unknown")


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([NodeFacts(name="n1", ready=True)], NodeReason.NODE_GONE),
        ([NodeFacts(name="n0", ready=False), NodeFacts(name="n1", ready=True)], NodeReason.NODE_NOT_READY),
        ([NodeFacts(name="n0", ready=True, schedulable=False), NodeFacts(name="n1", ready=True)], NodeReason.NODE_CORDONED),
    ],
)
def test_a_node_that_no_search_can_use_makes_its_shards_stale(nodes, reason):
    status = judged(nodes=nodes)

    assert status.status == "Stale"
    assert status.stale_shards == ("00",)
    assert status.nodes["n0"].reason == reason
    assert "n0" in status.nodes["n0"].message
    assert status.nodes_ready == 1


GPU = Taint("sku", "gpu", "NoExecute")
LINUX = {"workload": "blast", "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}


def test_a_node_that_lost_its_agent_for_good_is_stale_and_says_why():
    tainted = NodeFacts(name="n0", ready=True, labels=LINUX, taints=(GPU,))
    other = NodeFacts(name="n1", ready=True, labels=LINUX)

    status = status_of(DOCUMENT, Readings(rollout=ROLLOUT, terms=terms_of(), pods=(pod_on("n1"),), nodes=(tainted, other)), NOW)

    assert (status.status, status.stale_shards) == ("Stale", ("00",))
    assert (status.nodes["n0"].state, status.nodes["n0"].reason) == ("stale", "NodeTainted")
    assert "sku=gpu:NoExecute" in status.nodes["n0"].message


def test_an_agent_that_runs_where_none_could_start_is_judged_by_its_report():
    tainted = [NodeFacts(name=name, ready=True, labels=LINUX, taints=(GPU,)) for name in ("n0", "n1")]

    assert judged(terms=terms_of(), nodes=tainted).is_warm


def test_nodes_that_all_refuse_agents_are_stale_and_not_unknown():
    tainted = tuple(NodeFacts(name=name, ready=True, labels=LINUX, taints=(GPU,)) for name in ("n0", "n1"))

    status = status_of(DOCUMENT, Readings(rollout=NOWHERE, terms=terms_of(), nodes=tainted), NOW)

    assert (status.status, {node.reason for node in status.nodes.values()}) == ("Stale", {"NodeTainted"})


@pytest.mark.parametrize(("interval", "limit"), [(None, 200), (5.0, 200), (60.0, 200), (80.0, 260), (160.0, 500)])
def test_a_report_may_be_as_old_as_its_interval_allows(interval, limit):
    document = DOCUMENT.model_copy(update={"report_seconds": interval})

    def after(seconds):
        late = pod_on("n0", report=report_on("n0", updated_at=(NOW - timedelta(seconds=seconds)).isoformat()))
        return judged(late, document=document)

    assert after(limit).is_warm
    assert after(limit + 1).nodes["n0"].reason == "ReportTooOld"


@pytest.mark.parametrize(
    ("facts", "state", "reason", "says"),
    [
        ({"waiting_reason": "ImagePullBackOff", "waiting_message": "not found"}, "Failed", "ImageProblem", "not found"),
        ({"waiting_reason": "ErrImagePull", "waiting_message": "401"}, "Failed", "ImageProblem", "ErrImagePull: 401"),
        (
            {"waiting_reason": "CrashLoopBackOff", "terminated_reason": "OOMKilled", "exit_code": 137, "restarts": 4},
            "Failed",
            "AgentCrashing",
            "after 4 restarts, last ended by OOMKilled with 137",
        ),
        ({"waiting_reason": "CreateContainerConfigError"}, "Failed", "PodMisconfigured", "CreateContainerConfigError"),
        ({"phase": "Pending", "unschedulable": "0/3 nodes: Insufficient memory"}, "Failed", "PodUnschedulable", "Insufficient"),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on disk"}, "Failed", "PodEvicted", "low on disk"),
        ({"phase": "Failed"}, "Failed", "PodFailed", "Failed"),
        ({"waiting_reason": "ContainerCreating", "phase": "Pending", "report": None}, "Loading", "ReportMissing", "not reported"),
        ({"deleting": True}, "Loading", "PodTerminating", "replacing"),
        ({"report": None}, "Loading", "ReportMissing", "not reported"),
        ({"report": "{"}, "Unknown", "ReportUnreadable", "cannot read"),
        ({"ready": False}, "Loading", "AgentNotReady", "not ready"),
    ],
)
def test_a_pod_in_trouble_is_not_warm_whatever_it_reported(facts, state, reason, says):
    status = judged(pod_on("n0", **facts))

    assert status.status == state
    assert (status.nodes["n0"].reason, status.nodes_ready) == (reason, 1)
    assert says in status.nodes["n0"].message


def test_a_node_without_a_pod_is_loading():
    status = status_of(DOCUMENT, readings().model_copy(update={"pods": (pod_on("n1"),)}), NOW)

    assert (status.status, status.nodes["n0"].reason, status.active_phase) == ("Loading", "PodMissing", "waiting")


def test_a_pod_without_a_node_that_cannot_be_scheduled_speaks_for_a_node_without_a_pod():
    lost = pod_on(None, name="warm-x", phase="Pending", unschedulable="0/2 nodes are available", report=None)

    status = status_of(DOCUMENT, readings().model_copy(update={"pods": (pod_on("n1"), lost)}), NOW)

    assert (status.status, status.nodes["n0"].reason, status.nodes["n1"].reason) == ("Failed", "PodUnschedulable", None)


def test_of_several_pods_on_a_node_the_living_and_latest_speaks():
    evicted = pod_on("n0", name="old", phase="Failed", reason="Evicted", started_at=NOW + timedelta(hours=1))
    ending = pod_on("n0", name="going", deleting=True, started_at=NOW + timedelta(hours=2))
    earlier = pod_on("n0", name="earlier", started_at=NOW - timedelta(hours=1))
    unstarted = pod_on("n0", name="unstarted", started_at=None)

    assert judged(evicted, ending, earlier, unstarted, pod_on("n0")).is_warm
    assert judged(evicted).nodes["n0"].reason == "PodEvicted"


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({"digest": "f" * 32}, "Stale", "GenerationMismatch"),
        ({"shard_count": 4}, "Stale", "ShardCountMismatch"),
        ({"db": "nt"}, "Stale", "ReportOfAnother"),
        ({"node": "n1"}, "Stale", "ReportOfAnother"),
        ({"pod": "warm-n0-before"}, "Stale", "ReportOfAnother"),
        ({"shards": {}}, "Loading", "AssignmentMismatch"),
        ({"mode": "disk"}, "Loading", "ModeMismatch"),
        ({"updated_at": "2026-11-21T11:50:00Z"}, "Unknown", "ReportTooOld"),
        ({"updated_at": "2026-11-21T12:10:00Z"}, "Unknown", "ReportTooOld"),
        ({"phase": "failed", "warm": False, "reason": "DiskFull", "message": "needs 5 GiB"}, "Failed", "DiskFull"),
        ({"phase": "failed", "reason": "DiskFull", "message": "claims to be warm, too"}, "Failed", "DiskFull"),
        ({"phase": "failed", "warm": False}, "Failed", "AgentFailed"),
        ({"warm": False}, "Loading", None),
        ({"warm": False, "phase": "copying_files", "reason": "StorageForbidden"}, "Loading", "StorageForbidden"),
        ({"files_done": 9}, "Unknown", "ReportContradictory"),
        ({"bytes_done": 999}, "Unknown", "ReportContradictory"),
        ({"bytes_done": 0, "bytes_total": 0}, "Unknown", "ReportContradictory"),
        ({"files_done": 0, "files_total": 0}, "Unknown", "ReportContradictory"),
        ({"phase": "verifying_db"}, "Unknown", "ReportContradictory"),
        ({"phase": "polishing"}, "Unknown", "ReportContradictory"),
        ({"resident_bytes": 989}, "Loading", "NotResident"),
        ({"resident_bytes": 0, "resident_total": 0}, "Loading", "NotResident"),
        ({"version": 2}, "Unknown", "ReportUnreadable"),
        ({"warm": "true"}, "Unknown", "ReportUnreadable"),
        ({"updated_at": "2026-11-21T11:59:30"}, "Unknown", "ReportUnreadable"),
        ({"bytes_done": -1}, "Unknown", "ReportUnreadable"),
    ],
)
def test_a_report_that_lacks_or_contradicts_something_is_not_warmth(changes, state, reason):
    status = judged(pod_on("n0", report=report_on("n0") | changes))

    assert status.status == state
    assert status.nodes["n0"].reason == reason
    assert status.nodes_ready == 1


def test_a_shard_that_is_not_whole_is_not_warm():
    report = report_on("n0")
    report["shards"]["00"] = report["shards"]["00"] | {"bytes_done": 99}

    assert judged(pod_on("n0", report=report)).nodes["n0"].reason == "ReportContradictory"


@pytest.mark.parametrize("reason", [None, "NotAssigned"])
def test_an_agent_that_has_not_read_its_assignment_yet_is_loading(reason):
    idle = {"db": "", "digest": "", "shard_count": 0, "mode": "", "shards": {}, "phase": "waiting", "reason": reason}
    status = judged(pod_on("n0", report=report_on("n0") | idle))

    assert (status.status, status.nodes["n0"].reason) == ("Loading", reason or "ReportMissing")
    assert judged(pod_on("n0", report=report_on("n0") | idle | {"pod": "before"})).status == "Stale"


def test_while_pods_are_being_replaced_an_older_generation_is_loading():
    old = pod_on("n0", report=report_on("n0", digest="f" * 32))

    assert judged(old, rollout=ROLLOUT.model_copy(update={"updated": 1})).status == "Loading"
    assert judged(old).status == "Stale"


@pytest.mark.parametrize("mode", ["disk", "evict"])
def test_what_is_not_to_be_in_memory_is_never_warm(mode):
    document = DOCUMENT.model_copy(update={"mode": mode})
    pods = [pod_on(node, report=report_on(node, document)) for node in document.nodes]

    status = judged(*pods, document=document)

    assert (status.status, status.nodes["n0"].reason) == ("Stale", "NotHot")


def test_the_limits_are_the_callers():
    late = pod_on("n0", report=report_on("n0", updated_at="2026-11-21T11:50:00Z", resident_bytes=900))

    assert judged(late, limits=Limits(report_seconds=601, resident_percent=90)).is_warm
    assert judged(late, limits=Limits(report_seconds=600, resident_percent=91)).nodes["n0"].reason == "NotResident"
    assert judged(late, limits=Limits(report_seconds=599, resident_percent=90)).nodes["n0"].reason == "ReportTooOld"


def test_progress_is_measured_in_bytes_and_files():
    status = judged(pod_on("n0", ready=False, report=copying("n0")))

    assert (status.status, status.active_phase, status.active_phase_label) == ("Loading", "copying_files", "Copying files")
    assert (status.files_done, status.files_total, status.bytes_done, status.bytes_total) == (13, 20, 1400, 2000)
    assert (status.progress_pct, status.resident_pct) == (70, 55)
    assert status.bytes_moved == 1400
    assert status.phase_counts == {"copying_files": 1, "completed": 1}
    assert status.shard_progress["00"].model_dump() == {
        "nodes_total": 1, "nodes_warm": 0, "bytes_done": 40, "bytes_total": 100, "resident_pct": 0,
    }  # fmt: skip
    assert status.shard_progress["02"].nodes_warm == 1
    assert status.elapsed_seconds == 600
    # 400 bytes in 570 seconds; 600 are missing.
    assert status.estimated_remaining_seconds == 855


def test_the_slowest_node_sets_the_estimate():
    fast, slow = copying("n0"), copying("n1", bytes_done=100, bytes_moved=100)

    for reports in ((fast, slow), (slow | {"node": "n0", "pod": "warm-n0", "shards": fast["shards"]}, copying("n1"))):
        pods = [pod_on(node, report=report) for node, report in zip(("n0", "n1"), reports, strict=True)]
        # 100 bytes in 570 seconds; 900 are missing.
        assert judged(*pods).estimated_remaining_seconds == 5130


def test_a_rate_that_is_not_known_gives_no_estimate():
    assert judged(pod_on("n0", report=copying("n0", bytes_moved=0))).estimated_remaining_seconds is None
    assert judged(pod_on("n0", report=copying("n0", updated_at="2026-11-21T11:50:00Z"))).estimated_remaining_seconds is None
    assert judged(pod_on("n0", report=None)).estimated_remaining_seconds is None
    assert judged(pod_on("n0", report=report_on("n0", warm=False))).estimated_remaining_seconds is None
    assert judged().estimated_remaining_seconds is None
    assert judged().elapsed_seconds is None


def test_a_failure_stops_the_clock():
    failed = report_on(
        "n0", phase="failed", warm=False, reason="CorruptFile", message="core_nt.00.nsq", updated_at="2026-11-21T11:58:00Z"
    )

    status = judged(pod_on("n0", ready=False, report=failed))

    assert (status.status, status.nodes_failed, status.active_phase) == ("Failed", 1, "failed")
    assert status.active_message == "core_nt.00.nsq"
    assert status.elapsed_seconds == 570


def test_a_node_without_evidence_counts_as_nothing():
    status = judged(pod_on("n0", report=None))

    assert (status.progress_pct, status.resident_pct) == (50, 50)
    assert status.shard_progress["00"].bytes_total == 0
    assert status.shard_progress["01"].bytes_done == 100


def test_a_shard_on_several_nodes_is_as_far_as_the_last_of_them():
    document = DOCUMENT.model_copy(update={"shard_count": 1, "nodes": {"n0": (0,), "n1": (0,)}})
    behind = report_on("n1", document, warm=False, phase="copying_files")
    behind["shards"] = {"00": {"phase": "copying_files", "bytes_done": 7, "bytes_total": 100, "resident_percent": 3.9}}

    pods = [pod_on("n0", report=report_on("n0", document)), pod_on("n1", report=behind)]
    status = judged(*pods, document=document)

    assert status.shard_replicas == {"00": ("n0", "n1")}
    assert status.shard_progress["00"].model_dump() == {
        "nodes_total": 2, "nodes_warm": 1, "bytes_done": 7, "bytes_total": 100, "resident_pct": 3,
    }  # fmt: skip


def test_a_shard_is_nowhere_as_long_as_one_of_its_nodes_has_not_reported():
    document = DOCUMENT.model_copy(update={"shard_count": 1, "nodes": {"n0": (0,), "n1": (0,)}})
    pods = [pod_on("n0", report=report_on("n0", document)), pod_on("n1", report=None)]

    shard = judged(*pods, document=document).shard_progress["00"]

    assert (shard.nodes_total, shard.nodes_warm, shard.bytes_total, shard.resident_pct) == (2, 1, 0, 0)


def test_the_worst_node_decides_and_comes_first():
    pods = [
        pod_on("n1", phase="Failed", reason="Evicted"),
    ]
    status = judged(*pods, nodes=[NodeFacts(name="n1", ready=True)])

    assert status.status == "Failed"
    assert [pod.node for pod in status.pod_statuses] == ["n1", "n0"]
    assert {name: node.reason for name, node in status.nodes.items()} == {"n0": "NodeGone", "n1": "PodEvicted"}
    unknown = judged(pod_on("n1", report="?"), pod_on("n0", report=None))
    assert unknown.status == "Unknown"


def test_node_that_is_lost_is_told_to_who_assigns_although_another_one_fails():
    status = judged(pod_on("n1", phase="Failed", reason="Evicted"), nodes=[NodeFacts(name="n1", ready=True)])

    reading = summarised(status, None)

    assert (reading.status, reading.nodes_failed, reading.nodes_stale, reading.is_stale) == ("Failed", 1, 1, True)


def test_at_most_twenty_pods_are_shown_and_every_node_is_counted():
    names = [f"n{number:02d}" for number in range(30)]
    document = DOCUMENT.model_copy(update={"shard_count": 30, "nodes": {name: (number,) for number, name in enumerate(names)}})
    pods = [pod_on(name, report=report_on(name, document)) for name in names[:-1]]
    nodes = [NodeFacts(name=name, ready=True) for name in names]

    status = status_of(document, Readings(rollout=ROLLOUT, pods=tuple(pods), nodes=tuple(nodes)), NOW)

    assert len(status.pod_statuses) == 20
    assert status.pod_statuses[0].node == "n29"
    assert (status.nodes_ready, status.nodes_active, status.total_jobs) == (29, 1, 30)


def test_foreign_text_is_sanitised_and_cut():
    secret = "GET https://x.blob.core.windows.net/blast-db/a?sv=1&sig=abcdefghijkl failed " + "x " * 400

    status = judged(pod_on("n0", report=report_on("n0", phase="failed", warm=False, reason="StorageForbidden", message=secret)))

    assert "abcdefghijkl" not in status.model_dump_json()
    assert len(status.nodes["n0"].message) == 240
    long = judged(pod_on("n0", waiting_reason="ImagePullBackOff", waiting_message=secret))
    assert "abcdefghijkl" not in long.model_dump_json()
    assert len(long.pod_statuses[0].message) == 240


def test_a_report_of_a_newer_agent_is_read_as_far_as_it_is_known():
    report = parse_report(json.dumps(report_on("n0", phase="polishing", added={"a": 1})))

    assert report.phase == "unknown"
    assert report.db == "core_nt"


def test_every_phase_has_a_label():
    assert all(PHASE_LABELS.values())
    assert next(iter(PHASE_LABELS)) == "failed"
    assert list(PHASE_LABELS)[-1] == "completed"


def test_a_hundred_per_cent_is_only_all_of_it():
    assert percent(10**15 - 1, 10**15) == 99
    assert percent(1, 1) == 100
    assert percent(2, 1) == 100
    assert percent(0, 0) == 0


@given(
    st.text(max_size=30)
    | st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=4).map(json.dumps)
)
def test_law_no_annotation_breaks_the_status(text):
    status = judged(pod_on("n0", report=text))

    assert not status.is_warm
    assert status.nodes["n0"].reason == "ReportUnreadable"


NO, YES = map(st.just, (False, True))
damage = st.fixed_dictionaries(
    {},
    optional={
        "digest": st.just("f" * 32),
        "shard_count": st.just(2),
        "warm": NO,
        "files_done": st.integers(0, 9),
        "bytes_done": st.integers(0, 999),
        "resident_bytes": st.integers(0, 980),
        "phase": st.sampled_from(["waiting", "copying_files", "failed"]),
        "updated_at": st.just("2026-11-21T09:00:00Z"),
        "mode": st.just("disk"),
        "shards": st.just({}),
    },
)
pod_damage = st.fixed_dictionaries(
    {},
    optional={
        "ready": NO,
        "deleting": YES,
        "phase": st.just("Failed"),
        "waiting_reason": st.sampled_from(["ImagePullBackOff", "CrashLoopBackOff"]),
        "unschedulable": st.just("no"),
    },
)
rollout_damage = st.fixed_dictionaries(
    {}, optional={"desired": st.just(0), "observed_generation": st.just(1), "updated": st.just(1)}
)


@given(damage, pod_damage, rollout_damage, st.booleans())
def test_law_any_damage_at_all_and_it_is_not_warm(report, pod, rollout, node_ready):
    status = judged(
        pod_on("n0", report=report_on("n0") | report, **pod),
        rollout=ROLLOUT.model_copy(update=rollout),
        nodes=[NodeFacts(name="n0", ready=node_ready), NodeFacts(name="n1", ready=True)],
    )

    whole = not report and not pod and not rollout and node_ready
    assert status.is_warm == whole
    assert whole or status.error or status.nodes["n0"].reason or report.get("warm") is False
    assert WarmStatus.model_validate_json(status.model_dump_json()) == status
