"""What past releases wrote can still be read, and means the same: runs in flight outlive a deployment.

One folder a release, one JSON file a wire model (`Model.json`, or `Model.variant.json`), as that release wrote it. A folder
is never changed once its release is out; a release that adds a field gets a folder of its own.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel

from shared.blastdb.generations import Generation
from shared.blastdb.layout import Layout
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet
from shared.errors import Code, Problem
from shared.runs import leases, shard, warmup
from shared.runs.clusters import ClusterRef
from shared.runs.leases import Acquire, Holding, Lease, NamedRun, RaiseEpoch, Renew, Reply
from shared.runs.operations import Progress, WarmProgress
from shared.runs.shard import (
    BlobIndices,
    CommitMetadata,
    Inspect,
    Inspected,
    Inspection,
    MarkStarted,
    RecordFailure,
    Removed,
    RemoveOrphans,
    RetrySteering,
    SetPlan,
    SetReceipt,
    ShardResult,
    ShardRun,
    UploadSet,
    Written,
)
from shared.runs.warmup import (
    Applied,
    ApplyWarmup,
    Expire,
    Expiry,
    Planned,
    PlanWarmup,
    ReadWarmup,
    RemoveWarmup,
    WarmPlan,
    WarmReading,
    WarmResult,
    WarmRun,
    Watch,
)
from shared.version import VERSION

FOLDER = Path(__file__).parent

RUN = "shard-core-nt-47bd9f1d3b2a5c60-7"
MOMENT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
DEADLINE = datetime(2026, 3, 1, 12, 27, 0, 123456, tzinfo=UTC)
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
CLUSTER = ClusterRef(subscription_id="12345678-1234-1234-1234-123456789012", resource_group="rg-elb", name="aks-elb")
WARM_PLAN = WarmPlan(
    shard_count=10, replicas=1, digest=GENERATION.digest, nodes=10, node_bytes=29236568973, reason="N = 10 as requested."
)
COLD = Problem(code=Code.WARMUP_FAILED, message="DiskFull: 12 GiB are free, 27 GiB are needed.", target="aks-blastpool-1")
WATCH = Watch(plan=WARM_PLAN, deadline=DEADLINE, changed=True, moved_before=5, polls=20, failed_polls=1)
HOLDING = Holding(run=RUN, kind="shard", since=MOMENT, expires=EXPIRES)
ACTING = {"account": "elbstg01", "db": "core_nt", "run": RUN, "epoch": 7}

MEANING = {
    "0.1.0": {
        "RetrySteering": RetrySteering(attempts=3, first_seconds=0.5, factor=1.5, longest_seconds=12.0),
        "ShardRun": ShardRun(
            run=RUN,
            number=7,
            account="elbstg01",
            db="core_nt",
            presets=(1, 2, 10),
            force=True,
            legacy_alias=True,
            molecule="nucl",
            presumed_dead="shard-core-nt-47bd9f1d3b2a5c60-6",
            lease_seconds=900.0,
            retry=RetrySteering(attempts=3, first_seconds=0.5, factor=1.5, longest_seconds=12.0),
        ),
        "ShardRun.defaults": ShardRun(
            run=RUN,
            number=7,
            account="elbstg01",
            db="core_nt",
            presets=(1, 2, 3, 4, 5, 6, 8, 10),
            force=False,
            legacy_alias=False,
            molecule=None,
            presumed_dead=None,
            lease_seconds=1800.0,
            retry=RetrySteering(attempts=5, first_seconds=1.0, factor=2.0, longest_seconds=30.0),
        ),
        "BlobIndices": BlobIndices(manifests=(0, 3), aliases=(1,)),
        "SetPlan": PLAN,
        "SetPlan.complete": COMPLETE,
        "Inspect": Inspect(account="elbstg01", db="core_nt", presets=(1, 2, 10), force=True, legacy_alias=True, molecule="prot"),
        "Inspect.defaults": Inspect(
            account="elbstg01", db="core_nt", presets=(1,), force=False, legacy_alias=False, molecule=None
        ),
        "Inspection": INSPECTION,
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
        "MarkStarted.create": MarkStarted(**ACTING, started=MOMENT, if_match=None),
        "UploadSet": UploadSet(
            account="elbstg01",
            db="core_nt",
            plan=PLAN,
            volumes=VOLUMES,
            statistics=STATISTICS,
            last_change=LAST_CHANGE,
            write_before=DEADLINE,
        ),
        "UploadSet.legacy": UploadSet(
            account="elbstg01",
            db="core_nt",
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
        "RemoveOrphans": RemoveOrphans(
            account="elbstg01", db="core_nt", volumes=VOLUMES, shard_counts=(10,), kept=(1, 2), write_before=DEADLINE
        ),
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
        "WarmRun": WarmRun(
            run="warm-core-nt-47bd9f1d3b2a5c60-7",
            number=7,
            cluster=CLUSTER,
            shard=ShardRun(run=RUN, number=1, account="elbstg01", db="core_nt", presets=(1, 10)),
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
        "PlanWarmup": PlanWarmup(cluster=CLUSTER, account="elbstg01", db="core_nt", shard_count=10, replicas=2),
        "WarmPlan": WARM_PLAN,
        "Planned": Planned(plan=WARM_PLAN),
        "Planned.refused": Planned(problem=COLD),
        "ApplyWarmup": ApplyWarmup(cluster=CLUSTER, account="elbstg01", db="core_nt", plan=WARM_PLAN),
        "Applied": Applied(changed=True),
        "ReadWarmup": ReadWarmup(cluster=CLUSTER, db="core_nt"),
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
        "Watch": WATCH,
        "Expiry": Expiry(run=RUN),
        "Expire": Expire(
            run=RUN,
            release=WarmRun(
                run=f"{RUN}-ttl",
                number=7,
                cluster=CLUSTER,
                shard=ShardRun(run=RUN, number=1, account="elbstg01", db="core_nt", presets=(1, 10)),
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
        ),
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
        "Reply": Reply(granted=False, lease=Lease(epoch=7, holding=HOLDING)),
    },
}
EVERY = [(release, name) for release, meaning in MEANING.items() for name in meaning]
WRITTEN_WHOLE = (ShardResult, WarmResult, *(leases.Holding, leases.Lease, leases.Acquire, leases.Renew, leases.RaiseEpoch))
WRITTEN_WHOLE += (leases.NamedRun, leases.Reply)
"""What a run's output and the lease's entity write with all fields; everything else leaves defaults out."""

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
        and name != "Wire"
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

    assert kept == models_of(shard) | models_of(leases) | models_of(warmup) | {"Progress", "WarmProgress"}
