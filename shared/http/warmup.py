"""Routes under `/api/warmup`, and the cluster's warm status."""

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

from shared.errors import ShardwarmError
from shared.http import requests
from shared.http.bodies import WarmupRequest
from shared.http.messages import Answer, Call, accepted
from shared.http.operations import find_run
from shared.http.ports import Backing
from shared.http.starting import NewRun, Start, parse_start, start_run
from shared.inputs import retry_of, shard_input
from shared.runs.kinds import WARMING
from shared.runs.operations import RunState, operation_of
from shared.runs.replies.models import ActiveWarmups, WarmSummary, WarmupAccepted, WarmupStatus
from shared.runs.warmup.clusters import ClusterRef
from shared.runs.warmup.payloads import WarmRun
from shared.sanitise import sanitised_line

_CLUSTER = {"subscription_id": "subscription_id", "resource_group": "resource_group", "cluster_name": "name"}
"""Fields that identify a cluster: their names in a query, and their names in a run's input."""
_DURABLE: dict[str, Literal["Pending", "Running", "Completed", "Failed", "Terminated"]] = {
    "PENDING": "Pending",
    "COMPLETED": "Completed",
    "FAILED": "Failed",
    "TERMINATED": "Terminated",
}


async def start_warmup(call: Call, backing: Backing) -> Answer:
    """`POST /api/warmup/start`: shard if needed, assign, deploy, and watch until every shard is resident."""
    return await _start(call, backing, "warm_up")


async def release_warmup(call: Call, backing: Backing) -> Answer:
    """`POST /api/warmup/release`: remove a database's node agents, memory and files from a cluster."""
    return await _start(call, backing, "release_warmup")


async def show_warmup(call: Call, backing: Backing) -> Answer:
    """`GET /api/warmup/{id}/status`: one warmup, in the durable-style document of the replaced system."""
    requests.only(call.query)
    return Answer(_status(await find_run(call, backing.hub, WARMING, "warmup")))


async def list_active(call: Call, backing: Backing) -> Answer:
    """`GET /api/warmup/active`: warmups under way, of all clusters or of those that match every given part of the address."""
    requests.only(call.query, *_CLUSTER)
    states = await backing.hub.list(("PENDING", "RUNNING", "CONTINUED_AS_NEW", "SUSPENDED"))
    active = [state for state in states if state.kind == "warm_up" and _is_of_cluster(state, call.query)]
    first = active[0] if active else None
    return Answer(
        ActiveWarmups(
            active=bool(active),
            instance_id=first.run if first else None,
            warmup=_status(first) if first else None,
            warmups=tuple(map(_status, active)),
        )
    )


async def show_warm_status(call: Call, backing: Backing) -> Answer:
    """`GET /api/monitor/aks/warmup-status`: every warmed database, by measured reports. An error is reported, never "cold"."""
    requests.only(call.query, *_CLUSTER)
    cluster = requests.cluster(call)
    try:
        databases = await backing.clusters.statuses(cluster)
    except ShardwarmError as error:
        return Answer(WarmSummary(error=sanitised_line(f"{error.problem.code.value}: {error.problem.message}")))
    return Answer(
        WarmSummary(
            warm=bool(databases) and all(status.is_warm for status in databases),
            workspace_ready=sum(status.nodes_ready for status in databases),
            workspace_desired=sum(status.total_jobs for status in databases),
            databases=tuple(databases),
            namespaces=(backing.settings.namespace,),
        )
    )


async def _start(call: Call, backing: Backing, orchestrator: str) -> Answer:
    settings = backing.settings
    body, callback = parse_start(call, settings, WarmupRequest)
    cluster = ClusterRef(subscription_id=body.subscription_id, resource_group=body.resource_group, name=body.aks_cluster_name)
    account, db = body.storage_account, body.database_name
    _, lease = await asyncio.gather(backing.clusters.require(cluster), backing.hub.lease(cluster.key, db))
    if orchestrator == "warm_up":
        await backing.catalogue.probe(account, db)

    def run_input(new: NewRun) -> WarmRun:
        return WarmRun(
            run=new.run,
            number=new.number,
            cluster=cluster,
            shard=shard_input(settings, account, db, run=new.run),
            shard_count=body.shard_count,
            replicas=body.replicas,
            strict=body.require_all_nodes,
            ttl_seconds=body.ttl_seconds,
            presumed_dead=new.presumed_dead,
            lease_seconds=settings.warm_lease_seconds,
            deadline_seconds=settings.warm_deadline_seconds,
            first_poll_seconds=settings.poll_first_seconds,
            longest_poll_seconds=settings.poll_longest_seconds,
            release_again_seconds=settings.release_again_seconds,
            retry=retry_of(settings),
            callback=callback,
        )

    start = Start("warm", orchestrator, cluster.key, db, run_input)
    run = await start_run(backing.hub, lease, start, call.arrived)
    status = f"{call.base_url}/warmup/{run}/status"
    reply = WarmupAccepted(id=run, instance_id=run, db=db, statusQueryGetUri=status, operation_id=run)
    return accepted(call, run, reply, retry_after_seconds=5)


def _status(state: RunState) -> WarmupStatus:
    operation = operation_of(state)
    return WarmupStatus(
        instance_id=state.run,
        runtime_status=_DURABLE.get(state.engine_status, "Running"),
        custom_status=operation.progress,
        output=state.output,
        error=operation.error,
    )


def _is_of_cluster(state: RunState, query: Mapping[str, str]) -> bool:
    """Whether a warmup's cluster matches the query. The query may leave out any part of the address; case does not matter."""
    cluster: dict[str, Any] = (state.input or {}).get("cluster") or {}
    asked = {field: query[name].lower() for name, field in _CLUSTER.items() if query.get(name)}
    return all(str(cluster.get(field)).lower() == wanted for field, wanted in asked.items())
