"""Writes happen only while the lease lasts, and only over what was looked at."""

from __future__ import annotations

import pytest

from activities.shard import remove_orphans, upload_shard_set
from shared.errors import Code
from shared.runs.shard.payloads import BlobIndices, Removed, SetPlan
from shared.storage.catalogue import Catalogue
from tests.activities.conftest import ACCOUNT
from tests.builders import alias, database, layout, manifest
from tests.driving import writes, written


async def test_nothing_is_uploaded_once_the_time_to_write_is_over(bench):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.look("db", (2,))
    (request,) = bench.uploads("db", inspection, seconds=-1)
    bench.proxy.clear()

    receipt = await upload_shard_set(request, bench.clients)

    assert receipt.problem.code is Code.LEASE_LOST
    assert receipt.written == 0
    assert not bench.proxy.records
    assert await bench.blobs.layout("db") == set()


async def test_nothing_is_removed_once_the_time_to_write_is_over(bench):
    await bench.blobs.upload(database("db", 2))
    await bench.sharded("db")
    inspection = await bench.look("db")
    await bench.blobs.put(manifest("db", 3, 0), b"x")
    request = bench.removal("db", inspection.model_copy(update={"orphans": (3,)}), kept=(1, 2), seconds=-1)

    assert await remove_orphans(request, bench.clients) == Removed()

    assert await bench.blobs.exists(manifest("db", 3, 0))


async def test_a_blob_that_another_writer_put_meanwhile_is_not_overwritten(bench):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.look("db", (2,))
    await bench.blobs.put(manifest("db", 2, 1), b"another's")
    (request,) = bench.uploads("db", inspection)

    receipt = await upload_shard_set(request, bench.clients)

    assert receipt.problem.code is Code.WRITTEN_BY_ANOTHER
    assert receipt.problem.target == manifest("db", 2, 1)
    assert "Start again" in receipt.problem.message
    assert await bench.blobs.get(manifest("db", 2, 1)) == b"another's"
    # The others were written all the same: a retry has less to do.
    assert await bench.blobs.layout("db") == layout("db", [2])


async def test_a_blob_that_changed_between_look_and_write_is_not_overwritten(bench):
    await bench.blobs.upload(database("db", 2))
    await bench.sharded("db", (2,))
    await bench.blobs.put(alias("db", 2, 0), b"damaged")
    inspection = await bench.look("db", (2,))
    (request,) = bench.uploads("db", inspection)
    earlier = request.model_copy(update={"last_change": inspection.last_change.replace(year=2020)})

    receipt = await upload_shard_set(earlier, bench.clients)

    assert receipt.problem.code is Code.WRITTEN_BY_ANOTHER
    assert await bench.blobs.get(alias("db", 2, 0)) == b"damaged"


async def test_a_blob_that_another_writer_put_right_meanwhile_is_right(bench):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.look("db", (2,))
    (request,) = bench.uploads("db", inspection)
    await bench.sharded("db", (2,))
    bench.proxy.clear()

    receipt = await upload_shard_set(request, bench.clients)

    assert (receipt.written, receipt.problem) == (0, None)
    assert not written(bench.proxy.records)


async def test_a_plan_without_writes_asks_nothing_of_storage(bench):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.look("db", (2,))
    (request,) = bench.uploads("db", inspection)
    done = request.model_copy(update={"plan": SetPlan(layout=request.plan.layout, absent=BlobIndices())})
    bench.proxy.clear()

    receipt = await upload_shard_set(done, bench.clients)

    assert (receipt.written, receipt.already_right) == (0, 4)
    assert not bench.proxy.records


async def test_the_legacy_form_of_aliases_has_two_lines(bench):
    await bench.blobs.upload(database("db", 3))
    inspection = await bench.look("db", (2,), legacy_alias=True)
    (request,) = bench.uploads("db", inspection, statistics=None)

    await upload_shard_set(request, bench.clients)

    assert inspection.statistics is not None
    assert await bench.blobs.get(alias("db", 2, 1)) == b"TITLE db_shard_01\nDBLIST /blast/blastdb/db.02\n"
    assert (await bench.look("db", (2,), legacy_alias=True)).writes == 0
    with_statistics = await bench.look("db", (2,))
    assert with_statistics.sets[0].differing == BlobIndices(aliases=(0, 1))


@pytest.mark.parametrize(("legacy", "state"), [(True, "current"), (False, "differs")])
async def test_which_form_of_alias_is_current_is_a_setting(bench, legacy, state):
    await bench.blobs.upload(database("db", 2))
    inspection = await bench.look("db", (2,), legacy_alias=True)
    (request,) = bench.uploads("db", inspection, statistics=None)
    await upload_shard_set(request, bench.clients)

    catalogue = Catalogue(bench.clients.accounts, bench.clients.control, legacy_alias=legacy)
    document, _ = await catalogue.describe("devstoreaccount1", "db")

    assert [layout.state for layout in document.layouts] == [state]


@pytest.mark.parametrize("page", [1, 2, 3, 7, 5000])
async def test_a_listing_in_pages_is_the_listing(bench, page):
    await bench.blobs.upload(database("db", 12) | database("db_more", 2))
    await bench.sharded("db", (10,))
    whole = await bench.look("db", (10, 12))
    bench.proxy.clear()

    paged = await bench.look("db", (10, 12), clients=bench.with_settings(list_page=page))

    same = {"last_change": None}
    assert paged.model_copy(update=same) == whole.model_copy(update=same)
    listings = [record for record in bench.proxy.records if "comp=list" in record.query]
    # 38 files of the database, 20 blobs of the one set, none of the other.
    assert len(listings) == -(-38 // page) + -(-20 // page) + 1


@pytest.mark.parametrize("page", [1, 2, 3, 5000])
async def test_a_listing_of_databases_in_pages_is_the_listing(bench, page):
    files = database("b", 1) | database("a", 1) | database("c", 2)
    await bench.blobs.upload(files | {"a-metadata.json": b"{}", "d-metadata.json": b"{}"})
    clients = bench.with_settings(list_page=page)

    rows = await Catalogue(clients.accounts, clients.control).rows("devstoreaccount1")

    assert [row.name for row in rows] == ["a", "b", "c", "d"]
    assert rows[2].file_count == len(database("c", 2))


async def test_inspecting_writes_nothing(bench):
    await bench.blobs.upload(database("db", 2))
    await bench.look("db")

    assert not writes(bench.proxy.records)


async def test_change_that_is_there_already_is_not_written_again(bench):
    container, control = bench.clients.accounts.container(ACCOUNT), bench.clients.control
    first = await control.update(container, "db", lambda document: {**document, "x": 1})

    again = await control.update(container, "db", lambda document: {**document, "x": 1})

    assert again == first


async def test_what_is_remembered_is_never_taken_for_what_is_there(bench):
    container, control = bench.clients.accounts.container(ACCOUNT), bench.clients.control
    remembered = await control.update(container, "db", lambda document: {**document, "x": 1})
    await bench.blobs.put_metadata("db", {"x": 2})

    await control.update(container, "db", lambda document: {**document, "x": 1}, expected=remembered)

    assert (await bench.blobs.metadata("db"))["x"] == 1
