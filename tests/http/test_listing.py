"""What readers see: the listing of an account, one database, one shard set."""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

import pytest

from tests.builders import alias, database, layout, manifest
from tests.driving import Api, Blobs, sent, writes
from tests.patience import patience

FIELDS = {
    "name",
    "source_version",
    "file_count",
    "total_bytes",
    "sharded",
    "shard_sets",
    "shard_source_version",
    "shards_stale",
    "sharding_in_progress",
    "sharding_started_at",
    "sharding_error",
    "update_in_progress",
    "updates_available",
    "copy_status",
    "warm",
    "problem",
    "warnings",
}


@pytest.fixture
async def second(stack, api):
    """The second account with nothing in it, and a client that asks for it."""
    container = Blobs(stack.azurite.account("elbstg01").connection_string)
    await container.clear()
    async with Api(api.base_url, "elbstg01") as client:
        yield client, container
    await container.clear()
    await container.close()


async def test_a_row_has_the_promised_fields_of_a_sharded_database(api, blobs):
    await blobs.upload(database("row", 3))
    await blobs.put_metadata("row", {"source_version": "v1", "copy_status": {"phase": "completed", "mode": "server-side"}})
    await api.sharded("row")

    row = (await api.rows())["row"]

    assert set(row) == FIELDS
    files = database("row", 3)
    assert (row["file_count"], row["total_bytes"]) == (len(files), sum(map(len, files.values())))
    assert (row["sharded"], row["shard_sets"]) == (True, [1, 2, 3])
    assert row["source_version"] == row["shard_source_version"] == "v1"
    assert (row["shards_stale"], row["sharding_in_progress"], row["sharding_error"], row["problem"]) == (False, False, None, None)
    assert row["copy_status"]["phase"] == "completed"
    assert (row["warm"], row["warnings"]) == ([], [])


async def test_a_row_shows_a_run_under_way(stack, api, blobs):
    await blobs.upload(database("under_way", 2))
    held = stack.proxy.hold(lambda request: request.method == "PUT" and "shards/under_way_shard" in request.path)
    run = (await api.start_shard("under_way")).json()["operation_id"]
    async with patience():
        await held.reached()

    row, document = (await api.rows())["under_way"], await api.show("under_way")
    held.release()

    assert row["sharding_in_progress"] is True
    assert row["sharding_started_at"]
    assert document["sharding_in_progress"] is True
    assert document["lease"]["operation_id"] == run
    assert document["lease"]["kind"] == "shard"
    assert document["lease"]["since"] < document["lease"]["expires"]
    assert [operation["id"] for operation in document["operations"]] == [run]
    assert document["operations"][0]["status"] == "Running"
    await api.end(run)


async def test_a_database_without_metadata_is_counted_from_storage(api, blobs):
    await blobs.upload(database("bare", 2) | {"bare/.staging/bare.09.nsq": b"x" * 1000})

    row = (await api.rows())["bare"]

    files = database("bare", 2)
    assert (row["file_count"], row["total_bytes"]) == (len(files), sum(map(len, files.values())))
    assert (row["sharded"], row["shard_sets"], row["problem"]) == (False, [], None)


async def test_totals_that_cannot_be_had_are_said_wherever_the_database_is_shown(api, blobs):
    await blobs.upload(database("no_totals", 2, statistics="none"))
    before = await api.show("no_totals")

    operation = await api.shard("no_totals")

    verified = await api.verify("no_totals")
    row, document, certificate = (await api.rows())["no_totals"], await api.show("no_totals"), verified.json()
    assert (operation["status"], row["shard_sets"], certificate["drift"]) == ("Succeeded", [1, 2], "current")
    (said,) = row["warnings"]
    assert "inexact e-values" in said
    assert "Upload its .njs" in said
    assert before["warnings"] == operation["result"]["warnings"] == document["warnings"] == certificate["warnings"] == [said]
    await blobs.upload(database("no_totals", 2))
    assert (await api.sharded("no_totals"))["warnings"] == (await api.rows())["no_totals"]["warnings"] == []


