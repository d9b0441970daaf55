"""What past releases wrote can still be read, and means the same: runs in flight outlive a deployment.

One folder a release, one JSON file a wire model (`Model.json`, or `Model.variant.json`), as that release wrote it. A folder
is never changed once its release is out; a release that adds a field gets a folder of its own.
"""

import json
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel

from shared.blastdb.generations import Generation
from shared.blastdb.layout import Layout
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet
from shared.errors import Code, Problem
from shared.runs import leases
from shared.runs.callbacks import Callback, CallbackState, Notice, PostCallback, Posted
from shared.runs.database.layout_history import LayoutRecord
from shared.runs.leases import Acquire, Holding, Lease, NamedRun, RaiseEpoch, Renew, Reply
from shared.runs.operations import Progress, SettleProgress, WarmProgress
from shared.runs.payload import RetryOptions, RunInput
from shared.runs.prepare.result import PrepareResult
from shared.runs.reconcile import result
from shared.runs.shard.identifying import Identified, IdentifyFiles, IdentifySteering
from shared.runs.shard.legacy import LegacySets
from shared.runs.shard.payloads import (
    BlobIndices,
    CommitMetadata,
    Inspect,
    Inspected,
    Inspection,
    MarkStarted,
    RecordFailure,
    Removed,
    RemoveOrphans,
    SetPlan,
    SetReceipt,
    ShardRun,
    UploadSet,
    Written,
)
from shared.runs.shard.result import ShardResult
from shared.runs.upload.payloads import InspectUpload, SettleResult, SettleRun, UploadSeen, Waiting
from shared.runs.upload.transitions import Arrive, End, LastEvent, Revive, SettleLook, SettleReply, Tidy, UploadState
from shared.runs.warmup.expiry import Expire, Expiry
from shared.runs.warmup.payloads import (
    Applied,
    ApplyWarmup,
    Marked,
    MarkNodes,
    Planned,
    PlanWarmup,
    ReadWarmup,
    RemoveWarmup,
    Wait,
    WarmPlan,
    WarmReading,
    WarmRun,
    WatchState,
)
from shared.runs.warmup.result import WarmResult
from shared.version import VERSION
from tests.wire import reconciling
from tests.wire.preparing import PREPARING
from tests.wire.sample import CLUSTER, DEADLINE, MOMENT, UNKNOWN_TOTALS, WHERE, child_of

FOLDER = Path(__file__).parent

RUN = "shard-core-nt-47bd9f1d3b2a5c60-7"
LAST_CHANGE = datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC)
EXPIRES = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)
VOLUMES = VolumeSet(db="core_nt", molecule="nucl", count=83, digits=2)
GENERATION = Generation(source_version="2025-01-01-01-05-02", digest="0123456789abcdef0123456789abcdef")
STATISTICS = Statistics(
    sequences=125619662, letters=1041443571674, source="njs", bytes_to_cache=263405000000, bytes_total=292365689731
)
PLAN = SetPlan(
    layout=Layout(cuts=(0, 42, 83)),
    absent=BlobIndices(manifests=(0,), aliases=(0, 1)),
    differing=BlobIndices(manifests=(1,)),
)
COMPLETE = SetPlan(layout=Layout(cuts=(0, 83)))
REFUSED = Problem(code=Code.WRITTEN_BY_ANOTHER, message="'x' was changed by another writer during this run.", target="x")
PARTIAL = Problem(
    code=Code.PARTIAL_SHARD_SETS,
    message="The shard sets for N = 2 failed; the others are complete. Start again to repair them.",
    details=(REFUSED.model_copy(update={"target": "2"}),),
)
INSPECTION = Inspection(
    volumes=VOLUMES,
    generation=GENERATION,
    statistics=STATISTICS,
    total_bytes=292365689731,
    file_count=257,
    sets=(COMPLETE, PLAN),
    skipped=(100,),
    orphans=(10,),
    metadata_etag='"0x8DC1A2B3C4D5E6F"',
    epoch=6,
    marked=True,
    current=True,
    last_change=LAST_CHANGE,
)
LEGACY = LegacySets(generation=GENERATION, volumes=VOLUMES, statistics=STATISTICS, layouts=(Layout(cuts=(0, 42, 83)),))
WARM_PLAN = WarmPlan(
    shard_count=10, replicas=1, digest=GENERATION.digest, nodes=10, node_bytes=29236568973, reason="N = 10 as requested."
)
COLD = Problem(code=Code.WARMUP_FAILED, message="DiskFull: 12 GiB are free, 27 GiB are needed.", target="aks-blastpool-1")
WATCH = WatchState(plan=WARM_PLAN, deadline=DEADLINE, changed=True, assigned=True, moved_before=5, polls=20, failed_polls=1)
WAIT = Wait(deadline=DEADLINE, tries=40)
CALLBACK = Callback(
    url="https://hooks.example.org/blast", attempts=3, first_seconds=1.0, longest_seconds=60.0, wait_seconds=600.0
)
HOLDING = Holding(run=RUN, kind="shard", since=MOMENT, expires=EXPIRES)
SETTLE = "settle-core-nt-47bd9f1d3b2a5c60-3"
INCOMPLETE = Problem(
    code=Code.UPLOAD_INCOMPLETE, message="'core_nt' lacks core_nt.02.nin. Upload what is missing.", target="core_nt"
)
SETTLE_RUN = SettleRun(
    run=SETTLE,
    shard=ShardRun(run="", number=1, **WHERE, presets=(1, 2), refusal=INCOMPLETE),
    quiet_seconds=30.0,
    give_up_seconds=7200.0,
    waiting=Waiting(looked_at=5, next_look=DEADLINE, looks_in_vain=2, shards=1, problem=INCOMPLETE),
)
MARK = LastEvent(leaf="core_nt.02.nsq", etag="0x8DC1A2B3C4D5E6F", sequencer="00000000000004420000000000028963")
ACTING = {**WHERE, "run": RUN, "epoch": 7}
SHARD = child_of(RUN)

