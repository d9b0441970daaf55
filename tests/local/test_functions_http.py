"""HTTP triggers: what arrives in a function, what comes back, and what the host answers by itself."""

import pytest

from local.functions.catalogue import BoundFunction
from local.functions.routes import RouteTable


async def test_request_and_response_travel_whole(sample):
    body = bytes(range(256)) * 300
    reply = await sample.http.post("/api/echo/w%20%C3%A4/7?q=1&q=2", content=body, headers={"x-sent": "yes"})
    assert (reply.status_code, reply.content) == (201, body)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert (reply.headers["x-query"], reply.headers["x-sent"]) == ("1,2", "yes")
    assert reply.headers["x-word"] == "w ä"


async def test_head_is_answered_without_a_body_where_it_is_declared(sample):
    reply = await sample.http.request("HEAD", "/api/echo/w/7", content=b"abc", headers={"x-sent": "yes"})
    assert (reply.status_code, reply.content, reply.headers["content-length"]) == (201, b"", "3")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nowhere"),
        ("GET", "/echo/w/7"),
        ("POST", "/api/echo/w/seven"),
        ("GET", "/api/echo/w/7"),
        ("HEAD", "/api/files/a"),
    ],
)
async def test_unknown_path_and_wrong_method_are_not_found_as_in_the_real_host(sample, method, path):
    assert (await sample.http.request(method, path)).status_code == 404


async def test_catch_all_takes_the_rest_and_yields_to_a_literal_route(sample):
    assert (await sample.http.get("/api/files/a/b%20c")).text == "a/b c"
    assert (await sample.http.get("/api/FILES/special")).text == "special"
    assert (await sample.http.get("/api/files")).text == "(none)"


async def test_every_cookie_is_sent(sample):
    reply = await sample.http.get("/api/files/a")
    assert reply.headers.get_list("set-cookie") == ["a=1", "b=2"]


async def test_exception_of_a_function_is_an_internal_error(sample):
    assert (await sample.http.get("/api/crash")).status_code == 500


async def test_host_says_that_it_runs(sample):
    assert (await sample.http.get("/admin/host/status")).json()["state"] == "Running"


@pytest.mark.parametrize(
    ("template", "path", "params"),
    [
        ("", "/", {}),
        ("{*rest}", "/a/b", {"rest": "a/b"}),
        ("a/{b?}", "/a", {}),
        ("a/{b}.json", "/a/x.json", {"b": "x"}),
        ("a/{b:guid}/c", "/a/00000000-0000-0000-0000-00000000000A/c", {"b": "00000000-0000-0000-0000-00000000000A"}),
        ("a/{b}", "/a/x%2Fy", {"b": "x%2Fy"}),
    ],
)
def test_route_templates_match_with_an_empty_prefix(template, path, params):
    function = BoundFunction("f", "1", {"route": template}, [])
    assert RouteTable([function], "").match("GET", path) == (function, params)


def test_route_without_a_template_is_the_function_name():
    function = BoundFunction("Name", "1", {"methods": ["post"]}, [])
    assert RouteTable([function], "api").match("POST", "/api/name") == (function, {})


@pytest.mark.parametrize("template", ["a/{b:regex(x)}", "a/{b", "a/{b=c}"])
def test_route_that_the_host_does_not_understand_is_refused(template):
    with pytest.raises(ValueError, match="local host understands"):
        RouteTable([BoundFunction("f", "1", {"route": template}, [])], "api")
