"""What becomes of trouble on the way to a cluster: what passes is unknown, what a person must mend says how."""

import json
from types import SimpleNamespace

import pytest
from azure.core.exceptions import AzureError, ClientAuthenticationError, ServiceRequestError
from azure.identity import CredentialUnavailableError
from kubernetes.client.exceptions import ApiException

from shared.azure.clusters import Clusters
from shared.errors import Code, Misconfigured, TransientFailure
from shared.kube.errors import GoneError, translate
from shared.kube.servers import ApiServers
from shared.kube.view import ClusterView
from shared.runs.warmup.clusters import Access, ClusterRef
from shared.settings import Settings, parse

CLUSTER = ClusterRef(subscription_id="s", resource_group="g", name="aks1")
TOKENLESS = [
    AzureError("The pipe broke."),
    ServiceRequestError("No answer from 169.254.169.254."),
    ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token.\nManagedIdentityCredential: no response"),
    CredentialUnavailableError("ManagedIdentityCredential authentication unavailable, no response from the IMDS endpoint."),
]


class Tokenless:
    """A credential that has no token to give."""

    error: AzureError = TOKENLESS[0]

    async def get_token(self, *_, **__):
        raise self.error


tokenless = Tokenless()


class Arm:
    """Knows where the API server is; nothing listens there."""

    async def access(self, _):
        return Access("https://127.0.0.1:9", b"")


@pytest.fixture
def settings() -> Settings:
    return parse({"SHARDWARM_CLUSTERS": "aks1", "SHARDWARM_CREDENTIAL": f"{__name__}:credential"})


def credential():
    return tokenless


@pytest.mark.parametrize("error", TOKENLESS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("asked", ["ARM", "Kubernetes"])
async def test_token_that_is_not_to_be_had_is_a_passing_trouble(settings, error, asked):
    tokenless.error = error
    clusters = Clusters(settings)
    question = (
        clusters.facts(CLUSTER) if asked == "ARM" else ClusterView(ApiServers(settings), Arm(), "shardwarm").statuses(CLUSTER)
    )
    with pytest.raises(TransientFailure) as caught:
        await question
    await clusters.close()
    assert caught.value.problem.code == Code.CLUSTER_UNAVAILABLE
    assert str(error).split("\n", 1)[0] in caught.value.problem.message
    assert caught.value.__cause__ is error


def refused(status, message, kind) -> Exception:
    body = json.dumps({"kind": "Status", "message": message, "details": {"kind": kind}})
    reply = SimpleNamespace(status=status, reason="Said", data=body, getheaders=dict)
    return translate("aks1", ApiException(http_resp=reply))


def test_namespace_that_is_not_there_is_named_with_what_makes_it():
    error = refused(404, 'namespaces "shardwarm" not found', "namespaces")
    assert isinstance(error, Misconfigured)
    assert error.problem.code == Code.CLUSTER_REFUSED
    assert 'namespaces "shardwarm" not found' in error.problem.message
    assert "infra/kubernetes/rbac.yaml" in error.problem.message


@pytest.mark.parametrize(("status", "kind"), [(404, GoneError), (409, TransientFailure)])
def test_object_that_somebody_else_removed_or_wrote_is_looked_at_again(status, kind):
    error = refused(status, 'configmaps "warm-x" is not as it was', "configmaps")
    assert isinstance(error, kind)
    assert isinstance(error, TransientFailure)
    assert error.problem.code == Code.WRITTEN_BY_ANOTHER
    assert "warm-x" in error.problem.message


@pytest.mark.parametrize("body", [None, "", "<html>", "[]", '{"message": null}', '{"details": null}'])
def test_answer_that_is_no_status_still_has_its_reason(body):
    error = translate("aks1", ApiException(http_resp=SimpleNamespace(status=403, reason="Said", data=body, getheaders=dict)))
    assert isinstance(error, Misconfigured)
    assert "Said" in error.problem.message
