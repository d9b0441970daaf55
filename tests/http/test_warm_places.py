"""Where databases are warm, as the listing and one database tell it: from the task hub, and at no call more of storage."""

from __future__ import annotations

from shared.errors import Code, TransientFailure
from shared.http.databases import list_databases, show_database
from shared.http.ports import Backing
from shared.runs.leases import Lease
from shared.runs.replies.models import DatabaseDocument, DatabaseRow
from shared.runs.shard.payloads import ShardRun
from shared.runs.warmup.clusters import ClusterRef
from shared.runs.warmup.expiry import Expiry, Unreleased
from shared.runs.warmup.payloads import WarmRun
from shared.settings import Settings
from tests.http.remembered import call

PROBLEM = {"code": "ClusterUnavailable", "message": "ARM does not answer."}


def warmed(run, db, account="acct", cluster="east", **fields):
    """What the hub keeps of a database that was made warm."""
    ref = ClusterRef(subscription_id="0a1b2c3d-0000-4000-8000-000000000001", resource_group="rg", name=cluster)
    shard = ShardRun(run=run, number=1, account=account, db=db, presets=(4,))
    warm = WarmRun(run=run, number=1, cluster=ref, shard=shard, shard_count=4)
    return Expiry(run=run, warm=warm, **fields).model_dump(mode="json")


class Hub:
    """The task hub's part that readers of databases need; it can be out of reach."""

    def __init__(self, *states) -> None:
        self.states = states
        self.is_away = False

    async def entities(self, name):
        if self.is_away:
            raise TransientFailure(Code.HUB_UNAVAILABLE, "The task hub does not answer.")
        assert name == "expiry"
        return {str(number): state for number, state in enumerate(self.states)}

    async def find(self, _):
        return None

    async def lease(self, *_):
        return Lease()


class Catalogue:
    """Two databases of every account."""

    async def rows(self, _):
        return [DatabaseRow(name="nr"), DatabaseRow(name="nt")]

    async def describe(self, _, db):
        return DatabaseDocument(name=db), ("a-run",)


class Source:
    """A source that does not answer."""

    async def latest_hint(self):
        return None


async def ask(route, hub, **path):
    backing = Backing(Settings(accounts=("acct",)), hub, Catalogue(), None, Source())
    return (await route(call(query={"account_name": "acct"}, **path), backing)).body


async def test_each_database_tells_the_clusters_on_which_it_is_warm():
    late = {"releases": 2, "unreleased": Unreleased(problem=PROBLEM).problem}
    hub = Hub(
        warmed("warm-b", "nt", cluster="west", **late),
        warmed("warm-a", "nt"),
        warmed("warm-c", "nt", account="another"),
        {"run": "warm-old"},
    )

    listed, one = await ask(list_databases, hub), await ask(show_database, hub, db="nt")

    nr, nt = listed.value
    assert (nr.warm, one.warm) == ((), nt.warm)
    east, west = nt.warm
    expected = {"resource_group": "rg", "cluster_name": "east", "shard_count": 4, "operation_id": "warm-a", "overdue": None}
    assert east.model_dump() == expected
    assert (west.cluster_name, west.operation_id) == ("west", "warm-b")
    assert "releases started: 2; the last failed: ClusterUnavailable" in west.overdue


async def test_databases_are_told_without_a_task_hub_and_where_they_are_warm_is_unknown():
    hub = Hub(warmed("warm-a", "nt"))
    hub.is_away = True

    assert [row.warm for row in (await ask(list_databases, hub)).value] == [None, None]
