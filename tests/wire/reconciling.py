"""What reconcile passes write, and what it means; see `test_past_payloads`."""

from shared.errors import Code, Problem
from shared.runs.operations import ReconcileProgress
from shared.runs.payload import RetryOptions
from shared.runs.prepare.payloads import CopySteering
from shared.runs.reconcile.payloads import (
    AccountSurvey,
    CheckWarmup,
    Corrected,
    CorrectMetadata,
    DeadHolder,
    DeadSettle,
    Drifted,
    HubSurvey,
    Pruned,
    PruneGhosts,
    Purged,
    PurgeRuns,
    ReconcileRun,
    SurveyAccount,
    SurveyHub,
    Terms,
    WarmDatabase,
    WarmupCheck,
)
from shared.runs.reconcile.result import Action, Count, ReconcileResult
from shared.runs.shard.identifying import IdentifySteering
from shared.runs.shard.payloads import Inspected, RecordFailure
from shared.runs.upload.payloads import SettleRun
from shared.runs.warmup.expiry import Expire, Expiry, Rewarm, Rewarmed, Unreleased
from shared.runs.warmup.payloads import WarmRun
from tests.wire.sample import CLUSTER, MOMENT, WHERE, child_of

RUN = "reconcile-all-47bd9f1d3b2a5c60-7"
REFUSED = Problem(code=Code.STORAGE_REFUSED, message="Storage account 'elbstg01' refuses the app.", target="elbstg01")
TERMS = Terms(
    presets=(1, 10),
    legacy_alias=True,
    quiet_seconds=60.0,
    again_seconds=120.0,
    retention_seconds=86400.0,
    most_actions=5,
    look_seconds=9.0,
    prune_ghosts=True,
    shard_lease_seconds=600.0,
    patience_seconds=300.0,
    retry=RetryOptions(attempts=3),
)
WARM = WarmDatabase(
    key="aks-elb-0123456789ab:core_nt",
    run="warm-core-nt-47bd9f1d3b2a5c60-3",
    cluster=CLUSTER,
    **WHERE,
    shard_count=10,
    replicas=2,
)
DEAD = DeadHolder(key="elbstg01:core_nt", run="shard-core-nt-47bd9f1d3b2a5c60-7")
SHARD = child_of(RUN)
DEAD_SETTLE = DeadSettle(run="settle-core-nt-47bd9f1d3b2a5c60-7", settle=SettleRun(run="", shard=SHARD))
DRIFTED = Drifted(
    db="core_nt", reason="mark", detail="2 blobs", correct=True, prune=True, shard=True, molecule="nucl", presets=(1, 10)
)
TOLD = Drifted(db="nt", reason="refused", detail="VolumeGap")
ACTION = Action(target="elbstg01/core_nt", action="correct", reason="mark", outcome="the mark of a sharding")

PROMOTION = Drifted(db="core_nt", reason="promotion", correct=True, prepare=True, source_version="2026-06-06-01-05-02")
LISTING = "0123456789abcdef0123456789abcdef"

