"""The map of the app: which trigger leads where. No logic; what `func start` and the platform load."""

from functools import partial

import azure.durable_functions as df
import azure.functions as func
from azure.durable_functions import DurableFunctionsClient

from activities import check_copy, clear_files, copy_files, mark_update, plan_copy, promote_files
from activities.apply_warmup import apply_warmup
from activities.binding import bound, bound_with_hub
from activities.check_warmup import check_warmup
from activities.commit_metadata import commit_metadata
from activities.correct_metadata import correct_metadata
from activities.evict_warmup import evict_warmup
from activities.inspect_database import inspect_database
from activities.inspect_upload import inspect_upload
from activities.mark_nodes import mark_nodes
from activities.mark_started import mark_started
from activities.plan_warmup import plan_warmup
from activities.post_callback import post_callback
from activities.prune_ghosts import prune_ghosts
from activities.purge_runs import purge_runs
from activities.read_warmup import read_warmup
from activities.record_failure import record_failure
from activities.remove_orphans import remove_orphans
from activities.remove_warmup import remove_warmup
from activities.survey_account import survey_account
from activities.survey_hub import survey_hub
from activities.upload_shard_set import upload_shard_set
from orchestrators.entities import expiry, lease, notifier, upload
from orchestrators.notify import notify
from orchestrators.prepare import prepare
from orchestrators.reconcile import reconcile
from orchestrators.releasing import release_warmup
from orchestrators.restore import restore
from orchestrators.settle import settle
from orchestrators.shard import shard
from orchestrators.warm import warm_up
from shared.clients import backing
from shared.http import databases, health, openapi, operations, preparing, reconciling, warmups
from shared.http.adapter import served, served_alone, take
from shared.runs.callbacks import PostCallback
from shared.runs.prepare import CheckCopy, ClearFiles, CopyFiles, MarkUpdate, PlanCopy
from shared.runs.reconcile import CheckWarmup, CorrectMetadata, PruneGhosts, PurgeRuns, SurveyAccount, SurveyHub
from shared.runs.shard import CommitMetadata, Inspect, MarkStarted, RecordFailure, RemoveOrphans, UploadSet
from shared.runs.uploads import InspectUpload
from shared.runs.warmup import ApplyWarmup, MarkNodes, PlanWarmup, ReadWarmup, RemoveWarmup

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

# Activities.
app.activity_trigger(input_name="payload", activity="inspect_database")(bound(Inspect, inspect_database))
app.activity_trigger(input_name="payload", activity="mark_started")(bound(MarkStarted, mark_started))
app.activity_trigger(input_name="payload", activity="upload_shard_set")(bound(UploadSet, upload_shard_set))
app.activity_trigger(input_name="payload", activity="commit_metadata")(bound(CommitMetadata, commit_metadata))
app.activity_trigger(input_name="payload", activity="record_failure")(bound(RecordFailure, record_failure))
app.activity_trigger(input_name="payload", activity="remove_orphans")(bound(RemoveOrphans, remove_orphans))
app.activity_trigger(input_name="payload", activity="inspect_upload")(bound(InspectUpload, inspect_upload))
app.activity_trigger(input_name="payload", activity="plan_copy")(bound(PlanCopy, plan_copy.plan_copy))
app.activity_trigger(input_name="payload", activity="copy_files")(bound(CopyFiles, copy_files.copy_files))
app.activity_trigger(input_name="payload", activity="check_copy")(bound(CheckCopy, check_copy.check_copy))
app.activity_trigger(input_name="payload", activity="promote_files")(bound(CopyFiles, promote_files.promote_files))
app.activity_trigger(input_name="payload", activity="clear_files")(bound(ClearFiles, clear_files.clear_files))
app.activity_trigger(input_name="payload", activity="mark_update")(bound(MarkUpdate, mark_update.mark_update))
app.activity_trigger(input_name="payload", activity="plan_warmup")(bound(PlanWarmup, plan_warmup))
app.activity_trigger(input_name="payload", activity="apply_warmup")(bound(ApplyWarmup, apply_warmup))
app.activity_trigger(input_name="payload", activity="read_warmup")(bound(ReadWarmup, read_warmup))
app.activity_trigger(input_name="payload", activity="mark_nodes")(bound(MarkNodes, mark_nodes))
app.activity_trigger(input_name="payload", activity="evict_warmup")(bound(RemoveWarmup, evict_warmup))
app.activity_trigger(input_name="payload", activity="remove_warmup")(bound(RemoveWarmup, remove_warmup))
app.activity_trigger(input_name="payload", activity="prune_ghosts")(bound(PruneGhosts, prune_ghosts))
app.activity_trigger(input_name="payload", activity="check_warmup")(bound(CheckWarmup, check_warmup))

