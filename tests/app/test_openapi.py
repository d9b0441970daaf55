"""The API's description says what the app serves."""

import json

import function_app
from local.openapi import OPENAPI
from shared.http.openapi import ROUTES, document


def test_checked_in_description_is_that_of_the_models():
    assert json.loads(OPENAPI.read_text()) == json.loads(json.dumps(document())), "run: make openapi"


def test_every_route_that_is_bound_is_described_and_no_other():
    bound = set()
    for function in function_app.app.get_functions():
        for binding in json.loads(function.get_function_json())["bindings"]:
            if binding["type"] == "httpTrigger":
                bound |= {(method.lower(), f"/{binding['route']}") for method in binding["methods"]}

    described = {(route.method, route.path) for route in ROUTES}

    assert bound - {("get", "/openapi.json")} == described