MEANING = {
    "Drifted.promotion": PROMOTION,
    "Drifted.ghosts": Drifted(db="core_nt", reason="refused", prune=True, shard=True, refused=LISTING),
    "PruneGhosts.refused": PruneGhosts(**WHERE, write_before=MOMENT, refused=LISTING),
    "CorrectMetadata.finish": CorrectMetadata(**WHERE, finish=True),
    "Terms.copying": Terms(presets=(1,), copying=CopySteering(lanes=2, slice_seconds=9.0, block_bytes=1024, at_once=1)),
    "Terms.identifying": Terms(presets=(1,), identifying=IdentifySteering()),
    "Inspected.refused_listing": Inspected(problem=REFUSED, refused="0123456789abcdef0123456789abcdef"),
    "RecordFailure.refused_listing": RecordFailure(
        **WHERE, run=RUN, epoch=7, refused="0123456789abcdef0123456789abcdef", problem=REFUSED
    ),
    "Expiry.warm": Expiry(run=RUN, warm=WarmRun(run=RUN, number=7, cluster=CLUSTER, shard=SHARD), tries=2, not_before=MOMENT),
    "Expiry.again": Expiry(run=RUN, tries=1, not_before=MOMENT, again="reconcile-all-47bd9f1d3b2a5c60-8-warm-0"),
    "Expiry.due": Expiry(run=RUN, due=MOMENT),
    "Expiry.overdue": Expiry(run=RUN, releases=2, unreleased=REFUSED),
    "Expire.again": Expire(
        run=RUN,
        release=WarmRun(run=f"{RUN}-ttl-3", number=7, cluster=CLUSTER, shard=SHARD, release_again_seconds=60.0),
        releases=2,
        due=MOMENT,
    ),
    "Unreleased": Unreleased(problem=REFUSED),
    "WarmDatabase.overdue": WARM.model_copy(update={"overdue": "its time is over; 2 releases were started: VolumeGap: 01"}),
    "WarmDatabase.strict": WARM.model_copy(update={"strict": True}),
    "Rewarm": Rewarm(run=RUN, seen="warm-core-nt-47bd9f1d3b2a5c60-3", now=MOMENT),
    "Rewarmed": Rewarmed(started=True),
    "ReconcileProgress": ReconcileProgress(phase="healing", databases_total=1000, healed=3, told=2, error=REFUSED),
    "Terms": TERMS,
    "ReconcileRun": ReconcileRun(
        run=RUN, number=7, accounts=("elbstg01",), terms=TERMS, presumed_dead="another", lease_seconds=60.0
    ),
    "ReconcileRun.nonce": ReconcileRun(
        run=RUN, number=7, accounts=("elbstg01",), terms=Terms(presets=(1,)), nonce="0123456789abcdef"
    ),
    "SurveyHub": SurveyHub(accounts=("elbstg01",), most=5, turn=7),
    "DeadHolder": DEAD,
    "DeadSettle": DEAD_SETTLE,
    "HubSurvey.settles": HubSurvey(settles=(DEAD_SETTLE,)),
    "WarmDatabase": WARM,
    "HubSurvey": HubSurvey(accounts=("elbstg01",), leases=2, dead=(DEAD,), warm=(WARM,), problem=REFUSED),
    "SurveyAccount": SurveyAccount(account="elbstg01", terms=TERMS, turn=7, initial="c"),
    "Drifted": DRIFTED,
    "AccountSurvey": AccountSurvey(
        databases=2, blobs=300, pages=1, to_heal=(DRIFTED,), to_tell=(TOLD,), left=4, initials="cn", problem=REFUSED
    ),
    "CorrectMetadata": CorrectMetadata(**WHERE, gone=True, describe=True),
    "Corrected": Corrected(changes=("the mark of a sharding",), busy=True, problem=REFUSED),
    "PruneGhosts": PruneGhosts(**WHERE, write_before=MOMENT),
    "Pruned": Pruned(volumes=2, blobs=6, problem=REFUSED),
    "CheckWarmup": CheckWarmup(warm=WARM),
    "WarmupCheck": WarmupCheck(again="its nodes hold an older generation", trouble="2 nodes fail"),
    "PurgeRuns": PurgeRuns(retention_seconds=86400.0),
    "PurgeRuns.idle": PurgeRuns(retention_seconds=86400.0, idle_seconds=60.0),
    "Purged": Purged(runs=5, entities=2, complete=False),
    "Action": ACTION,
    "Count": Count(action="correct", reason="mark", times=1),
    "ReconcileResult": ReconcileResult(
        outcome="reconciled",
        accounts=("elbstg01",),
        databases=2,
        pages=1,
        healed=1,
        told=1,
        left=4,
        counts=(Count(action="correct", reason="mark", times=1),),
        actions=(ACTION,),
    ),
}
