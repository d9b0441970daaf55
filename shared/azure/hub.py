"""The durable task hub: start a run, read leases and uploads, find, list, cancel and purge runs.

The SDK's management URLs never leave this module, because their key opens every instance of the hub.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import grpc
from azure.durable_functions import DurableFunctionsClient
from durabletask.client import EntityQuery, OrchestrationQuery, OrchestrationState, OrchestrationStatus
from durabletask.entities import EntityInstanceId
from grpc.aio import AioRpcError

from shared.errors import Code, Misconfigured, TransientFailure
from shared.runs.ids import LEASE_ENTITY, UPLOAD_ENTITY, lease_key
from shared.runs.kinds import claim_of
from shared.runs.leases import Lease, NamedRun
from shared.runs.operations import RunState, operation_of
from shared.runs.payload import RunInput
from shared.runs.upload.transitions import Arrive, Tidy, UploadState
from shared.sanitise import sanitised_line

_FIRST_MOMENT = datetime(2020, 1, 1, tzinfo=UTC)
_PAGE = 100
"""Entities or runs in one reply of the hub. The largest entity has 20 KB, and a reply may have 4 MB."""
_MISSING = frozenset({grpc.StatusCode.NOT_FOUND})


class Hub:
    """One invocation's view of the task hub."""

    def __init__(self, client: DurableFunctionsClient) -> None:
        """Check that the host's extension bundle is new enough.

        Raises:
            Misconfigured: the client binding carries no gRPC address.
        """
        if not client.rpcBaseUrl:
            message = "The extension bundle is too old: its durable client has no rpcBaseUrl. host.json asks for 4.33 or newer."
            raise Misconfigured(Code.MISCONFIGURED, message)
        self._client = client

    async def start(self, orchestrator: str, run: str, request: RunInput) -> None:
        """Start a run under its own id, unless there is one of that id already.

        Safe to repeat. It does not say whose run it is: most engines refuse an id that is taken, but of several starts that race
        Azure's storage backend accepts all and runs one. `find` shows by its nonce which one.

        Raises:
            TransientFailure: the hub did not answer; the run may have started all the same.
        """
        with suppress(_AlreadyExistsError):
            async with _translated():
                await self._client.schedule_new_orchestration(orchestrator, instance_id=run, input=request.to_json())

    async def lease(self, account: str, db: str) -> Lease:
        """The lease as it was a moment ago: a hint, because the hub reads entities from storage. `acquire` knows the truth."""
        return Lease.model_validate(await self._entity(LEASE_ENTITY, lease_key(account, db)))

    async def upload(self, account: str, db: str) -> UploadState:
        """An upload's state as it was a moment ago."""
        return UploadState.model_validate(await self._entity(UPLOAD_ENTITY, lease_key(account, db)))

    async def _entity(self, entity: str, key: str) -> Any:
        async with _translated():
            found = await self._client.get_entity(EntityInstanceId(entity, key))
        return (found.get_typed_state() if found is not None else None) or {}

    async def find(self, run: str) -> RunState | None:
        """One run; None when the hub has no run of that id."""
        try:
            async with _translated():
                state = await self._client.get_orchestration_state(run)
        except _UnknownInstanceError:
            return None
        return _run_state(state) if state is not None else None

    async def list(self, statuses: Sequence[str] | None, *, created_from: datetime | None = None) -> list[RunState]:
        """The hub's runs, newest first, read page by page. `statuses` are names of the engine's statuses; None means all."""
        wanted = [OrchestrationStatus[name] for name in statuses] if statuses is not None else None
        query = OrchestrationQuery(
            runtime_status=wanted, created_time_from=created_from, max_instance_count=_PAGE, fetch_inputs_and_outputs=True
        )
        async with _translated():
            states = await self._client.get_all_orchestration_states(query)
        return sorted(map(_run_state, states), key=lambda state: state.created_at, reverse=True)

    async def note_arrival(self, arrival: Arrive) -> None:
        """Signal the upload entity that a file of a database was uploaded or deleted. Does not wait for the entity."""
        request = arrival.model_dump(mode="json", exclude_defaults=True)
        async with _translated():
            await self._client.signal_entity(EntityInstanceId(UPLOAD_ENTITY, arrival.settle.key), "arrive", request)

    async def is_over(self, run: str) -> bool:
        """Whether a run has ended or the hub does not know it (any more)."""
        state = await self.find(run)
        return state is None or operation_of(state).has_ended

    async def tidy_upload(self, key: str, request: Tidy) -> None:
        """Signal an upload entity to drop what it no longer needs. Does not wait for the entity."""
        async with _translated():
            await self._client.signal_entity(EntityInstanceId(UPLOAD_ENTITY, key), "tidy", request.model_dump(mode="json"))

    async def entities(self, name: str, *, untouched_since: datetime | None = None) -> dict[str, dict[str, Any]]:
        """The states of all entities of a name, by key, read page by page. Entities without a state are left out.

        `untouched_since` restricts the result to entities that did not change since then.
        """
        query = EntityQuery(instance_id_starts_with=f"@{name}@", last_modified_to=untouched_since, page_size=_PAGE)
        async with _translated():
            found = await self._client.get_all_entities(query)
        states = {entity.id.key: entity.get_typed_state() for entity in found if entity.id.entity == name}
        return {key: state for key, value in states.items() if (state := _object(value))}

    async def purge(self, before: datetime, seconds: float) -> tuple[int, bool]:
        """Purge ended runs that were created before a moment, until the time is up. Returns how many, and if those were all."""
        ended = [OrchestrationStatus.COMPLETED, OrchestrationStatus.FAILED, OrchestrationStatus.TERMINATED]
        async with _translated():
            purged = await self._client.purge_orchestrations_by(_FIRST_MOMENT, before, ended, timeout=timedelta(seconds=seconds))
        return purged.deleted_instance_count, purged.is_complete is not False

    async def sweep_entities(self) -> int:
        """Purge entities without a state. Returns how many."""
        async with _translated():
            return (await self._client.clean_entity_storage()).empty_entities_removed

    async def cancel(self, state: RunState) -> None:
        """Ask a run to stop: raise an event for the run, and set a flag in its lease that survives a restart of the run."""
        claim = claim_of(state)
        async with _translated():
            if claim is not None:
                lease = EntityInstanceId(LEASE_ENTITY, claim.key)
                await self._client.signal_entity(lease, "cancel", NamedRun(run=state.run).model_dump())
            await self._client.raise_orchestration_event(state.run, "cancel")