MEANING = {
    "0.1.0": {
        "RetryOptions": RetryOptions(attempts=3, first_seconds=0.5, factor=1.5, longest_seconds=12.0),
        "ShardRun": ShardRun(
            run=RUN,
            number=7,
            **WHERE,
            presets=(1, 2, 10),
            force=True,
            legacy_alias=True,
            molecule="nucl",
            presumed_dead="shard-core-nt-47bd9f1d3b2a5c60-6",
            lease_seconds=900.0,
            retry=RetryOptions(attempts=3, first_seconds=0.5, factor=1.5, longest_seconds=12.0),
        ),
        "ShardRun.defaults": ShardRun(
            run=RUN,
            number=7,
            **WHERE,
            presets=(1, 2, 3, 4, 5, 6, 8, 10),
            force=False,
            legacy_alias=False,
            molecule=None,
            presumed_dead=None,
            lease_seconds=1800.0,
            retry=RetryOptions(attempts=5, first_seconds=1.0, factor=2.0, longest_seconds=30.0),
        ),
        "ShardRun.callback": ShardRun(run=RUN, number=7, **WHERE, presets=(1,), callback=CALLBACK),
        "ShardRun.restore": ShardRun(run=RUN, number=7, **WHERE, presets=(1,), restore="0123456789abcdef0123456789abcdef"),
        "ShardRun.nonce": ShardRun(run=RUN, number=7, **WHERE, presets=(1,), nonce="0123456789abcdef"),
        "ShardRun.identifying": ShardRun(run=RUN, number=7, **WHERE, presets=(1,), identifying=IdentifySteering()),
        "IdentifySteering": IdentifySteering(lanes=2, slice_seconds=20.0),
        "IdentifyFiles": IdentifyFiles(
            **WHERE,
            lane=1,
            steering=IdentifySteering(lanes=2, slice_seconds=20.0),
            passed=30,
            write_before=DEADLINE,
        ),
        "IdentifyFiles.first": IdentifyFiles(**WHERE, lane=0, steering=IdentifySteering(), write_before=DEADLINE),
        "Identified": Identified(passed=40, is_done=False, files=10, bytes=30000000000, problem=REFUSED),
        "Identified.done": Identified(passed=65, files=25, bytes=70000000000),
        "Inspection.unidentified": INSPECTION.model_copy(update={"unidentified": 257, "unidentified_bytes": 292365689731}),
        "RunInput": RunInput(nonce="0123456789abcdef"),
        "Inspect.restore": Inspect(**WHERE, presets=(1,), restore="0123456789abcdef0123456789abcdef"),
        "Inspection.restored": INSPECTION.model_copy(
            update={"restored": True, "legacy_alias": True, "restored_version": "2024-12-01-01-05-02"}
        ),
        "CommitMetadata.layouts": CommitMetadata(
            **ACTING,
            finished=MOMENT,
            generation=GENERATION,
            volumes=VOLUMES,
            statistics=STATISTICS,
            total_bytes=292365689731,
            file_count=257,
            good_sets=(1, 2),
            layouts=(COMPLETE.layout, PLAN.layout),
            restored=True,
            legacy_alias=True,
            restored_version="2024-12-01-01-05-02",
        ),
        "LayoutRecord": LayoutRecord(
            generation=GENERATION,
            operation_id=RUN,
            sharded_at=MOMENT,
            volumes=VOLUMES,
            sets=((0, 83), (0, 42, 83)),
            legacy_alias=True,
            statistics=STATISTICS,
            marks="01ab" * 83,
        ),
        "Callback": CALLBACK,
        "Callback.defaults": Callback(
            url="https://hooks.example.org/blast",
            attempts=10,
            first_seconds=5.0,
            longest_seconds=300.0,
            wait_seconds=86400.0,
        ),
        "Notice": Notice(
            run=RUN,
            callback=CALLBACK,
            retry=RetryOptions(attempts=3, first_seconds=0.5, factor=1.5, longest_seconds=12.0),
            looks=5,
            tries=2,
            deadline=DEADLINE,
        ),
        "PostCallback": PostCallback(run=RUN, url=CALLBACK.url),
        "Posted": Posted(outcome="failed", status_code=503, problem=REFUSED),
        "Posted.waiting": Posted(outcome="waiting"),
        "CallbackState": CallbackState(phase="posting", tries=2, status_code=503, error=REFUSED),
        "BlobIndices": BlobIndices(manifests=(0, 3), aliases=(1,)),
        "SetPlan": PLAN,
        "SetPlan.complete": COMPLETE,
        "Inspect": Inspect(**WHERE, presets=(1, 2, 10), force=True, legacy_alias=True, molecule="prot"),
        "Inspect.defaults": Inspect(**WHERE, presets=(1,), force=False, legacy_alias=False, molecule=None),
        "Inspection": INSPECTION,
        "Inspection.legacy": INSPECTION.model_copy(update={"unlisted": (2,), "legacy": LEGACY.layouts}),
        "Inspected": Inspected(inspection=INSPECTION, problem=None),
        "Inspected.minimal": Inspected(
            inspection=Inspection(
                volumes=VolumeSet(db="16S", molecule="prot", count=1, digits=None),
                generation=Generation(source_version=None, digest="0123456789abcdef0123456789abcdef"),
                statistics=None,
                total_bytes=12,
                file_count=4,
                sets=(SetPlan(layout=Layout(cuts=(0, 1)), absent=BlobIndices(), differing=BlobIndices()),),
                skipped=(),
                orphans=(),
                metadata_etag=None,
                epoch=0,
                marked=False,
                current=False,
                last_change=LAST_CHANGE,
            ),
            problem=None,
        ),
        "Inspected.problem": Inspected(inspection=None, problem=REFUSED),
        "MarkStarted": MarkStarted(**ACTING, started=MOMENT, if_match='"0x8DC1A2B3C4D5E6F"'),
        "MarkStarted.legacy": MarkStarted(**ACTING, started=MOMENT, if_match='"0x8DC1A2B3C4D5E6F"', unlisted=(2,), legacy=LEGACY),
        "LegacySets": LEGACY,
        "MarkStarted.create": MarkStarted(**ACTING, started=MOMENT, if_match=None),
        "UploadSet": UploadSet(
            **WHERE,
            plan=PLAN,
            volumes=VOLUMES,
            statistics=STATISTICS,
            last_change=LAST_CHANGE,
            write_before=DEADLINE,
        ),
        "UploadSet.legacy": UploadSet(
            **WHERE,
            plan=PLAN,
            volumes=VOLUMES,
            statistics=None,
            last_change=LAST_CHANGE,
            write_before=DEADLINE,
        ),
        "SetReceipt": SetReceipt(shard_count=2, written=3, already_right=1, problem=None),
        "SetReceipt.problem": SetReceipt(shard_count=2, written=0, already_right=1, problem=REFUSED),
        "CommitMetadata": CommitMetadata(
            **ACTING,
            finished=MOMENT,
            generation=GENERATION,
            volumes=VOLUMES,
            statistics=STATISTICS,
            total_bytes=292365689731,
            file_count=257,
            good_sets=(1,),
            problem=PARTIAL,
            etag='"0x8DC1A2B3C4D5E6F"',
        ),
        "RecordFailure": RecordFailure(**ACTING, damaged_sets=(2, 10), problem=REFUSED),
        "RecordFailure.canceled": RecordFailure(**ACTING, damaged_sets=(), problem=None),
        "RecordFailure.relisted": RecordFailure(**ACTING, relisted=(2, 10), problem=None),
        "RemoveOrphans": RemoveOrphans(**WHERE, volumes=VOLUMES, shard_counts=(10,), kept=(1, 2), write_before=DEADLINE),
        "Written": Written(etag='"0x8DC1A2B3C4D5E6F"', problem=None),
        "Written.problem": Written(etag=None, problem=REFUSED),
        "Removed": Removed(blobs=20),
        "Removed.nothing": Removed(blobs=0),
        "ShardResult": ShardResult(
            outcome="sharded",
            db="core_nt",
            volumes=83,
            shard_sets=(1, 2),
            skipped=(100,),
            blobs_written=4,
            blobs_unchanged=2,
            orphans_removed=20,
            statistics="njs",
            generation=GENERATION,
        ),
        "ShardResult.warnings": ShardResult(outcome="unchanged", db="core_nt", warnings=UNKNOWN_TOTALS),
        "ShardResult.canceled": ShardResult(outcome="canceled", db="core_nt", statistics="absent", generation=None),
        "Progress": Progress(
            phase="failed",
            presets_total=2,
            presets_done=1,
            presets_failed=1,
            blobs_total=4,
            blobs_done=3,
            error=PARTIAL,
        ),
        "Progress.identifying": Progress(
            phase="identifying", files_total=257, files_done=10, bytes_total=292365689731, bytes_done=30000000000
        ),
        "WarmRun": WarmRun(
            run="warm-core-nt-47bd9f1d3b2a5c60-7",
            number=7,
            cluster=CLUSTER,
            shard=SHARD,
            shard_count=10,
            replicas=1,
            strict=False,
            ttl_seconds=3600.0,
            presumed_dead="another",
            lease_seconds=9000.0,
            deadline_seconds=6000.0,
            first_poll_seconds=1.0,
            longest_poll_seconds=10.0,
            watch=WATCH,
        ),
        "WarmRun.nonce": WarmRun(
            run=RUN,
            number=7,
            cluster=CLUSTER,
            shard=SHARD,
            nonce="0123456789abcdef",
        ),
        "WarmRun.wait": WarmRun(
            run="warm-core-nt-47bd9f1d3b2a5c60-7",
            number=7,
            cluster=CLUSTER,
            shard=SHARD,
            wait=WAIT,
        ),
        "WarmRun.release_at": WarmRun(
            run="warm-core-nt-47bd9f1d3b2a5c60-7",
            number=7,
            cluster=CLUSTER,
            shard=SHARD,
            ttl_seconds=3600.0,
            release_at=MOMENT,
        ),
        "Wait": WAIT,
        "PlanWarmup": PlanWarmup(cluster=CLUSTER, **WHERE, shard_count=10, replicas=2),
        "WarmPlan": WARM_PLAN,
        "Planned": Planned(plan=WARM_PLAN),
        "Planned.refused": Planned(problem=COLD),
        "ApplyWarmup": ApplyWarmup(run=RUN, cluster=CLUSTER, **WHERE, plan=WARM_PLAN),
        "ApplyWarmup.replicas": ApplyWarmup(run=RUN, cluster=CLUSTER, **WHERE, plan=WARM_PLAN, replicas=2),
        "PlanWarmup.strict": PlanWarmup(cluster=CLUSTER, **WHERE, strict=True),
        "ApplyWarmup.strict": ApplyWarmup(run=RUN, cluster=CLUSTER, **WHERE, plan=WARM_PLAN, strict=True),
        "Applied": Applied(changed=True, assigned=True),
        "Applied.bytes": Applied(changed=True, node_bytes=29236568973),
        "ReadWarmup": ReadWarmup(cluster=CLUSTER, db="core_nt", run=RUN),
        "MarkNodes": MarkNodes(cluster=CLUSTER, db="core_nt"),
        "Marked": Marked(marked=True),
        "WarmReading": WarmReading(
            status="Failed",
            nodes_ready=9,
            nodes_total=10,
            nodes_failed=1,
            files_done=250,
            files_total=257,
            bytes_done=1,
            bytes_total=2,
            bytes_moved=3,
            resident_percent=90,
            covered=True,
            reasons=(COLD,),
            trouble="The cluster has seen generation 1 of the DaemonSet, not yet 2.",
        ),
        "WarmReading.stale": WarmReading(status="Failed", nodes_failed=1, nodes_stale=1),
        "WatchState": WATCH,
        "WatchState.refused": WATCH.model_copy(update={"refusals": 2}),
        "WatchState.warnings": WATCH.model_copy(update={"warnings": UNKNOWN_TOTALS}),
        "Expiry": Expiry(run=RUN),
        "Expire": Expire(
            run=RUN,
            release=WarmRun(
                run=f"{RUN}-ttl",
                number=7,
                cluster=CLUSTER,
                shard=SHARD,
            ),
        ),
        "RemoveWarmup": RemoveWarmup(cluster=CLUSTER, db="core_nt"),
        "WarmResult": WarmResult(
            outcome="warm",
            db="core_nt",
            cluster="aks-elb",
            shard_count=10,
            nodes=10,
            bytes_moved=1,
            bytes_total=2,
            resident_percent=100,
            changed=True,
            nodes_marked=True,
        ),
        "WarmResult.warnings": WarmResult(outcome="warm", db="core_nt", cluster="aks-elb", warnings=UNKNOWN_TOTALS),
        "WarmProgress": WarmProgress(
            phase="warming", nodes_total=10, nodes_ready=9, bytes_total=2, bytes_done=1, resident_percent=90, error=COLD
        ),
        "Holding": HOLDING,
        "Lease": Lease(epoch=7, holding=HOLDING.model_copy(update={"cancel_requested": True})),
        "Lease.free": Lease(epoch=7, holding=None),
        "Acquire": Acquire(run=RUN, kind="shard", number=7, now=MOMENT, ttl_seconds=1800.0, presumed_dead="another"),
        "Renew": Renew(run=RUN, now=MOMENT, ttl_seconds=1800.0),
        "RaiseEpoch": RaiseEpoch(run=RUN, floor=41),
        "NamedRun": NamedRun(run=RUN),
        **PREPARING,
        "Reply": Reply(granted=False, lease=Lease(epoch=7, holding=HOLDING)),
        "SettleProgress": SettleProgress(phase="failed", reason=INCOMPLETE, error=INCOMPLETE),
        "Waiting": SETTLE_RUN.waiting,
        "SettleRun": SETTLE_RUN,
        "SettleRun.defaults": SettleRun(
            run=SETTLE,
            shard=ShardRun(run="", number=1, **WHERE, presets=(1,)),
            quiet_seconds=60.0,
            give_up_seconds=21600.0,
            waiting=Waiting(looked_at=0, next_look=None, looks_in_vain=0, shards=0, problem=None),
        ),
        "SettleResult": SettleResult(
            outcome="sharded",
            db="core_nt",
            shard_operation_id=f"{SETTLE}-shard-0",
            result=ShardResult(outcome="sharded", db="core_nt", volumes=83, shard_sets=(1, 2)),
        ),
        "SettleResult.unchanged": SettleResult(outcome="unchanged", db="core_nt"),
        "InspectUpload": InspectUpload(**WHERE),
        "UploadSeen": UploadSeen(state="incomplete", problem=INCOMPLETE),
        "UploadSeen.complete": UploadSeen(state="complete", problem=None),
        "LastEvent": MARK,
        "LastEvent.bare": LastEvent(leaf="core_nt.ndb", etag=None, sequencer=None),
        "UploadState": UploadState(
            number=3, run=SETTLE, alive_until=EXPIRES, version=5, last_arrival=MOMENT, recent=(MARK,), known=2, overtaken=1
        ),
        "UploadState.idle": UploadState(
            number=0, run=None, alive_until=None, version=0, last_arrival=None, recent=(), known=0, overtaken=0
        ),
        "UploadState.started": UploadState(number=1, started=MOMENT, version=1, last_arrival=MOMENT),
        "Tidy": Tidy(now=MOMENT, idle_seconds=86400.0, retention_seconds=2592000.0),
        "Arrive": Arrive(mark=MARK, received=MOMENT, settle=SETTLE_RUN),
        "SettleLook": SettleLook(run=SETTLE, now=MOMENT, alive_seconds=1860.0),
        "End": End(run=SETTLE, version=5),
        "End.whatever": End(run=SETTLE, version=None),
        "Revive": Revive(presumed_dead=SETTLE, now=MOMENT, settle=SETTLE_RUN),
        "SettleReply": SettleReply(granted=True, version=5, last_arrival=MOMENT),
        "SettleReply.refused": SettleReply(granted=False, version=0, last_arrival=None),
    },
}
MEANING["0.1.0"] |= reconciling.MEANING
EVERY = [(release, name) for release, meaning in MEANING.items() for name in meaning]
WRITTEN_WHOLE = (ShardResult, WarmResult, PrepareResult, SettleResult, result.ReconcileResult)
WRITTEN_WHOLE += (leases.Holding, leases.Lease, leases.Acquire, leases.Renew, leases.RaiseEpoch, leases.NamedRun, leases.Reply)
WRITTEN_WHOLE += (SettleLook, End, SettleReply, Tidy)
"""What a run's output, the lease's entity and those who ask one write with all fields; everything else leaves defaults out."""

