"""Pruning gives the lease back whatever goes wrong; the engine's side is played by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrators.reconcile_prune import prune
from shared.errors import Code
from shared.runs.leases import Acquire, Lease, Reply, acquire
from shared.runs.reconcile.payloads import Drifted, Terms

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FOUND = Drifted(db="db", reason="refused", prune=True, refused="0" * 32)


class Engine:
    """Schedules nothing, and gives the name of what it was asked for as the task."""

    instance_id = "pass-1"
    current_utc_datetime = NOW

    def call_entity(self, _entity, operation, _request) -> str:
        return operation

    def call_activity(self, activity, **_) -> str:
        return activity

    def wait_for_external_event(self, name) -> None:
        """Nobody cancels."""


def granted() -> dict:
    request = Acquire(run="pass-1", kind="reconcile", number=1, now=NOW, ttl_seconds=60)
    return acquire(Lease(), request).model_dump(mode="json")


def test_lease_is_free_after_an_answer_that_nobody_can_read():
    steps = prune(Engine(), "account", FOUND, Terms(presets=(1,)))

    assert next(steps) == "acquire"
    assert steps.send(granted()) == "prune_ghosts"
    assert steps.send({"volumes": "many"}) == "release"
    with pytest.raises(StopIteration) as end:
        steps.send(Reply(granted=True, lease=Lease()).model_dump(mode="json"))
    assert end.value.value.problem.code is Code.INTERNAL_ERROR