async def test_foreign_metadata_without_our_headers_is_read(api, blobs, records):
    await blobs.upload(database("foreign_row", 2))
    foreign = {
        "source_version": "v2",
        "shard_source_version": "v1",
        "sharded": True,
        "shard_sets": [3, 1, 3],
        "total_bytes": 7,
        "file_count": 1,
        "sharding_error": "AccountKey=c2VjcmV0c2VjcmV0 " + "x" * 400,
        "update_in_progress": True,
        "copy_status": {"phase": "partial", "reason": "https://a.blob.example/c?sv=1&sig=c2VjcmV0c2VjcmV0", "failed": 2},
    }
    await blobs.put_metadata("foreign_row", foreign)

    reply = await api.get("/api/blast/databases", params={"account_name": api.account})

    row = next(row for row in reply.json()["value"] if row["name"] == "foreign_row")
    assert (row["shard_sets"], row["shards_stale"], row["update_in_progress"]) == ([1, 3], True, True)
    assert (row["total_bytes"], row["file_count"]) == (7, 1)
    assert (row["copy_status"]["phase"], row["copy_status"]["failed"]) == ("partial", 2)
    assert len(row["sharding_error"]) <= 300
    assert "c2VjcmV0" not in reply.text
    assert not writes(records)


async def test_a_foreign_write_after_ours_is_seen(api, blobs):
    await blobs.upload(database("after_ours", 2))
    await api.sharded("after_ours")
    await blobs.put_metadata("after_ours", {**await blobs.metadata("after_ours"), "shard_sets": [2], "sharded": True})

    assert (await api.rows())["after_ours"]["shard_sets"] == [2]


@pytest.mark.parametrize("content", [b"{", b"[]", b"", b'{"shard_sets": {}}'])
async def test_damaged_metadata_is_one_databases_problem(api, blobs, content):
    name = f"damaged_row_{len(content)}"
    await blobs.upload(database(name, 1))
    await blobs.put(f"{name}-metadata.json", content)

    rows, document = await api.rows(), await api.show(name)

    assert f"{name}-metadata.json" in rows[name]["problem"]
    assert rows[name]["sharded"] is False
    assert document["problem"].startswith("UnreadableMetadata: ")


async def test_headers_that_are_not_ours_are_not_believed(api, blobs):
    await blobs.upload(database("odd_headers", 1))
    for number, value in enumerate(("[]", "{", "7")):
        await blobs.put("odd_headers-metadata.json", b'{"source_version": "v%d"}' % number, metadata={"shardwarm": value})
        assert (await api.rows())["odd_headers"]["source_version"] == f"v{number}"


async def test_only_databases_are_listed(second):
    api, blobs = second
    await blobs.upload(
        {
            **database("real", 1),
            **dict.fromkeys(layout("real", [1, 2]), b"x"),
            "gone-metadata.json": b"{}",
            "metadata/oracles/real/status.json": b"x",
            "custom-db-build/x": b"x",
            "custom_db/x": b"x",
            "readme.txt": b"x",
            "-metadata.json": b"{}",
            "x_shard_00-metadata.json": b"{}",
            "a/b-metadata.json": b"{}",
            ".hidden/x": b"x",
            "10shards/x": b"x",
        }
    )

    assert set(await api.rows()) == {"real", "gone"}


async def test_a_folder_without_a_file_of_blasts_is_no_database(second):
    api, blobs = second
    await blobs.upload({"notes/notes.txt": b"x", "notes/thesis.aux": b"x", "raw/raw.fasta": b">x\n", "deep/er/x.txt": b"x"})
    await blobs.upload({"copied/.staging/v1/copied.00.nsq": b"x"})

    assert await api.rows() == {}


async def test_ncbis_own_file_in_the_root_is_no_database(second):
    api, blobs = second
    named = b'{"dbname": "nt", "number-of-volumes": 2}'
    await blobs.upload({**database("nt", 2), "nt-nucl-metadata.json": named, "swiss-prot-metadata.json": named})
    await blobs.upload({**database("true-nucl", 1), "true-nucl-metadata.json": b'{"source_version": "v7"}'})
    await blobs.upload(database("kept-prot", 1, molecule="prot"))
    await api.sharded("kept-prot")
    await asyncio.gather(*(blobs.delete(name) for name in database("kept-prot", 1, molecule="prot")))

    rows = await api.rows()

    assert set(rows) == {"nt", "true-nucl", "kept-prot"}
    assert rows["true-nucl"]["source_version"] == "v7"


