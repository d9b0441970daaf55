"""What `GET /api/health/ready?detail` says about the app's rights, and the command that it gives for each that is missing."""

from __future__ import annotations

import pytest

from shared.errors import Code, Misconfigured, TransientFailure
from shared.http.health import ready
from shared.http.ports import Backing
from shared.runs.warmup.rights import Right
from shared.settings import Settings
from tests.http.remembered import RememberingHub, call

CLUSTER = {
    "subscription_id": "12345678-1234-1234-1234-123456789012",
    "resource_group": "rg-elb",
    "cluster_name": "aks-elb",
}


class Rights:
    """An account and a cluster under test: what was asked of them, and how they answer."""

    def __init__(self, *, arm=None, missing=()) -> None:
        self.asked = []
        self.arm = arm
        self.missing = missing

    async def ping(self, account):
        self.asked.append(("ping", account))

    async def ping_writes(self, account):
        self.asked.append(("ping_writes", account))

    async def require(self, cluster):
        self.asked.append(("require", cluster.name))
        if self.arm:
            raise self.arm

    async def missing_rights(self, cluster):
        self.asked.append(("missing_rights", cluster.name))
        if self.arm:
            raise self.arm
        return self.missing


class IdleHub(RememberingHub):
    """A hub that answers."""

    async def lease(self, account, db):
        return account, db


async def asked(rights, query, **settings):
    behind = Backing(Settings(accounts=("elbstg01",), **settings), IdleHub(), rights, rights, None)
    answer = await ready(call(query=query), behind)
    return answer, {probe.name: probe for probe in answer.body.probes}


@pytest.mark.parametrize("query", [{"detail": ""}, {"detail": "true"}])
async def test_detail_asks_for_the_right_to_write_in_every_account(query):
    rights = Rights()

    answer, probes = await asked(rights, query)

    assert answer.status == 200
    assert list(probes) == ["hub", "storage:elbstg01", "storage:elbstg01:write"]
    assert all(probe.command is None for probe in probes.values())


async def test_rights_in_a_cluster_are_named_with_the_command_that_grants_them():
    missing = (Right("list", "pods", is_cluster_wide=True), Right("update", "configmaps"), Right("get", "daemonsets", "apps"))

    answer, probes = await asked(Rights(missing=missing), CLUSTER)

    refused = probes["cluster:aks-elb:rights"]
    assert (answer.status, answer.headers) == (503, {"Retry-After": "5"})
    assert probes["cluster:aks-elb"].ok
    assert refused.message == (
        "Kubernetes in 'aks-elb' does not let the app list pods in the whole cluster, update configmaps, get daemonsets.apps."
    )
    assert "infra/kubernetes/rbac.yaml | kubectl apply" in refused.command


@pytest.mark.parametrize(
    ("settings", "who"),
    [({}, "<client id of the app's identity>"), ({"client_id": "0a1b"}, "0a1b")],
    ids=["system-assigned", "user-assigned"],
)
async def test_cluster_that_arm_refuses_names_the_role_once(settings, who):
    refusal = Misconfigured(Code.CLUSTER_REFUSED, "ARM refuses the app at cluster 'aks-elb'.")

    _, probes = await asked(Rights(arm=refusal), CLUSTER, **settings)

    assert probes["cluster:aks-elb"].command == (
        f'az role assignment create --assignee {who} --role "Azure Kubernetes Service Cluster User Role" '
        '--scope "$(az aks show --resource-group rg-elb --name aks-elb --query id --output tsv)"'
    )
    # Kubernetes was not even asked, so its roles may be in order.
    assert not probes["cluster:aks-elb:rights"].ok
    assert probes["cluster:aks-elb:rights"].command is None


async def test_trouble_that_no_role_cures_has_no_command():
    busy = TransientFailure(Code.CLUSTER_UNAVAILABLE, "ARM does not answer.")

    answer, probes = await asked(Rights(arm=busy), CLUSTER)

    assert answer.status == 503
    assert [probe.command for probe in probes.values()] == [None] * len(probes)


async def test_account_without_the_right_to_write_is_named_with_the_command_that_grants_it(api, stack):
    rule = stack.proxy.fail(
        lambda request: request.method in {"PUT", "DELETE"} and "/elbstg01/blast-db/readiness/" in request.path,
        status=403,
        code="AuthorizationPermissionMismatch",
    )
    try:
        reply = await api.get("/api/health/ready?detail")
    finally:
        rule.remove()

    assert reply.status_code == 503
    probes = {probe["name"]: probe for probe in reply.json()["probes"]}
    refused = probes.pop("storage:elbstg01:write")
    assert "refuses the app" in refused["message"]
    assert refused["command"] == (
        'az role assignment create --assignee <client id of the app\'s identity> --role "Storage Blob Data Contributor" '
        '--scope "$(az storage account show --name elbstg01 --query id --output tsv)/blobServices/default/containers/blast-db"'
    )
    assert all(probe["ok"] for probe in probes.values())


async def test_preflight_changes_nothing(api, blobs):
    before = [name async for name in blobs.container.list_blob_names()]

    reply = await api.get("/api/health/ready?detail=true")

    assert reply.status_code == 200, reply.text
    assert {probe["name"] for probe in reply.json()["probes"]} >= {"storage:devstoreaccount1:write", "storage:elbstg01:write"}
    assert [name async for name in blobs.container.list_blob_names()] == before


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({"detail": "yes"}, "detail"),
        ({"resource_group": "rg"}, "subscription_id"),
        ({"detail": "true", "cluster": "x"}, "cluster"),
    ],
)
async def test_query_that_is_wrong_is_refused(api, query, target):
    reply = await api.get("/api/health/ready", params=query)

    assert (reply.status_code, reply.json()["error"]["target"]) == (400, target)
