"""Archived files, and blobs of other types: found by listing, before a run reads, writes or starts anything."""

from __future__ import annotations

import pytest
from azure.storage.blob import BlobType

from activities.shard import inspect_database
from activities.upload import inspect_upload
from shared.errors import Code, Unusable
from shared.runs.upload.payloads import InspectUpload
from shared.storage.catalogue import Catalogue
from shared.storage.inspection import read_state
from tests.activities.conftest import ACCOUNT
from tests.builders import alias, database, manifest
from tests.driving import writes


async def tiered(bench, tier, *names) -> None:
    for name in names:
        await bench.blobs.container.get_blob_client(name).set_standard_blob_tier(tier)


async def inspected(bench, **more):
    return await inspect_database(bench.inspect("db", **more), bench.clients)


async def test_a_run_refuses_archived_volumes_by_their_names_and_number(bench):
    await bench.blobs.upload(database("db", 7))
    sequences = [f"db/db.{number:02d}.nsq" for number in range(7)]
    await tiered(bench, "Archive", *sequences)
    bench.proxy.clear()

    reply = await inspected(bench)

    assert (reply.problem.code, reply.problem.target) == (Code.BLOB_ARCHIVED, sequences[0])
    assert f"(7): {', '.join(sequences[:5])} and 2 more. Rehydrate" in reply.problem.message
    assert not writes(bench.proxy.records)
    assert not [record for record in bench.proxy.records if record.status == 409]


async def test_rehydrated_files_are_used_at_once_although_their_listing_is_the_same(bench):
    await bench.blobs.upload(database("db", 2))
    await tiered(bench, "Archive", "db/db.01.nin")
    refused = await inspected(bench)

    await tiered(bench, "Hot", "db/db.01.nin")

    # The digest of the listing is not remembered as refused: a rehydration does not change it.
    assert (refused.problem.code, refused.refused) == (Code.BLOB_ARCHIVED, None)
    assert (await inspected(bench)).problem is None


async def test_a_whole_archived_container_is_said_by_its_files(bench):
    await bench.blobs.upload(database("db", 2) | {"db-metadata.json": b"{}"})
    names = [blob.name async for blob in bench.blobs.container.list_blobs()]
    await tiered(bench, "Archive", *names)

    reply = await inspected(bench)

    assert reply.problem.code is Code.BLOB_ARCHIVED
    assert f"({len(names)}): db-metadata.json, db/db.00.nhr, db/db.00.nin" in reply.problem.message


async def test_an_archived_statistics_file_is_said_by_the_listing(bench):
    await bench.blobs.upload(database("db", 2))
    await tiered(bench, "Archive", "db/db.njs")

    assert "(1): db/db.njs" in (await inspected(bench)).problem.message


@pytest.mark.parametrize("name", [manifest("db", 2, 1), alias("db", 2, 0)])
async def test_an_archived_layout_is_refused_though_its_content_is_right(bench, name):
    await bench.blobs.upload(database("db", 2))
    await bench.sharded("db", (2,))
    await tiered(bench, "Archive", name)

    reply = await inspected(bench, presets=(2,))

    assert (reply.problem.code, reply.problem.target) == (Code.BLOB_ARCHIVED, name)


async def test_a_listed_layout_is_refused_where_no_set_was_asked_for(bench):
    await bench.blobs.upload(database("db", 2))
    await bench.sharded("db", (2,))
    await bench.blobs.put_metadata("db", {"sharded": True, "shard_sets": [2]})
    await tiered(bench, "Archive", alias("db", 2, 1))
    container = bench.clients.accounts.container(ACCOUNT)

    with pytest.raises(Unusable, match=r"db_shard_01\.nal"):
        await read_state(container, bench.clients.control, "db", (), None)


async def test_archived_files_that_are_not_blasts_are_nobodys_trouble(bench):
    await bench.blobs.upload(database("db", 2) | {"db/db.fasta": b"x", "db/db.00.tar.gz": b"x"})
    await tiered(bench, "Archive", "db/db.fasta", "db/db.00.tar.gz")

    assert (await inspected(bench)).problem is None


@pytest.mark.parametrize("kind", [BlobType.APPENDBLOB, BlobType.PAGEBLOB])
async def test_a_blob_of_another_type_is_refused(bench, kind):
    await bench.blobs.upload(database("db", 2))
    await bench.blobs.delete("db/db.00.nsq")
    await bench.blobs.container.upload_blob("db/db.00.nsq", b"a" * 512, blob_type=kind)

    reply = await inspected(bench)

    assert (reply.problem.code, reply.problem.target) == (Code.WRONG_BLOB_TYPE, "db/db.00.nsq")
    assert "block blobs" in reply.problem.message


async def test_an_archived_database_is_shown_and_certified_as_that(bench):
    await bench.blobs.upload(database("db", 2))
    await tiered(bench, "Archive", "db/db.00.nsq")
    catalogue = Catalogue(bench.clients.accounts, bench.clients.control)

    document, _ = await catalogue.describe(ACCOUNT, "db")
    certificate = await catalogue.verify(ACCOUNT, "db")

    assert "archive tier" in document.problem
    assert "BlobArchived" in certificate.findings[0].message


async def test_an_upload_waits_for_the_rehydration_and_says_so(bench):
    await bench.blobs.upload(database("db", 2))
    await tiered(bench, "Archive", "db/db.00.nsq")

    seen = await inspect_upload(InspectUpload(account=ACCOUNT, db="db"), bench.clients)

    # Not incomplete: published sets of an incomplete upload would be taken off the list.
    assert (seen.state, seen.problem.code) == ("busy", Code.BLOB_ARCHIVED)