async def test_a_folder_with_another_databases_files_is_listed_with_the_problem_and_the_remedy(second):
    api, blobs = second
    await blobs.upload(moved("viruses.fasta", 1, "viruses") | moved("nt", 2, "2026-05-09") | moved("aa", 1, "old/aa"))

    rows = await api.rows()

    assert set(rows) == {"viruses", "2026-05-09", "old"}
    assert rows["viruses"]["problem"] == (
        "DatabaseNotFound: There is no database 'viruses': 'viruses/' holds the files of 'viruses.fasta'. "
        "Move them to 'viruses.fasta/', so that they are called viruses.fasta/viruses.fasta.*, then shard 'viruses.fasta'."
    )
    assert "'2026-05-09/' holds the files of 'nt'. Move them to 'nt/'" in rows["2026-05-09"]["problem"]
    assert "'old/aa/' holds the files of 'aa'. Move them to 'aa/'" in rows["old"]["problem"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("viruses", "'viruses/' holds the files of 'viruses.fasta'. Move them to 'viruses.fasta/'"),
        ("viruses.fasta", "its files are in 'viruses/'. Move them to 'viruses.fasta/'"),
        ("2026-05-09", "'2026-05-09/' holds the files of 'nt'"),
        ("nt", "its files are in '2026-05-09/'. Move them to 'nt/'"),
        ("whole_euk", "its files are in 'whole/'"),
        ("loose", "its files are in the container's root"),
        ("no_one", "There is no database 'no_one' in this account."),
    ],
)
async def test_a_database_that_is_not_found_is_told_with_where_its_files_are(second, name, told):
    api, blobs = second
    await blobs.upload(moved("viruses.fasta", 1, "viruses") | moved("nt", 2, "2026-05-09"))
    await blobs.upload(database("whole", 1) | moved("whole_euk", 1, "whole") | {"loose.00.nsq": b"x"})
    await blobs.put_metadata("whole", {"total_bytes": 1, "file_count": 1})
    place = f"/api/blast/databases/{name}"

    replies = (
        await api.get(place, params={"account_name": api.account}),
        await api.post(f"{place}/verify", json={"account_name": api.account}),
        await api.start_shard(name),
        await api.get(f"{place}/shard-sets/1", params={"account_name": api.account}),
    )

    assert [(reply.status_code, reply.json()["error"]["code"]) for reply in replies] == [(404, "DatabaseNotFound")] * 4
    assert all(told in reply.json()["error"]["message"] for reply in replies), replies[0].text


def moved(db, volumes, place) -> dict[str, bytes]:
    """A database's files in another place than its own folder."""
    return {f"{place}/{name.removeprefix(f'{db}/')}": data for name, data in database(db, volumes).items()}


async def test_a_listing_is_paged_by_name(second):
    api, blobs = second
    names = ["B", "a", "a.b", "a_b", "b", "c"]
    await asyncio.gather(*(blobs.upload(database(name, 1)) for name in names))

    pages, link = [], f"/api/blast/databases?account_name={api.account}&top=2"
    while link:
        page = (await api.get(link)).json()
        pages.append([row["name"] for row in page["value"]])
        link = page["nextLink"]

    assert pages == [["B", "a"], ["a.b", "a_b"], ["b", "c"]]


async def test_a_listing_of_what_this_app_wrote_costs_one_call(second, records):
    api, blobs = second
    names = [f"cheap_{number}" for number in range(6)]
    await asyncio.gather(*(blobs.upload(database(name, 1)) for name in names))
    await asyncio.gather(*(api.sharded(name) for name in names))
    records.clear()

    rows = await api.rows()

    assert set(rows) == set(names)
    assert [one.method for one in sent(records)] == ["GET"]


async def test_a_listing_reads_only_the_metadata_that_others_wrote_last(second, records):
    api, blobs = second
    await asyncio.gather(*(blobs.upload(database(name, 1)) for name in ("ours", "theirs", "nobodys")))
    await api.sharded("ours")
    await blobs.put_metadata("theirs", {"total_bytes": 5, "file_count": 1})
    records.clear()

    await api.rows()

    assert sorted(one.blob for one in sent(records)) == ["", "", "theirs-metadata.json"]
    assert [one.query for one in records if "prefix=nobodys/nobodys." in unquote(one.query)]


