"""What travels stays small in the worst case: 1,024 volumes, the default presets and 32 shards, every blob differing."""

import pytest

from shared.blastdb.blobs import MAX_SHARDS, PRESETS
from shared.blastdb.generations import Generation
from shared.blastdb.layout import split
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import MAX_VOLUMES, VolumeSet
from shared.errors import Code, Problem
from shared.runs.callbacks import LONGEST_URL, Callback
from shared.runs.leases import Acquire, Holding, Lease, Reply
from shared.runs.operations import PrepareProgress, Progress
from shared.runs.prepare.payloads import CopyFiles, CopyReceipt, MarkUpdate, PrepareRun, Stage
from shared.runs.prepare.rounds import add_up, given_up
from shared.runs.shard.identifying import Identified, IdentifyFiles, IdentifySteering
from shared.runs.shard.outcome import partial, progress, result
from shared.runs.shard.payloads import (
    BlobIndices,
    CommitMetadata,
    Inspect,
    Inspected,
    Inspection,
    MarkStarted,
    RecordFailure,
    RemoveOrphans,
    SetPlan,
    SetReceipt,
    ShardRun,
    UploadSet,
    Written,
)
from tests.wire.largest import ACCOUNT, DB, MOMENT, RUN, STATUS_BYTES, STEP_BYTES, size_bytes

ETAG = '"0x8DC1A2B3C4D5E6F"'
COUNTS = (*PRESETS, MAX_SHARDS)
EVERY_COUNT = tuple(range(1, MAX_SHARDS + 1))
VOLUMES = VolumeSet(db=DB, molecule="nucl", count=MAX_VOLUMES, digits=4)
GENERATION = Generation(source_version="2025-01-01-01-05-02", digest="d" * 32)
STATISTICS = Statistics(sequences=10**12, letters=10**15, source="index", bytes_to_cache=10**15, bytes_total=10**15)
PLANS = tuple(
    SetPlan(
        layout=split([1] * MAX_VOLUMES, count),
        differing=BlobIndices(manifests=tuple(range(count)), aliases=tuple(range(count))),
    )
    for count in COUNTS
)
INSPECTION = Inspection(
    volumes=VOLUMES,
    generation=GENERATION,
    statistics=STATISTICS,
    total_bytes=10**15,
    file_count=10**4,
    sets=PLANS,
    orphans=EVERY_COUNT,
    metadata_etag=ETAG,
    epoch=10**6,
    marked=True,
    last_change=MOMENT,
    unidentified=10**4,
    unidentified_bytes=10**15,
)
STEERING = IdentifySteering(lanes=64, slice_seconds=40.5)
# As long as a message gets that was made from foreign text, with the longest of the codes.
CODE = max(Code, key=len)
PROBLEM = Problem(code=CODE, message="m" * 300, target=DB)
FAILURES = partial(dict.fromkeys(EVERY_COUNT, PROBLEM))
ACTING = {"account": ACCOUNT, "db": DB, "run": RUN, "epoch": 10**6}

CALLBACK = Callback(url="u" * LONGEST_URL, attempts=3, first_seconds=1.5, longest_seconds=60.5, wait_seconds=600.5)
STAGE = Stage(
    source_version="s" * 64,
    digest="d" * 32,
    step="promoting",
    files_total=10**5,
    bytes_total=10**15,
    is_intact=True,
    shard_sets=EVERY_COUNT,
    epoch=10**6,
    files_kept=10**5,
    bytes_kept=10**15,
    files_done=10**5,
    bytes_done=10**15,
    bytes_copied=10**15,
    stuck=100,
)
FILE_FAILURE = Problem(code=CODE, message="m" * 120, target=f"{DB}.0000.nsq")
RECEIPT = CopyReceipt(
    lane=63, files_done=10**5, bytes_done=10**15, bytes_copied=10**15, failed=10**5, failures=(FILE_FAILURE,) * 5, problem=PROBLEM
)
GIVEN_UP = given_up(DB, add_up([RECEIPT] * 64))

