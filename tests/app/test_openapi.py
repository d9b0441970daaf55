"""The API's description says what the app serves."""

import json
import re
from datetime import UTC, datetime

import pytest

import function_app
from local.openapi import OPENAPI
from shared.errors import Code, Misconfigured, TransientFailure
from shared.http.messages import Call, answer_to
from shared.http.openapi import HeldDocument, document
from shared.http.routes import ROUTES
from shared.http.starting import HeldError, Holder, held
from shared.runs.leases import Lease
from shared.runs.operations import RunState

BINDINGS = [json.loads(function.get_function_json()) for function in function_app.app.get_functions()]


def test_checked_in_description_is_that_of_the_models():
    assert json.loads(OPENAPI.read_text()) == json.loads(json.dumps(document(ROUTES))), "run: make openapi"


def bound():
    """The routes of the app: which of them ask for a key."""
    return {
        (method.lower(), f"/{binding['route']}"): str(binding["authLevel"]).upper() != "ANONYMOUS"
        for function in BINDINGS
        for binding in function["bindings"]
        if binding["type"] == "httpTrigger"
        for method in binding["methods"]
    }


def operations():
    return {
        (method, path): described for path, methods in document(ROUTES)["paths"].items() for method, described in methods.items()
    }


def test_every_route_that_is_bound_is_described_and_no_other():
    assert set(bound()) == {(route.method, route.path) for route in ROUTES} == set(operations())


def test_routes_say_whether_they_ask_for_a_key_and_all_that_do_how_they_refuse():
    roles = {(route.method, route.path): route.role for route in ROUTES}
    for route, is_locked in bound().items():
        described = operations()[route]
        assert described["security"] == ([{"functionKey": [roles[route]]}] if is_locked else []), route
        assert ({"400", "401", "403", "502", "503"} <= set(described["responses"])) == is_locked, route


def test_whoever_starts_a_run_is_told_where_to_follow_it_and_when_to_come_back():
    for route, described in operations().items():
        headers = {status: set(response["headers"]) for status, response in described["responses"].items()}
        assert headers.get("202", {"Operation-Location", "Location", "Retry-After"}) == {
            "Operation-Location",
            "Location",
            "Retry-After",
        }, route
        assert all("Retry-After" in headers[status] for status in ("409", "502", "503") if status in headers), route


def test_references_lead_somewhere():
    text = json.dumps(document(ROUTES))

    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        found = document(ROUTES)
        for part in reference.split("/"):
            found = found[part]


def test_a_conflict_is_what_its_description_says():
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    state = RunState(run="a-run", kind="settle", engine_status="RUNNING", created_at=moment, last_updated_at=moment)

    reply = held(Call("POST", "http://app/api", moment), HeldError(state, Lease(), "nt"))

    body = HeldDocument.model_validate(reply.body)
    assert set(reply.body) == set(HeldDocument.model_fields)
    assert set(reply.body["holder"]) == set(Holder.model_fields)
    assert (body.error.code, body.operation_id, body.holder.since) == (Code.LEASE_HELD, "a-run", moment)
    described = operations()["post", "/blast/databases/{db}/shard"]["responses"]["409"]
    assert set(reply.headers) == set(described["headers"])


@pytest.mark.parametrize(
    ("error", "status", "seconds"),
    [
        (Misconfigured(Code.STORAGE_REFUSED, "Grant a role."), 502, "60"),
        (TransientFailure(Code.STORAGE_UNAVAILABLE, "Busy."), 503, "5"),
        (TransientFailure(Code.STORAGE_UNAVAILABLE, "Busy.", retry_after_seconds=7), 503, "7"),
    ],
)
def test_upstream_trouble_says_when_to_come_back(error, status, seconds):
    reply = answer_to(error)

    assert (reply.status, reply.headers["Retry-After"]) == (status, seconds)
