"""Routes of prepare-db: what is accepted, what is refused and how, and whether a newer snapshot is known of."""

from __future__ import annotations

import pytest

from local.ncbi import NcbiBucket
from local.proxy import Proxy
from local.stack import Stack
from tests.builders import database
from tests.conftest import QUICK
from tests.driving import Api, Blobs

ACCOUNT = "devstoreaccount1"
FIRST, SECOND = "2026-05-09-01-05-02", "2026-06-06-01-05-02"


class Ground:
    """A stack with a source of its own behind a proxy."""

    def __init__(self, ncbi, proxy, stack, api, blobs) -> None:
        self.ncbi = ncbi
        self.proxy = proxy
        self.stack = stack
        self.api = api
        self.blobs = blobs

    async def publish(self, db, snapshot=FIRST) -> None:
        files = {name.partition("/")[2]: data for name, data in database(db).items()}
        await self.ncbi.publish(snapshot, files)

    async def post(self, db, **fields):
        body = {name: value for name, value in self.api.body.items() if name != "resource_group"}
        body["storage_resource_group"] = self.api.body["resource_group"]
        return await self.api.post("/api/storage/prepare-db", json={**body, "db_name": db, **fields})


@pytest.fixture(scope="module")
async def ground(tmp_path_factory):
    root = tmp_path_factory.mktemp("preparing")
    async with NcbiBucket(root) as ncbi, Proxy(ncbi.port) as proxy:
        settings = {**QUICK, "SHARDWARM_NCBI_URL": ncbi.url(proxy.port), "SHARDWARM_PRESETS": "1"}
        async with (
            Stack(root / "stack", accounts=(ACCOUNT, "elbstg01"), settings=settings) as stack,
            Api(stack.addresses.functions_url, ACCOUNT) as api,
        ):
            blobs = Blobs(stack.account.connection_string)
            yield Ground(ncbi, proxy, stack, api, blobs)
            await blobs.close()


async def test_accepted_run_says_where_to_follow_it_and_is_a_prepare_operation(ground):
    await ground.publish("prep_accepted")
    reply = await ground.post("prep_accepted")
    assert reply.status_code == 202
    body = reply.json()
    assert reply.headers["operation-location"].endswith(f"/api/operations/{body['operation_id']}")
    told = {name: body[name] for name in ("ok", "accepted", "db_name", "source_version", "files_copied", "async")}
    assert told == {
        "ok": True,
        "accepted": True,
        "db_name": "prep_accepted",
        "source_version": FIRST,
        "files_copied": 0,
        "async": True,
    }
    operation = await ground.api.end(body["operation_id"])
    assert (operation["kind"], operation["status"], operation["db_name"]) == ("prepare", "Succeeded", "prep_accepted")
    progress = operation["progress"]
    assert progress["bytes_done"] == progress["bytes_total"] == operation["result"]["bytes_total"] > 0
    assert progress["files_done"] == progress["files_total"] == operation["result"]["files"]
    listed = (await ground.api.get("/api/operations", params={"kind": "prepare"})).json()["value"]
    assert body["operation_id"] in [one["id"] for one in listed]


@pytest.mark.parametrize("db", ["prep_nothing", "prep_accept"])
async def test_database_that_the_source_does_not_have_is_not_found(ground, db):
    await ground.publish("prep_accepted")
    reply = await ground.post(db)
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "SourceNotFound")


@pytest.mark.parametrize(("status", "answer", "code"), [(403, 502, "SourceRefused"), (503, 503, "SourceUnavailable")])
@pytest.mark.parametrize("what", ["latest-dir", "list-type"])
async def test_trouble_at_the_source_is_told_apart(ground, status, answer, code, what):
    await ground.publish("prep_trouble")
    rule = ground.proxy.fail(lambda request: what in request.path + request.query, status=status)
    reply = await ground.post("prep_trouble")
    rule.remove()
    assert (reply.status_code, reply.json()["error"]["code"]) == (answer, code)
    assert int(reply.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        ({"db_name": "../x"}, "db_name"),
        ({"source": "../latest"}, "source"),
        ({"source": "http://evil"}, "source"),
        ({"account_name": "UPPER"}, "account_name"),
        ({"mode": "aks"}, "mode"),
    ],
)
async def test_bad_field_is_refused_by_name(ground, fields, target):
    reply = await ground.post("prep_bad", **fields)
    assert (reply.status_code, reply.json()["error"]["target"]) == (400, target)


async def test_foreign_account_is_forbidden_before_the_source_is_asked(ground):
    ground.proxy.clear()
    reply = await ground.post("prep_foreign", account_name="another1")
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "AccountNotAllowed")
    assert ground.proxy.records == []


async def test_database_that_is_held_is_a_conflict_for_both_kinds_of_run(ground):
    db = "prep_held"
    await ground.publish(db)
    hold = ground.proxy.hold(lambda request: request.path.endswith(f"/{db}.01.nsq"))
    run = (await ground.post(db)).json()["operation_id"]
    await hold.reached()
    await ground.blobs.upload(database(db))
    for reply in (await ground.post(db), await ground.api.start_shard(db)):
        assert reply.status_code == 409, reply.text
        assert reply.json()["operation_id"] == run
        assert reply.json()["holder"]["kind"] == "prepare"
    hold.release()
    assert (await ground.api.end(run))["status"] == "Succeeded"


async def test_newer_snapshot_is_told_and_not_knowing_is_told_apart(ground):
    await ground.publish("prep_newer", SECOND)
    await ground.publish("prep_newer", FIRST)
    await ground.api.end((await ground.post("prep_newer")).json()["operation_id"])
    await ground.api.end((await ground.post("prep_newer", source=SECOND)).json()["operation_id"])
    await ground.publish("prep_accepted")
    await ground.api.end((await ground.post("prep_accepted")).json()["operation_id"])
    await ground.blobs.upload(database("prep_own"))
    ground.proxy.clear()
    rows = await ground.api.rows()
    known = {name: rows[name]["updates_available"] for name in ("prep_newer", "prep_accepted", "prep_own")}
    assert known == {"prep_newer": True, "prep_accepted": False, "prep_own": "unknown"}
    assert (await ground.api.show("prep_newer"))["updates_available"] is True
    await ground.api.rows()
    assert len(ground.proxy.records) <= 1, "one look at the source serves many listings"


async def test_listing_does_without_a_source_that_does_not_answer(api, blobs):
    await blobs.upload(database("prep_alone"))
    await blobs.put_metadata("prep_alone", {"db_name": "prep_alone", "source_version": FIRST})
    assert (await api.rows())["prep_alone"]["updates_available"] == "unknown"
