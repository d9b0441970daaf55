"""What prepare-db's payloads mean; the same rules as in test_past_payloads."""

from __future__ import annotations

from shared.errors import Code, Problem
from shared.runs.operations import PrepareProgress
from shared.runs.payload import RetryOptions
from shared.runs.prepare.payloads import (
    CheckCopy,
    Checked,
    Cleared,
    ClearFiles,
    CopyFiles,
    CopyPlan,
    CopyReceipt,
    CopySteering,
    MarkUpdate,
    PlanCopy,
    PlannedCopy,
    PrepareRun,
    SourceFile,
    Stage,
    VerifiedParts,
)
from shared.runs.prepare.result import PrepareResult
from shared.runs.prepare.rounds import Round
from tests.wire.sample import DEADLINE, MOMENT, UNKNOWN_TOTALS, WHERE, child_of

RUN = "prepare-core-nt-47bd9f1d3b2a5c60-7"
SNAPSHOT = {"source_version": "2026-05-09-01-05-02", "digest": "0123456789abcdef0123456789abcdef"}
LOST = Problem(code=Code.SOURCE_UNAVAILABLE, message="NCBI's bucket is busy or failing (503).", target="core_nt.00.nsq")
GONE = Problem(code=Code.SOURCE_CHANGED, message="'core_nt.00.nsq' changed at the source.", target="core_nt.00.nsq")
UNFINISHED = Problem(code=Code.PROMOTION_LOST, message="'core_nt' is half in place.", target="core_nt")
STEERING = CopySteering(lanes=4, slice_seconds=20.0, block_bytes=4096, at_once=2)
FILE = SourceFile(leaf="core_nt.00.nsq", size_bytes=3000000000, etag="0123456789abcdef0123456789abcdef-358")
KEPT = SourceFile(leaf="taxdb.bti", size_bytes=20000000, etag="fedcba9876543210fedcba9876543210", kept=True)
STAGE = Stage(
    **SNAPSHOT,
    step="copying",
    files_total=260,
    bytes_total=292365689731,
    is_intact=True,
    shard_sets=(1, 10),
    epoch=6,
    files_kept=3,
    bytes_kept=20000000,
    files_done=100,
    bytes_done=100000000000,
    bytes_copied=99000000000,
    stuck=1,
)
SHARD = child_of(RUN, 7)

PREPARING = {
    "SourceFile": FILE,
    "SourceFile.kept": KEPT,
    "CopyPlan": CopyPlan(db="core_nt", source_version=SNAPSHOT["source_version"], files=(FILE, KEPT)),
    "CopySteering": STEERING,
    "CopySteering.slices": STEERING.model_copy(update={"whole_bytes": 1073741824}),
    "CopySteering.pieces": STEERING.model_copy(update={"piece_blocks": 64, "pending_seconds": 600.0}),
    "VerifiedParts": VerifiedParts(
        blob_etag='"0x8DE0123456789AB"',
        part_bytes=8388608,
        digests=("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"),
        refused=1,
    ),
    "Stage": STAGE,
    "Stage.pending": STAGE.model_copy(update={"pending_since": MOMENT}),
    "PrepareRun": PrepareRun(
        run=RUN,
        number=7,
        **WHERE,
        shard=SHARD,
        source_version=SNAPSHOT["source_version"],
        presumed_dead="another",
        lease_seconds=900.0,
        copying=STEERING,
        retry=RetryOptions(attempts=3),
        stage=STAGE,
    ),
    "PrepareRun.defaults": PrepareRun(run=RUN, number=7, **WHERE, shard=SHARD),
    "PrepareRun.nonce": PrepareRun(run=RUN, number=7, **WHERE, shard=SHARD, nonce="0123456789abcdef"),
    "PlanCopy": PlanCopy(**WHERE, source_version=SNAPSHOT["source_version"]),
    "PlannedCopy": PlannedCopy(stage=STAGE),
    "PlannedCopy.problem": PlannedCopy(problem=GONE),
    "PlannedCopy.lost": PlannedCopy(stage=STAGE, problem=UNFINISHED),
    "CopyFiles": CopyFiles(**WHERE, **SNAPSHOT, lane=3, steering=STEERING, write_before=DEADLINE),
    "CopyReceipt": CopyReceipt(lane=3, files_done=20, bytes_done=100, bytes_copied=50, failed=7, failures=(LOST,), problem=GONE),
    "CopyReceipt.verifying": CopyReceipt(lane=3, files_done=20, bytes_done=100, bytes_verified=60),
    "CopyReceipt.pending": CopyReceipt(lane=3, files_done=20, bytes_done=100, pending=2),
    "CopyReceipt.done": CopyReceipt(lane=3, is_done=True, files_done=20, bytes_done=100),
    "CheckCopy": CheckCopy(**WHERE, **SNAPSHOT),
    "Checked": Checked(),
    "Checked.problem": Checked(problem=GONE),
    "ClearFiles": ClearFiles(**WHERE, **SNAPSHOT, what="ghosts", slice_seconds=20.0, write_before=DEADLINE),
    "Cleared": Cleared(blobs=5),
    "Cleared.problem": Cleared(blobs=5, is_done=False, problem=GONE),
    "MarkUpdate": MarkUpdate(**WHERE, run=RUN, epoch=7, moment=MOMENT, step="failed", stage=STAGE, problem=LOST),
    "MarkUpdate.begun": MarkUpdate(**WHERE, run=RUN, epoch=7, moment=MOMENT, step="copying", stage=STAGE),
    "PrepareResult": PrepareResult(
        outcome="prepared",
        db="core_nt",
        source_version=SNAPSHOT["source_version"],
        files=260,
        bytes_total=292365689731,
        bytes_copied=99000000000,
        ghosts_removed=12,
    ),
    "PrepareResult.warnings": PrepareResult(outcome="prepared", db="core_nt", warnings=UNKNOWN_TOTALS),
    "PrepareProgress": PrepareProgress(
        phase="copying",
        source_version=SNAPSHOT["source_version"],
        files_total=260,
        files_done=100,
        files_failed=7,
        bytes_total=292365689731,
        bytes_done=100000000000,
        error=LOST,
    ),
    "Round.pending": Round(files_done=20, bytes_done=100, pending=2),
    "Round": Round(is_done=True, files_done=20, bytes_done=100, failed=7, failures=(LOST,)),
}