async def test_a_folder_without_metadata_costs_two_calls_when_nothing_in_it_is_its_own(second, records):
    api, blobs = second
    await blobs.upload(moved("viruses.fasta", 1, "viruses") | {"notes/readme.txt": b"x"})
    records.clear()

    await api.rows()

    assert sorted(unquote(one.query).partition("prefix=")[2].partition("&")[0] for one in records) == [
        "",
        "notes/",
        "notes/notes.",
        "viruses/",
        "viruses/viruses.",
    ]


async def test_an_empty_account_has_an_empty_list(second):
    api, _ = second

    reply = await api.get("/api/blast/databases", params={"account_name": api.account})

    assert reply.json() == {"value": [], "nextLink": None}


async def test_one_database_is_shown_in_full(api, blobs):
    await blobs.upload(database("shown", 4, sizes=(100, 200)))
    operation = await api.shard("shown", presets=[1, 2])

    document = await api.show("shown")

    files = database("shown", 4, sizes=(100, 200))
    overhead = len(files["shown/shown.00.nin"]) + 1
    assert set(document) > FIELDS
    assert (document["molecule_type"], document["volume_count"]) == ("nucl", 4)
    assert document["volumes"] == [
        {"name": f"shown.{number:02d}", "size_bytes": size + overhead} for number, size in enumerate((100, 200, 100, 200))
    ]
    assert document["total_bytes"] == sum(map(len, files.values()))
    assert document["statistics"]["letters"] == 200000
    assert document["generation"]["digest"] == document["shard_generation"] == operation["result"]["generation"]["digest"]
    assert document["lease"] == {"epoch": 1, "operation_id": None, "kind": None, "since": None, "expires": None}
    assert document["operations"] == [operation]
    total = 600 + 4 * overhead
    current = {"listed": True, "state": "current", "generation": document["shard_generation"]}
    assert document["layouts"] == [
        {"shard_count": count, "shard_bytes": [total // count] * count, "imbalance": 1.0, **current} for count in (1, 2)
    ]


async def test_layouts_say_whether_they_are_current_incomplete_or_different(api, blobs):
    await blobs.upload(database("states", 4))
    await api.sharded("states", presets=[1, 2, 3])
    await blobs.delete(manifest("states", 2, 0))
    await blobs.put(alias("states", 3, 2), b"TITLE damaged\n")
    await blobs.put(manifest("states", 4, 0), b"states.00\n")

    document = await api.show("states")

    layouts, digest = document["layouts"], document["generation"]["digest"]
    assert [one["generation"] for one in layouts] == [digest, digest, digest, None]
    assert [(one["shard_count"], one["state"], one["listed"]) for one in layouts] == [
        (1, "current", True),
        (2, "incomplete", True),
        (3, "differs", True),
        (4, "incomplete", False),
    ]


async def test_a_database_that_grew_has_layouts_that_differ(api, blobs):
    await blobs.upload(database("outgrown", 2))
    await api.sharded("outgrown")
    await blobs.upload(database("outgrown", 3))

    document = await api.show("outgrown")

    assert {one["state"] for one in document["layouts"]} == {"differs"}
    assert document["generation"]["digest"] != document["shard_generation"]
    assert {one["generation"] for one in document["layouts"]} == {document["shard_generation"]}


async def test_a_database_that_is_refused_is_shown_as_far_as_its_metadata_tells(api, blobs):
    await blobs.upload(database("half_there", 2))
    first = await api.shard("half_there")
    await blobs.upload(database("half_there", 3))
    last = await api.shard("half_there")
    copied = {"copy_status": {"phase": "completed"}, "prepare_operation_id": first["id"]}
    await blobs.put_metadata("half_there", {**await blobs.metadata("half_there"), **copied})
    await blobs.delete("half_there/half_there.01.nsq")

    row, document = (await api.rows())["half_there"], await api.show("half_there")

    assert document["problem"].startswith("VolumeGap: ")
    assert {name: document[name] for name in FIELDS - {"problem"}} == {name: row[name] for name in FIELDS - {"problem"}}
    assert (document["sharded"], document["shard_sets"], document["copy_status"]) == (True, [1, 2, 3], {"phase": "completed"})
    assert document["shard_generation"] == last["result"]["generation"]["digest"]
    assert [(one["operation_id"], one["restorable"]) for one in document["previous_layouts"]] == [(first["id"], False)]
    assert document["operations"] == [last, first]
    assert (document["volumes"], document["layouts"], document["generation"]) == ([], [], None)


async def test_a_database_that_was_never_sharded_is_shown(api, blobs, records):
    await blobs.upload(database("never", 2, molecule="prot"))

    document = await api.show("never")

    assert (document["molecule_type"], document["layouts"], document["operations"]) == ("prot", [], [])
    assert (document["sharded"], document["lease"]["epoch"]) == (False, 0)
    assert not writes(records)


async def test_a_shard_set_is_shown_as_it_is_stored(api, blobs):
    await blobs.upload(database("set_shown", 3))
    await api.sharded("set_shown")

    reply = await api.get("/api/blast/databases/set_shown/shard-sets/2", params={"account_name": api.account})

    assert reply.status_code == 200
    document = reply.json()
    volume_bytes = sum(len(data) for name, data in database("set_shown", 3).items() if ".00." in name)
    assert (document["db_name"], document["shard_count"], document["listed"]) == ("set_shown", 2, True)
    assert document["partition_prefix"].endswith(f"/{api.account}/blast-db/2shards/set_shown_shard_")
    assert [shard["index"] for shard in document["shards"]] == [0, 1]
    assert [shard["name"] for shard in document["shards"]] == ["set_shown_shard_00", "set_shown_shard_01"]
    assert [shard["size_bytes"] for shard in document["shards"]] == [2 * volume_bytes, volume_bytes]
    for shard in document["shards"]:
        assert shard["manifest"] == (await blobs.get(manifest("set_shown", 2, shard["index"]))).decode()
        assert shard["alias"] == (await blobs.get(alias("set_shown", 2, shard["index"]))).decode()


@pytest.mark.parametrize("damage", [b"", b"\xff\xfe\0", b"set_damaged.99\n", None])
async def test_a_damaged_shard_set_is_shown_and_not_an_error(api, blobs, damage):
    await blobs.upload(database("set_damaged", 2))
    await api.sharded("set_damaged", force=True)
    if damage is None:
        await blobs.delete(manifest("set_damaged", 2, 1))
    else:
        await blobs.put(manifest("set_damaged", 2, 1), damage)

    reply = await api.get("/api/blast/databases/set_damaged/shard-sets/2", params={"account_name": api.account})

    assert reply.status_code == 200, reply.text
    shards = reply.json()["shards"]
    assert shards[0]["size_bytes"] is not None
    assert shards[1]["size_bytes"] is None
    assert shards[1]["manifest"] == (damage or b"").decode(errors="replace")


async def test_a_protein_shard_set_shows_its_pal(api, blobs):
    await blobs.upload(database("set_protein", 2, molecule="prot"))
    await api.sharded("set_protein")

    reply = await api.get("/api/blast/databases/set_protein/shard-sets/1", params={"account_name": api.account})

    assert reply.json()["shards"][0]["alias"] == (await blobs.get(alias("set_protein", 1, 0, "pal"))).decode()


async def test_a_shard_set_that_is_not_there_is_not_found(api, blobs):
    await blobs.upload(database("set_absent", 3))
    await blobs.upload(database("set_absent_shard_x", 4))
    await asyncio.gather(api.sharded("set_absent", presets=[1]), api.sharded("set_absent_shard_x", presets=[2]))

    reply = await api.get("/api/blast/databases/set_absent/shard-sets/2", params={"account_name": api.account})

    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == reply.headers["x-ms-error-code"] == "ShardSetNotFound"
    assert "Shard it with this preset first" in reply.json()["error"]["message"]


async def test_nobody_is_advised_to_shard_with_more_shards_than_volumes(api, blobs):
    await blobs.upload(database("set_too_many", 3))

    reply = await api.get("/api/blast/databases/set_too_many/shard-sets/4", params={"account_name": api.account})

    assert reply.json()["error"]["code"] == "ShardSetNotFound"
    assert "3 volumes can be 3 shards at most" in reply.json()["error"]["message"]
    assert "Shard it" not in reply.json()["error"]["message"]
