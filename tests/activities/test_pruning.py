"""Volumes that the statistics do not count are removed only if they cannot be those of an upload."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from activities.reconcile import prune_ghosts
from activities.shard import inspect_database
from shared.errors import Code
from shared.runs.reconcile.payloads import Pruned, PruneGhosts
from tests.activities.conftest import ACCOUNT
from tests.builders import database, papers
from tests.driving import writes
from tests.patience import patience

GHOST = {name: data for name, data in database("db", 4).items() if ".03." in name}


@pytest.fixture
async def haunted(bench):
    """A database of three volumes by its statistics, which were written last, and four by its files."""
    await bench.blobs.upload(database("db", 4))
    await bench.blobs.upload(papers("db", 3))
    return bench


async def refused(bench) -> str:
    """The digest of the listing, as a run that refuses it notes it."""
    inspected = await inspect_database(bench.inspect("db"), bench.clients)
    assert inspected.problem.code is Code.GHOST_VOLUMES
    return inspected.refused


async def pruned(bench, digest) -> Pruned:
    bench.proxy.clear()
    write_before = datetime.now(UTC) + timedelta(minutes=1)
    return await prune_ghosts(PruneGhosts(account=ACCOUNT, db="db", write_before=write_before, refused=digest), bench.clients)


async def test_ghosts_in_the_listing_that_was_refused_are_removed(haunted):
    assert await pruned(haunted, await refused(haunted)) == Pruned(volumes=1, blobs=len(GHOST))

    assert not [name for name in GHOST if await haunted.blobs.exists(name)]
    assert (await haunted.look("db")).volumes.count == 3


@pytest.mark.parametrize("name", GHOST)
async def test_volumes_of_which_one_file_is_younger_than_the_statistics_stay(haunted, name):
    statistics = haunted.blobs.container.get_blob_client("db/db.njs")
    counted_at = (await statistics.get_blob_properties()).last_modified
    async with patience():
        while await changed(haunted, name) <= counted_at:
            pass

    reply = await pruned(haunted, await refused(haunted))

    assert (reply.problem.code, reply.blobs, writes(haunted.proxy.records)) == (Code.GHOST_VOLUMES, 0, [])
    assert "younger than 'db/db.n" in reply.problem.message


async def changed(bench, name) -> datetime:
    """Write a ghost again; when that was, to the second, as storage tells it."""
    await bench.blobs.upload({name: GHOST[name]})
    return (await bench.blobs.container.get_blob_client(name).get_blob_properties()).last_modified


async def test_nothing_is_removed_from_another_listing_than_was_refused(haunted):
    digest = await refused(haunted)
    await haunted.blobs.upload({"db/db.01.nsq": b"other", **papers("db", 3)})

    for other in (digest, None):
        reply = await pruned(haunted, other)

        assert (reply.problem.code, writes(haunted.proxy.records)) == (Code.DATABASE_CHANGED, [])


async def test_statistics_that_change_while_ghosts_are_counted_keep_them(haunted):
    digest = await refused(haunted)
    reading = haunted.proxy.hold(lambda request: request.method == "GET" and request.path.endswith("/db/db.njs"))
    pruning = asyncio.create_task(pruned(haunted, digest))
    await reading.reached()
    await haunted.blobs.upload(papers("db", 2))
    reading.release()

    reply = await pruning

    assert (reply.problem.code, writes(haunted.proxy.records)) == (Code.DATABASE_CHANGED, [])
