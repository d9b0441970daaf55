"""What travels in a warmup stays small at any number of nodes: 500 of them with long names, all failed with long messages."""

import pytest

from orchestrators.warmup_watch import not_warm, progress_of
from shared.agent.assignment import AssignmentDocument
from shared.blastdb.alias import LEGACY_ALIAS
from shared.blastdb.blobs import MAX_SHARDS, PRESETS
from shared.blastdb.exactness import inexact
from shared.errors import Code
from shared.runs.ids import operation_id
from shared.runs.shard.payloads import ShardRun
from shared.runs.warmup.clusters import ClusterRef
from shared.runs.warmup.expiry import Expire
from shared.runs.warmup.facts import NodeFacts, PodFacts, Readings, RolloutFacts
from shared.runs.warmup.payloads import ApplyWarmup, PlanWarmup, WarmPlan, WarmRun, WatchState
from shared.runs.warmup.reading import summarised
from shared.runs.warmup.result import WarmResult
from shared.runs.warmup.status import status_of
from tests.wire.largest import ACCOUNT, DB, MOMENT, STATUS_BYTES, STEP_BYTES, size_bytes

NODES = [f"{'aks-' * 15}{number:03d}" for number in range(500)]
CLUSTER = ClusterRef(subscription_id="s" * 36, resource_group="g" * 90, name="c" * 63)
RUN = operation_id("warm", CLUSTER.key, DB, 10**6)
DOCUMENT = AssignmentDocument(
    account=ACCOUNT,
    container_url="https://storage.invalid/blast-db",
    db=DB,
    molecule="nucl",
    source_version="2025-01-01-01-05-02",
    digest="d" * 32,
    shard_count=MAX_SHARDS,
    mode="hot",
    nodes={node: (number % MAX_SHARDS,) for number, node in enumerate(NODES)},
)
READINGS = Readings(
    rollout=RolloutFacts(generation=10**6, observed_generation=10**6, desired=500, updated=500, ready=500),
    pods=tuple(PodFacts(name=f"p{node}", node=node, phase="Failed", ready=False, message="why " * 500) for node in NODES),
    nodes=tuple(NodeFacts(name=node, ready=True) for node in NODES),
)
PLAN = WarmPlan(shard_count=32, replicas=100, digest="d" * 32, nodes=500, node_bytes=10**15, reason="r" * 300)
WARNINGS = inexact(DB, has_totals=False, form=LEGACY_ALIAS)
WATCH = WatchState(
    plan=PLAN, deadline=MOMENT, changed=True, moved_before=10**15, polls=10**6, failed_polls=10**6, warnings=WARNINGS
)
REQUEST = WarmRun(
    run=RUN,
    number=10**6,
    cluster=CLUSTER,
    shard=ShardRun(run=RUN, number=1, account=ACCOUNT, db=DB, presets=PRESETS),
    shard_count=32,
    replicas=100,
    strict=False,
    ttl_seconds=31_536_000.0,
    presumed_dead=RUN,
    lease_seconds=10800.5,
    deadline_seconds=7200.5,
    watch=WATCH,
)
COUNTS = {"files_total": 10**6, "files_done": 10**6, "bytes_total": 10**15, "bytes_done": 10**15, "bytes_moved": 10**15}
READING = summarised(status_of(DOCUMENT, READINGS, MOMENT), None).model_copy(update={**COUNTS, "resident_percent": 100})
PROBLEM = not_warm(max(Code.WARMUP_TIMED_OUT, Code.WARMUP_FAILED, key=len), REQUEST, READING)

STEPS = {
    "input of the run": REQUEST,
    "release at the end of the time": Expire(run=RUN, release=REQUEST),
    "plan_warmup": PlanWarmup(cluster=CLUSTER, account=ACCOUNT, db=DB, shard_count=32, replicas=100),
    "apply_warmup": ApplyWarmup(cluster=CLUSTER, account=ACCOUNT, db=DB, plan=PLAN),
    "reply of read_warmup": READING,
    "watch": WATCH,
    "output of the run": WarmResult(
        outcome="released", db=DB, cluster=CLUSTER.name, bytes_moved=10**15, bytes_total=10**15, warnings=WARNINGS
    ),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_the_payload_of_every_step_stays_small(step):
    assert size_bytes(step) < STEP_BYTES


def test_the_worst_case_is_the_worst():
    assert (READING.status, READING.nodes_failed) == ("Failed", 500)
    assert len(READING.reasons) > 1
    assert all("…" in reason.message for reason in READING.reasons)


def test_the_custom_status_stays_small_when_five_hundred_nodes_fail():
    shown = progress_of(READING).model_copy(update={"phase": "failed", "error": PROBLEM})

    assert size_bytes(shown) < STATUS_BYTES
    assert NODES[0] in shown.error.message


def test_the_custom_status_of_a_warmup_under_way_stays_small():
    assert size_bytes(progress_of(READING)) < 300