STEPS = {
    "input of a prepare run": PrepareRun(
        run=RUN,
        number=10**6,
        account=ACCOUNT,
        db=DB,
        shard=ShardRun(run=RUN, number=10**6, account=ACCOUNT, db=DB, presets=EVERY_COUNT),
        source_version="s" * 64,
        presumed_dead=RUN,
        stage=STAGE,
        nonce="n" * 16,
    ),
    "copy_files": CopyFiles(account=ACCOUNT, db=DB, source_version="s" * 64, digest="d" * 32, lane=63, write_before=MOMENT),
    "reply of copy_files": RECEIPT,
    "mark_update": MarkUpdate(**ACTING, moment=MOMENT, step="failed", stage=STAGE, problem=GIVEN_UP),
    "input of the run": ShardRun(
        run=RUN,
        number=10**6,
        account=ACCOUNT,
        db=DB,
        presets=EVERY_COUNT,
        molecule="nucl",
        presumed_dead=RUN,
        callback=CALLBACK,
        restore="d" * 32,
        nonce="n" * 16,
        identifying=STEERING,
    ),
    "identify_files": IdentifyFiles(account=ACCOUNT, db=DB, lane=63, steering=STEERING, passed=10**4, write_before=MOMENT),
    "reply of identify_files": Identified(passed=10**4, is_done=False, files=10**4, bytes=10**15, problem=PROBLEM),
    "inspect_database": Inspect(account=ACCOUNT, db=DB, presets=EVERY_COUNT, force=True, molecule="nucl"),
    "reply of inspect_database": Inspected(inspection=INSPECTION),
    "mark_started": MarkStarted(**ACTING, started=MOMENT, if_match=ETAG),
    "upload_shard_set": UploadSet(
        account=ACCOUNT,
        db=DB,
        plan=PLANS[-1],
        volumes=VOLUMES,
        statistics=STATISTICS,
        last_change=MOMENT,
        write_before=MOMENT,
    ),
    "reply of upload_shard_set": SetReceipt(shard_count=32, written=64, already_right=64, problem=PROBLEM),
    "commit_metadata": CommitMetadata(
        **ACTING,
        finished=MOMENT,
        generation=GENERATION,
        volumes=VOLUMES,
        statistics=STATISTICS,
        total_bytes=10**15,
        file_count=10**4,
        good_sets=EVERY_COUNT,
        problem=FAILURES,
        etag=ETAG,
        layouts=tuple(plan.layout for plan in PLANS),
        restored=True,
        legacy_alias=True,
        restored_version="2025-01-01-01-05-02",
    ),
    "record_failure": RecordFailure(**ACTING, damaged_sets=EVERY_COUNT, problem=FAILURES),
    "remove_orphans": RemoveOrphans(
        account=ACCOUNT, db=DB, volumes=VOLUMES, shard_counts=EVERY_COUNT, kept=EVERY_COUNT, write_before=MOMENT
    ),
    "reply of a metadata step": Written(etag=ETAG, problem=PROBLEM),
    "acquire": Acquire(run=RUN, kind="shard", number=10**6, now=MOMENT, ttl_seconds=1800, presumed_dead=RUN),
    "reply of the lease": Reply(
        granted=True, lease=Lease(epoch=10**6, holding=Holding(run=RUN, kind="shard", since=MOMENT, expires=MOMENT))
    ),
    "output of the run": result(
        INSPECTION,
        [SetReceipt(shard_count=count, written=2 * count) for count in COUNTS],
        removed=10**4,
        outcome="sharded",
        unstored=PROBLEM,
    ),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_the_payload_of_every_step_stays_small(step):
    assert size_bytes(step) < STEP_BYTES


def test_the_worst_case_is_the_worst():
    assert INSPECTION.writes == sum(2 * count for count in COUNTS)
    assert len(FAILURES.details) == len(PRESETS)
    assert len(DB) == 64


def test_the_custom_status_stays_small_when_thirty_two_presets_fail():
    status = Progress(
        phase="committing",
        presets_total=32,
        presets_done=32,
        presets_failed=32,
        blobs_total=1056,
        blobs_done=1056,
        error=FAILURES,
    )

    assert size_bytes(status) < STATUS_BYTES


def test_the_custom_status_of_a_copy_stays_small_when_every_file_fails():
    status = PrepareProgress(
        phase="promoting",
        source_version="s" * 64,
        files_total=10**5,
        files_done=10**5,
        files_failed=10**5,
        bytes_total=10**15,
        bytes_done=10**15,
        error=GIVEN_UP,
    )

    assert size_bytes(status) < STATUS_BYTES


def test_the_custom_status_of_a_run_that_is_under_way_stays_small():
    receipts = [SetReceipt(shard_count=count, written=2 * count) for count in COUNTS]

    assert size_bytes(progress("uploading", INSPECTION, receipts)) < 300
