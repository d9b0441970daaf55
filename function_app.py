"""The map of the app: which trigger leads where. No logic; what `func start` and the platform load.

HTTP routes stand in one table, `shared/http/routes.py`, which also describes them.
"""

import azure.durable_functions as df
import azure.functions as func
from azure.durable_functions import DurableFunctionsClient

import activities.notify as notifying
import activities.prepare as preparing
import activities.reconcile as reconciling
import activities.reconcile_survey as surveying
import activities.shard as sharding
import activities.shard_identify as identifying
import activities.upload as uploading
import activities.warmup as warming
import activities.warmup_plan as planning
from activities.binding import bound, bound_with_hub
from orchestrators.entities import expiry, lease, notifier, upload
from orchestrators.notify import notify
from orchestrators.prepare import prepare
from orchestrators.reconcile import reconcile
from orchestrators.settle import settle
from orchestrators.shard import restore, shard
from orchestrators.warmup import warm_up
from orchestrators.warmup_release import release_warmup
from shared.clients import backing
from shared.http.adapter import bind_routes, take
from shared.http.reconcile import begin
from shared.http.routes import ROUTES
from shared.runs.callbacks import PostCallback
from shared.runs.prepare.payloads import CheckCopy, ClearFiles, CopyFiles, MarkUpdate, PlanCopy
from shared.runs.reconcile.payloads import CheckWarmup, CorrectMetadata, PruneGhosts, PurgeRuns, SurveyAccount, SurveyHub
from shared.runs.shard.identifying import IdentifyFiles
from shared.runs.shard.payloads import CommitMetadata, Inspect, MarkStarted, RecordFailure, RemoveOrphans, UploadSet
from shared.runs.upload.payloads import InspectUpload
from shared.runs.warmup.payloads import ApplyWarmup, MarkNodes, PlanWarmup, ReadWarmup, RemoveWarmup

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)
with_hub = app.durable_client_input(client_name="client")

# Orchestrators and entities.
app.orchestration_trigger(context_name="context", orchestration="shard")(shard)
app.orchestration_trigger(context_name="context", orchestration="restore")(restore)
app.orchestration_trigger(context_name="context", orchestration="prepare")(prepare)
app.orchestration_trigger(context_name="context", orchestration="warm_up")(warm_up)
app.orchestration_trigger(context_name="context", orchestration="release_warmup")(release_warmup)
app.orchestration_trigger(context_name="context", orchestration="notify")(notify)
app.orchestration_trigger(context_name="context", orchestration="settle")(settle)
app.orchestration_trigger(context_name="context", orchestration="reconcile")(reconcile)
app.entity_trigger(context_name="context", entity_name="lease")(lease)
app.entity_trigger(context_name="context", entity_name="expiry")(expiry)
app.entity_trigger(context_name="context", entity_name="notifier")(notifier)
app.entity_trigger(context_name="context", entity_name="upload")(upload)

# Activities, by capability.
app.activity_trigger(input_name="payload", activity="inspect_database")(bound(Inspect, sharding.inspect_database))
app.activity_trigger(input_name="payload", activity="identify_files")(bound(IdentifyFiles, identifying.identify_files))
app.activity_trigger(input_name="payload", activity="mark_started")(bound(MarkStarted, sharding.mark_started))
app.activity_trigger(input_name="payload", activity="upload_shard_set")(bound(UploadSet, sharding.upload_shard_set))
app.activity_trigger(input_name="payload", activity="commit_metadata")(bound(CommitMetadata, sharding.commit_metadata))
app.activity_trigger(input_name="payload", activity="record_failure")(bound(RecordFailure, sharding.record_failure))
app.activity_trigger(input_name="payload", activity="remove_orphans")(bound(RemoveOrphans, sharding.remove_orphans))
app.activity_trigger(input_name="payload", activity="inspect_upload")(bound(InspectUpload, uploading.inspect_upload))
app.activity_trigger(input_name="payload", activity="plan_copy")(bound(PlanCopy, preparing.plan_copy))
app.activity_trigger(input_name="payload", activity="copy_files")(bound(CopyFiles, preparing.copy_files))
app.activity_trigger(input_name="payload", activity="check_copy")(bound(CheckCopy, preparing.check_copy))
app.activity_trigger(input_name="payload", activity="promote_files")(bound(CopyFiles, preparing.promote_files))
app.activity_trigger(input_name="payload", activity="clear_files")(bound(ClearFiles, preparing.clear_files))
app.activity_trigger(input_name="payload", activity="mark_update")(bound(MarkUpdate, preparing.mark_update))
app.activity_trigger(input_name="payload", activity="plan_warmup")(bound(PlanWarmup, planning.plan_warmup))
app.activity_trigger(input_name="payload", activity="apply_warmup")(bound(ApplyWarmup, warming.apply_warmup))
app.activity_trigger(input_name="payload", activity="read_warmup")(bound(ReadWarmup, warming.read_warmup))
app.activity_trigger(input_name="payload", activity="mark_nodes")(bound(MarkNodes, warming.mark_nodes))
app.activity_trigger(input_name="payload", activity="evict_warmup")(bound(RemoveWarmup, warming.evict_warmup))
app.activity_trigger(input_name="payload", activity="remove_warmup")(bound(RemoveWarmup, warming.remove_warmup))
app.activity_trigger(input_name="payload", activity="prune_ghosts")(bound(PruneGhosts, reconciling.prune_ghosts))
app.activity_trigger(input_name="payload", activity="check_warmup")(bound(CheckWarmup, reconciling.check_warmup))

# Activities that also ask the task hub.
with_hub(
    app.activity_trigger(input_name="payload", activity="post_callback")(bound_with_hub(PostCallback, notifying.post_callback))
)
with_hub(app.activity_trigger(input_name="payload", activity="survey_hub")(bound_with_hub(SurveyHub, surveying.survey_hub)))
with_hub(
    app.activity_trigger(input_name="payload", activity="survey_account")(bound_with_hub(SurveyAccount, surveying.survey_account))
)
with_hub(
    app.activity_trigger(input_name="payload", activity="correct_metadata")(
        bound_with_hub(CorrectMetadata, reconciling.correct_metadata)
    )
)
with_hub(app.activity_trigger(input_name="payload", activity="purge_runs")(bound_with_hub(PurgeRuns, reconciling.purge_runs)))


# Timers.
@app.timer_trigger(arg_name="timer", schedule="%SHARDWARM_RECONCILE_SCHEDULE%")
@with_hub
async def start_reconcile(timer: func.TimerRequest, client: DurableFunctionsClient) -> None:  # noqa: ARG001 - only its firing
    """A reconcile pass."""
    return await begin(backing(client))


# Events of storage.
@app.event_grid_trigger(arg_name="event")  # pyright: ignore[reportUnknownMemberType] - the SDK leaves its options untyped
@with_hub
async def on_blob_event(event: func.EventGridEvent, client: DurableFunctionsClient) -> None:
    """A blob was uploaded or deleted."""
    return await take(event, lambda: backing(client))


# HTTP.
bind_routes(app, ROUTES, backing)
