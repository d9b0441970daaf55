"""Who may call which route, and who may cancel what, where the platform's login decides by roles."""

from __future__ import annotations

import base64
import json

import pytest

from shared.errors import Code, Forbidden, NotFound
from shared.http.access import Role
from shared.http.routes import ROUTES
from shared.runs.kinds import KINDS
from tests.http.remembered import RememberingHub, backing, call, running

WARMING = {"warm_up", "release_warmup"}
BY_NAME = {route.name: route for route in ROUTES}
OPEN, READ, WRITE, WARM = None, "Shards.Read", "Shards.Write", "Warmup.Write"
NEEDS = {
    "get_health": OPEN,
    "get_readiness": READ,
    "get_openapi": OPEN,
    "list_databases": READ,
    "show_database": READ,
    "start_shard": WRITE,
    "start_restore": WRITE,
    "show_shard_set": READ,
    "verify_database": READ,
    "list_operations": READ,
    "show_operation": READ,
    # And then the role of whoever may start the run.
    "cancel_operation": READ,
    "start_prepare": WRITE,
    "cancel_prepare": WRITE,
    "start_warmup": WARM,
    "release_warmup_route": WARM,
    "list_active_warmups": READ,
    "show_warmup": READ,
    "show_warm_status": READ,
}
"""The whole API, written out once more: a route that is added must be entered here with the role that it needs."""
CALLERS = {
    "reader": {"Shards.Read"},
    "writer": {"Shards.Write"},
    "warmer": {"Warmup.Write"},
    "admin": {"Admin"},
    "signed in without a role": set(),
    "of another app": {"Shards.Everything", "admin"},
}
"""Callers by the roles in their token."""
MAY = {READ: {"reader", "writer", "warmer", "admin"}, WRITE: {"writer", "admin"}, WARM: {"warmer", "admin"}}


def signed_in(*roles):
    principal = {"claims": [{"typ": "roles", "val": role} for role in roles]}
    return {"x-ms-client-principal": base64.b64encode(json.dumps(principal).encode()).decode()}


async def cancel(hub, *roles, run="a-run"):
    return await BY_NAME["cancel_operation"].serve(
        call("POST", headers=signed_in(*roles), id=run), lambda: backing(hub, auth="entra")
    )


class ReachedError(Exception):
    """The route's handler was reached."""


async def is_let_in(route, headers, auth="entra"):
    """Whether a call with these headers reaches the route's handler. A refusal names the role, and nothing was read before it."""

    async def handler(*_):
        raise ReachedError

    hub = RememberingHub()
    with pytest.raises((ReachedError, Forbidden)) as end:
        await route._replace(handler=handler).serve(call(route.method.upper(), headers=headers), lambda: backing(hub, auth=auth))
    if isinstance(end.value, Forbidden):
        told = (Code.MISSING_ROLE, route.role) if headers else (Code.UNAUTHENTICATED, None)
        assert (end.value.problem.code, end.value.problem.target, hub.asked) == (*told, [])
    return isinstance(end.value, ReachedError)


def test_every_route_needs_the_role_that_is_written_here():
    assert {route.name: route.role for route in ROUTES} == NEEDS
    assert {role.value for role in Role} == {*MAY, "Admin"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_routes_let_in_who_has_the_role_and_nobody_else(route):
    let_in = {who for who, roles in CALLERS.items() if await is_let_in(route, signed_in(*roles))}

    assert let_in == (set(CALLERS) if route.role is None else MAY[NEEDS[route.name]])
    assert await is_let_in(route, {}) == (route.role is None)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@pytest.mark.parametrize(
    "header", ["", "not base64", "bnVsbA==", "e30=", "W10=", "eyJjbGFpbXMiOiBbeyJ0eXAiOiAicm9sZXMifV19", "eyJjbGFpbXMiOiAxfQ=="]
)
async def test_header_that_is_no_principal_gives_no_role(route, header):
    headers = {"x-ms-client-principal": header} if header else {}

    assert await is_let_in(route, headers) == (route.role is None)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_key_alone_opens_every_route_where_roles_do_not_count(route):
    # The platform has checked the key before the app sees the call.
    assert await is_let_in(route, {}, auth="function")


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
