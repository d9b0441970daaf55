"""An API server that starts forbids everything until it knows its roles: that passes, a missing role does not."""

import pytest
from aiohttp import web

from shared.errors import Code, Misconfigured, TransientFailure
from shared.kube.api import ApiServer
from shared.runs.warmup.clusters import Access

# The official client asks the response in an outdated way.
pytestmark = pytest.mark.filterwarnings("ignore:HTTPResponse.getheaders")


async def token():
    return "t"


@pytest.fixture
async def forbidding(serving):
    """`forbidding(status)` is a server that forbids everything and answers so when it is asked whether it is ready."""

    async def forbid(ready: int) -> ApiServer:
        async def answer(request):
            return web.json_response({"message": "no"}, status=ready if request.path == "/readyz" else 403)

        return ApiServer("aks1", Access(f"http://127.0.0.1:{await serving(answer)}", b""), token)

    return forbid


@pytest.mark.parametrize("ready", [403, 500, 503])
async def test_refusal_by_a_server_that_is_not_ready_passes(forbidding, ready):
    server = await forbidding(ready)
    with pytest.raises(TransientFailure) as refused:
        await server.list("/api/v1/nodes")
    assert refused.value.problem.code is Code.CLUSTER_UNAVAILABLE
    server.close()


async def test_refusal_by_a_server_that_is_ready_needs_a_person(forbidding):
    server = await forbidding(200)
    with pytest.raises(Misconfigured) as refused:
        await server.list("/api/v1/nodes")
    assert refused.value.problem.code is Code.CLUSTER_REFUSED
    server.close()