MODULES = [
    import_module(f"shared.runs.{name}")
    for name in (
        "callbacks",
        "database.layout_history",
        "leases",
        "payload",
        "prepare.payloads",
        "prepare.result",
        "prepare.rounds",
        "reconcile.payloads",
        "reconcile.result",
        "shard.identifying",
        "shard.legacy",
        "shard.payloads",
        "shard.result",
        "upload.payloads",
        "upload.transitions",
        "warmup.expiry",
        "warmup.payloads",
        "warmup.result",
    )
]

every_payload = pytest.mark.parametrize(("release", "name"), EVERY, ids=map(" ".join, EVERY))


def stored(release, name):
    return json.loads((FOLDER / release / f"{name}.json").read_text())


def written(model):
    return model.model_dump(mode="json", exclude_defaults=not isinstance(model, WRITTEN_WHOLE))


def with_unknown_fields(value):
    """The same JSON as a later release would write it: every object has one field more."""
    if isinstance(value, dict):
        return {**{name: with_unknown_fields(item) for name, item in value.items()}, "added_later": {"x": [1]}}
    return [with_unknown_fields(item) for item in value] if isinstance(value, list) else value


def models_of(module):
    return {
        name
        for name, item in vars(module).items()
        if isinstance(item, type)
        and issubclass(item, BaseModel)
        and item.__module__ == module.__name__
        and not name.startswith("_")
        and name != "Payload"
    }


@every_payload
def test_what_a_past_release_wrote_still_means_the_same(release, name):
    meaning = MEANING[release][name]

    assert type(meaning).model_validate(stored(release, name)) == meaning


@every_payload
def test_what_a_later_release_adds_is_passed_over(release, name):
    meaning = MEANING[release][name]

    assert type(meaning).model_validate(with_unknown_fields(stored(release, name))) == meaning


@pytest.mark.parametrize("name", MEANING[max(MEANING)])
def test_this_release_writes_what_is_kept_for_it(name):
    newest = max(MEANING)

    assert newest == VERSION
    assert written(MEANING[newest][name]) == stored(newest, name)


@pytest.mark.parametrize("release", MEANING)
def test_every_file_has_a_meaning(release):
    assert {path.name.removesuffix(".json") for path in (FOLDER / release).glob("*.json")} == set(MEANING[release])
    assert {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name != "__pycache__"} == set(MEANING)


def test_every_wire_model_is_kept():
    kept = {name.partition(".")[0] for name in MEANING[max(MEANING)]}

    progress = {"Progress", "SettleProgress", "WarmProgress", "PrepareProgress", "ReconcileProgress"}
    assert kept == set().union(*map(models_of, MODULES)) | progress