class _AlreadyExistsError(Exception):
    pass


class _UnknownInstanceError(Exception):
    pass


@asynccontextmanager
async def _translated() -> AsyncGenerator[None]:
    try:
        yield
    except grpc.RpcError as error:
        # Errors of the asynchronous channel are not a `grpc.Call`.
        code: Any = error.code() if isinstance(error, (grpc.Call, AioRpcError)) else None
        if code is grpc.StatusCode.ALREADY_EXISTS:
            raise _AlreadyExistsError from error
        if code in _MISSING:
            raise _UnknownInstanceError from error
        reason = sanitised_line(str(getattr(error, "details", lambda: "")() or code))
        message = f"The task hub does not answer: {reason}"
        raise TransientFailure(Code.HUB_UNAVAILABLE, message, retry_after_seconds=5) from error


def _run_state(state: OrchestrationState) -> RunState:
    return RunState(
        run=state.instance_id,
        kind=state.name,
        engine_status=state.runtime_status.name,
        created_at=_utc(state.created_at),
        last_updated_at=_utc(state.last_updated_at),
        input=_object(state.get_input()) if state.serialized_input else None,
        output=_object(state.get_output()) if state.serialized_output else None,
        custom_status=state.get_custom_status() if state.serialized_custom_status else None,
        failure=state.failure_details.message if state.failure_details else None,
    )


def _object(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _utc(moment: datetime) -> datetime:
    # The SDK receives moments in UTC and drops their zone.
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