# Activities that ask the task hub.
with_hub(app.activity_trigger(input_name="payload", activity="post_callback")(bound_with_hub(PostCallback, post_callback)))
with_hub(app.activity_trigger(input_name="payload", activity="survey_hub")(bound_with_hub(SurveyHub, survey_hub)))
with_hub(app.activity_trigger(input_name="payload", activity="survey_account")(bound_with_hub(SurveyAccount, survey_account)))
with_hub(
    app.activity_trigger(input_name="payload", activity="correct_metadata")(bound_with_hub(CorrectMetadata, correct_metadata))
)
with_hub(app.activity_trigger(input_name="payload", activity="purge_runs")(bound_with_hub(PurgeRuns, purge_runs)))


# Timers.
@app.timer_trigger(arg_name="timer", schedule="%SHARDWARM_RECONCILE_SCHEDULE%")
@with_hub
async def start_reconcile(timer: func.TimerRequest, client: DurableFunctionsClient) -> None:  # noqa: ARG001 - only its firing
    """A reconcile pass."""
    return await reconciling.begin(backing(client))


# Events of storage.
@app.event_grid_trigger(arg_name="event")  # pyright: ignore[reportUnknownMemberType] - the SDK leaves its options untyped
@with_hub
async def on_blob_event(event: func.EventGridEvent, client: DurableFunctionsClient) -> None:
    """A blob was uploaded or deleted."""
    return await take(event, lambda: backing(client))


# HTTP.
serve = partial(served, backing)
app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)(served_alone("get_health", health.live))
app.route("health/ready", methods=["GET"])(with_hub(serve("get_readiness", health.ready)))
app.route("openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)(served_alone("get_openapi", openapi.describe_api))
app.route("blast/databases", methods=["GET"])(with_hub(serve("list_databases", databases.list_databases)))
app.route("blast/databases/{db}", methods=["GET"])(with_hub(serve("show_database", databases.show_database)))
app.route("blast/databases/{db}/shard", methods=["POST"])(with_hub(serve("start_shard", databases.start_shard)))
app.route("blast/databases/{db}/restore", methods=["POST"])(with_hub(serve("start_restore", databases.start_restore)))
app.route("blast/databases/{db}/shard-sets/{n}", methods=["GET"])(with_hub(serve("show_shard_set", databases.show_shard_set)))
app.route("blast/databases/{db}/verify", methods=["POST"])(with_hub(serve("verify_database", databases.verify_database)))
app.route("storage/prepare-db", methods=["POST"])(with_hub(serve("start_prepare", preparing.start_prepare)))
app.route("storage/prepare-db/{db}/cancel", methods=["POST"])(with_hub(serve("cancel_prepare", preparing.cancel_prepare)))
app.route("operations", methods=["GET"])(with_hub(serve("list_operations", operations.list_operations)))
app.route("operations/{id}", methods=["GET"])(with_hub(serve("show_operation", operations.show_operation)))
app.route("operations/{id}/cancel", methods=["POST"])(with_hub(serve("cancel_operation", operations.cancel_operation)))
app.route("warmup/start", methods=["POST"])(with_hub(serve("start_warmup", warmups.start_warmup)))
app.route("warmup/release", methods=["POST"])(with_hub(serve("release_warmup_route", warmups.release_warmup)))
app.route("warmup/active", methods=["GET"])(with_hub(serve("list_active_warmups", warmups.list_active)))
app.route("warmup/{id}/status", methods=["GET"])(with_hub(serve("show_warmup", warmups.show_warmup)))
app.route("monitor/aks/warmup-status", methods=["GET"])(with_hub(serve("show_warm_status", warmups.show_warm_status)))
