"""Warmups and releases on the engine alone: a cluster that is told what to answer stands in for the activities."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from durabletask.client import OrchestrationStatus, TaskHubGrpcClient
from durabletask.entities import EntityInstanceId
from durabletask.worker import TaskHubGrpcWorker

from local.functions.engine import Engine
from local.processes import free_port
from orchestrators.entities import expiry, lease, notifier
from orchestrators.warmup import warm_up
from orchestrators.warmup_release import release_warmup
from shared.blastdb.generations import Generation
from shared.blastdb.volumes import VolumeSet
from shared.runs.ids import EXPIRY_ENTITY, LEASE_ENTITY
from shared.runs.leases import Acquire, Lease, NamedRun
from shared.runs.operations import WarmProgress
from shared.runs.payload import RetryOptions
from shared.runs.shard.payloads import Inspected, Inspection, ShardRun
from shared.runs.warmup.clusters import ClusterRef
from shared.runs.warmup.expiry import Expiry
from shared.runs.warmup.payloads import Applied, Marked, Planned, WarmPlan, WarmReading, WarmRun
from tests.patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    type Answer = BaseModel | Callable[[dict], BaseModel]

PLAN = WarmPlan(shard_count=2, replicas=1, digest="d" * 32, nodes=2, node_bytes=100, reason="N = 2.")
CLUSTER = ClusterRef(subscription_id="s", resource_group="r", name="c")
WARM = WarmReading(status="Ready", nodes_ready=2, nodes_total=2)
LOADING = WarmReading(status="Loading", nodes_total=2)
CURRENT = Inspected(
    inspection=Inspection(
        volumes=VolumeSet(db="nt", molecule="nucl", count=2, digits=2),
        generation=Generation(source_version=None, digest="d" * 32),
        statistics=None,
        total_bytes=1,
        file_count=1,
        sets=(),
        last_change="2026-01-01T00:00:00Z",
        metadata_etag="x",
        epoch=1,
        current=True,
    )
)
ANSWERS = {
    "inspect_database": CURRENT,
    "plan_warmup": Planned(plan=PLAN),
    "apply_warmup": Applied(changed=True, assigned=True),
    "read_warmup": WARM,
    "mark_nodes": Marked(marked=True),
    "evict_warmup": Applied(changed=True),
    "remove_warmup": Applied(changed=True),
}


def until(says_yes: Callable[[], object]) -> None:
    """Wait until something is so that gives no sign of its own."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not says_yes():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Nodes:
    """An engine with our orchestrators, and what each activity answers: one after the other, the last one for ever."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        self._calls: dict[str, list[tuple[str, dict]]] = {}
        port = free_port()
        self._engine = Engine(port)
        self._worker = TaskHubGrpcWorker(host_address=f"localhost:{port}", logger=logging.getLogger(__name__))
        for orchestrator in (warm_up, release_warmup):
            self._worker.add_orchestrator(orchestrator)
        for entity in (lease, expiry, notifier):
            self._worker.add_entity(entity)
        for name in ANSWERS:
            self._worker.add_activity(self._activity(name))
        self._address = f"localhost:{port}"

    def __enter__(self) -> Self:
        self._engine.start()
        self._worker.start()
        self.client = TaskHubGrpcClient(host_address=self._address)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._worker.stop()
        self._engine.stop()

    def warmup(self, db: str, **fields) -> WarmRun:
        """The input of a warmup or release; each database is one test's own."""
        shard = ShardRun(run="x", number=1, account="acct", db=db, presets=(1, 2))
        quick = {"first_poll_seconds": 0.01, "longest_poll_seconds": 0.02, "retry": RetryOptions(attempts=1)}
        return WarmRun(**{"run": f"warm-{db}-1", "number": 1, "cluster": CLUSTER, "shard": shard, **quick, **fields})

    def tell(self, db: str, **answers: list[Answer]) -> None:
        """Set what activities answer about a database."""
        self._answers |= {(db, name): list(given) for name, given in answers.items()}

    def start(self, request: WarmRun, orchestrator: str = "warm_up") -> str:
        payload = request.model_dump(mode="json", exclude_defaults=True)
        return self.client.schedule_new_orchestration(orchestrator, input=payload, instance_id=request.run)

    def ended(self, run: str) -> tuple[str, dict]:
        """How a run ended: its outcome with its result, or the code with the error."""
        state = self.client.wait_for_orchestration_completion(run, timeout=PATIENCE_SECONDS)
        if state.runtime_status is OrchestrationStatus.COMPLETED:
            result = json.loads(state.serialized_output)
            return result["outcome"], result
        error = WarmProgress.model_validate_json(state.serialized_custom_status).error
        assert error is not None, state
        return error.code.value, error.model_dump(mode="json")

    def through(self, request: WarmRun, orchestrator: str = "warm_up") -> tuple[str, dict]:
        """Start a run and wait for its end, which leaves the lease free."""
        end = self.ended(self.start(request, orchestrator))
        assert self.lease(request.claim.key).holding is None
        return end

    def cancel(self, request: WarmRun) -> None:
        """Ask a run to stop, as the app does."""
        self.note_cancel(request)
        self.client.raise_orchestration_event(request.run, "cancel")

    def note_cancel(self, request: WarmRun) -> None:
        """Note in the lease alone that a run is to stop."""
        key = EntityInstanceId(LEASE_ENTITY, request.claim.key)
        self.client.signal_entity(key, "cancel", NamedRun(run=request.run).model_dump())

    def hold(self, key: str, by: str) -> None:
        """Let a run hold a lease."""
        request = Acquire(run=by, kind="shard", number=1, now=datetime.now(UTC), ttl_seconds=3600.0)
        self.client.signal_entity(EntityInstanceId(LEASE_ENTITY, key), "acquire", request.model_dump(mode="json"))
        until(lambda: self.lease(key).holding)

    def lease(self, key: str) -> Lease:
        return Lease.model_validate(self._state(LEASE_ENTITY, key) or {})

    def expiry(self, db: str) -> Expiry | None:
        state = self._state(EXPIRY_ENTITY, self.warmup(db).claim.key)
        return Expiry.model_validate(state) if state else None

    def note(self, db: str, operation: str, payload: BaseModel) -> None:
        """Tell the expiry of a database something."""
        key = EntityInstanceId(EXPIRY_ENTITY, self.warmup(db).claim.key)
        self.client.signal_entity(key, operation, payload.model_dump(mode="json", exclude_defaults=True))

    def asked(self, db: str, name: str) -> list[dict]:
        """What an activity was asked about a database."""
        return [payload for called, payload in self._calls.get(db, []) if called == name]

    def called(self, db: str) -> Counter[str]:
        return Counter(name for name, _ in self._calls.get(db, []))

    def events(self, run: str) -> int:
        """How many events the history of a run's present execution has."""
        return len(self._engine._instances[run].history)

    def _state(self, entity: str, key: str) -> dict | None:
        found = self.client.get_entity(EntityInstanceId(entity, key))
        return json.loads(found.get_state(str) or "null") if found else None

    def _activity(self, name: str):
        def activity(_, payload: dict) -> dict:
            db = payload["db"]
            with self._lock:
                self._calls.setdefault(db, []).append((name, payload))
                left = self._answers.get((db, name)) or [ANSWERS[name]]
                answer = left.pop(0) if len(left) > 1 else left[0]
            reply = answer(payload) if callable(answer) else answer
            return reply.model_dump(mode="json", exclude_defaults=True)

        activity.__name__ = name
        return activity
