"""Who may cancel what, where the platform's login decides by roles."""

from __future__ import annotations

import base64
import json

import pytest

from shared.errors import Code, Forbidden, NotFound
from shared.http.operations import cancel_operation
from shared.runs.kinds import KINDS
from tests.http.remembered import RememberingHub, backing, call, running

WARMING = {"warm_up", "release_warmup"}


def signed_in(*roles):
    principal = {"claims": [{"typ": "roles", "val": role} for role in roles]}
    return {"x-ms-client-principal": base64.b64encode(json.dumps(principal).encode()).decode()}


async def cancel(hub, *roles, run="a-run"):
    return await cancel_operation(call("POST", headers=signed_in(*roles), id=run), backing(hub, auth="entra"))


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("role", ["Shards.Write", "Warmup.Write", "Admin"])
async def test_whoever_may_start_a_run_may_cancel_it_and_nobody_else(kind, role):
    hub = RememberingHub(running(kind))
    needed = "Warmup.Write" if kind in WARMING else "Shards.Write"

    if role in {needed, "Admin"}:
        assert (await cancel(hub, role)).status == 202
        assert hub.canceled == ["a-run"]
    else:
        with pytest.raises(Forbidden) as refusal:
            await cancel(hub, role)
        assert (refusal.value.problem.code, refusal.value.problem.target) == (Code.MISSING_ROLE, needed)
        assert hub.canceled == []


async def test_reader_may_not_cancel_and_learns_which_runs_there_are_as_before():
    hub = RememberingHub(running("shard"))

    with pytest.raises(Forbidden):
        await cancel(hub, "Shards.Read")
    with pytest.raises(NotFound):
        await cancel(hub, "Shards.Read", run="another")
    assert hub.canceled == []


async def test_caller_without_a_role_is_refused_before_the_hub_is_asked():
    hub = RememberingHub(running("shard"))

    with pytest.raises(Forbidden) as refusal:
        await cancel(hub, "Something.Else")
    assert refusal.value.problem.target == "Shards.Read"
    assert hub.asked == []
