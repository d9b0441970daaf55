"""The map of the app: which trigger leads where. No logic; what `func start` and the platform load."""

import azure.durable_functions as df
import azure.functions as func
from azure.durable_functions import DurableFunctionsClient

from activities.apply_warmup import apply_warmup
from activities.binding import bound
from activities.commit_metadata import commit_metadata
from activities.evict_warmup import evict_warmup
from activities.inspect_database import inspect_database
from activities.mark_started import mark_started
from activities.plan_warmup import plan_warmup
from activities.read_warmup import read_warmup
from activities.record_failure import record_failure
from activities.remove_orphans import remove_orphans
from activities.remove_warmup import remove_warmup
from activities.upload_shard_set import upload_shard_set
from orchestrators.entities import expiry, lease
from orchestrators.shard import shard
from orchestrators.warm import release_warmup, warm_up
from shared.clients import backing
from shared.http import databases, health, openapi, operations, warmups
from shared.http.adapter import answer
from shared.runs.shard import CommitMetadata, Inspect, MarkStarted, RecordFailure, RemoveOrphans, UploadSet
from shared.runs.warmup import ApplyWarmup, PlanWarmup, ReadWarmup, RemoveWarmup

app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)

# Orchestrators and entities.
app.orchestration_trigger(context_name="context", orchestration="shard")(shard)
app.orchestration_trigger(context_name="context", orchestration="warm_up")(warm_up)
app.orchestration_trigger(context_name="context", orchestration="release_warmup")(release_warmup)
app.entity_trigger(context_name="context", entity_name="lease")(lease)
app.entity_trigger(context_name="context", entity_name="expiry")(expiry)

# Activities.
app.activity_trigger(input_name="payload", activity="inspect_database")(bound(Inspect, inspect_database))
app.activity_trigger(input_name="payload", activity="mark_started")(bound(MarkStarted, mark_started))
app.activity_trigger(input_name="payload", activity="upload_shard_set")(bound(UploadSet, upload_shard_set))
app.activity_trigger(input_name="payload", activity="commit_metadata")(bound(CommitMetadata, commit_metadata))
app.activity_trigger(input_name="payload", activity="record_failure")(bound(RecordFailure, record_failure))
app.activity_trigger(input_name="payload", activity="remove_orphans")(bound(RemoveOrphans, remove_orphans))
app.activity_trigger(input_name="payload", activity="plan_warmup")(bound(PlanWarmup, plan_warmup))
app.activity_trigger(input_name="payload", activity="apply_warmup")(bound(ApplyWarmup, apply_warmup))
app.activity_trigger(input_name="payload", activity="read_warmup")(bound(ReadWarmup, read_warmup))
app.activity_trigger(input_name="payload", activity="evict_warmup")(bound(RemoveWarmup, evict_warmup))
app.activity_trigger(input_name="payload", activity="remove_warmup")(bound(RemoveWarmup, remove_warmup))


# HTTP.
@app.route("health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def get_health(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """Liveness."""
    return await answer(health.live, req, lambda: backing(client))


@app.route("health/ready", methods=["GET"])
@app.durable_client_input(client_name="client")
async def get_readiness(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """Readiness."""
    return await answer(health.ready, req, lambda: backing(client))


@app.route("openapi.json", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
@app.durable_client_input(client_name="client")
async def get_openapi(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """The API's description."""
    return await answer(openapi.describe_api, req, lambda: backing(client))


@app.route("blast/databases", methods=["GET"])
@app.durable_client_input(client_name="client")
async def list_databases(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """All databases of an account."""
    return await answer(databases.list_databases, req, lambda: backing(client))


@app.route("blast/databases/{db}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def show_database(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """One database."""
    return await answer(databases.show_database, req, lambda: backing(client))


@app.route("blast/databases/{db}/shard", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_shard(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """Start a shard run."""
    return await answer(databases.start_shard, req, lambda: backing(client))


@app.route("blast/databases/{db}/shard-sets/{n}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def show_shard_set(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """One shard set with its texts."""
    return await answer(databases.show_shard_set, req, lambda: backing(client))


@app.route("operations", methods=["GET"])
@app.durable_client_input(client_name="client")
async def list_operations(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """The newest operations."""
    return await answer(operations.list_operations, req, lambda: backing(client))


@app.route("operations/{id}", methods=["GET"])
@app.durable_client_input(client_name="client")
async def show_operation(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """One operation."""
    return await answer(operations.show_operation, req, lambda: backing(client))


@app.route("operations/{id}/cancel", methods=["POST"])
@app.durable_client_input(client_name="client")
async def cancel_operation(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """Ask a run to stop."""
    return await answer(operations.cancel_operation, req, lambda: backing(client))


@app.route("warmup/start", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start_warmup(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """Start a warmup."""
    return await answer(warmups.start_warmup, req, lambda: backing(client))


@app.route("warmup/release", methods=["POST"])
@app.durable_client_input(client_name="client")
async def release_warmup_route(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """Release a warmed database."""
    return await answer(warmups.release_warmup, req, lambda: backing(client))


@app.route("warmup/active", methods=["GET"])
@app.durable_client_input(client_name="client")
async def list_active_warmups(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """Warmups under way."""
    return await answer(warmups.list_active, req, lambda: backing(client))


@app.route("warmup/{id}/status", methods=["GET"])
@app.durable_client_input(client_name="client")
async def show_warmup(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """One warmup."""
    return await answer(warmups.show_warmup, req, lambda: backing(client))


@app.route("monitor/aks/warmup-status", methods=["GET"])
@app.durable_client_input(client_name="client")
async def show_warm_status(req: func.HttpRequest, client: DurableFunctionsClient) -> func.HttpResponse:
    """How warm a cluster's databases are."""
    return await answer(warmups.show_warm_status, req, lambda: backing(client))
