"""What the edge refuses: the right status and code, a sentence that helps, and nothing written."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from azure.storage.blob.aio import BlobServiceClient

from shared.blastdb.blobs import is_layout_folder
from tests.builders import database
from tests.driving import writes


def error_of(reply, status) -> dict:
    """The error of a reply, after checking what every error has."""
    assert reply.status_code == status, reply.text
    assert set(reply.json()) == {"error"}
    error = reply.json()["error"]
    assert set(error) == {"code", "message", "target", "details"}
    assert reply.headers["x-ms-error-code"] == error["code"]
    assert reply.headers["x-ms-request-id"]
    assert reply.headers["content-type"] == "application/json"
    assert error["message"][-1] in ".…"
    assert len(error["message"]) > 20
    return error


BAD_NAMES = [
    ("nt\n", "1 to 64 characters"),
    ("\nnt", "1 to 64 characters"),
    ("..", "begins with a letter or digit"),
    ("a..b", "'..'"),
    (".hidden", "begins with a letter or digit"),
    ("-rf", "begins with a letter or digit"),
    ("a b", "letters, digits"),
    ("a/b", "letters, digits"),
    ("a\\b", "letters, digits"),
    ("a%00", "letters, digits"),
    ("a\0", "letters, digits"),
    ("ünt", "letters, digits"),
    ("nt\N{FULLWIDTH DIGIT ONE}", "letters, digits"),
    ("a" * 65, "1 to 64 characters"),
    ("x_shard_00", "like a shard"),
    ("x_shard_1234", "like a shard"),
    ("10shards", "layout folder"),
    ("007shards", "layout folder"),
    ("metadata", "reserved"),
    ("custom_db", "reserved"),
    ("custom-db-build", "reserved"),
    ("nt-metadata.json", "metadata blob"),
]


@pytest.mark.parametrize(("name", "hint"), BAD_NAMES)
async def test_a_name_that_no_database_can_have_is_refused(api, records, name, hint):
    reply = await api.post(f"/api/blast/databases/{quote(name, safe='').replace('.', '%2E')}/shard", json=api.body)

    error = error_of(reply, 400)
    assert error["code"] == "InvalidName"
    assert error["target"] == "db"
    assert hint in error["message"]
    assert not records


@pytest.mark.parametrize("route", ["{}", "{}/shard-sets/2"])
@pytest.mark.parametrize("name", ["nt\n", "x_shard_00", "a" * 65])
async def test_reading_routes_refuse_the_same_names(api, records, route, name):
    reply = await api.get(f"/api/blast/databases/{route.format(quote(name, safe=''))}")

    assert error_of(reply, 400)["code"] == "InvalidName"
    assert not records


@pytest.mark.parametrize("name", ["a" * 64, "ref_viruses-2025.04", "a_shard_x", "x10shards", "7", "a.b-c_d"])
async def test_a_name_at_the_edge_of_the_rules_is_taken(api, name):
    reply = await api.start_shard(name)

    assert error_of(reply, 404)["code"] == "DatabaseNotFound"


BAD_FIELDS = [
    ({"unknown": 1}, "UnknownField", "unknown"),
    ({"Force": True}, "UnknownField", "Force"),
    ({"callback": "https://x"}, "UnknownField", "callback"),
    ({"account_name": 7}, "InvalidField", "account_name"),
    ({"account_name": None}, "InvalidField", "account_name"),
    ({"account_name": ""}, "InvalidName", "account_name"),
    ({"account_name": "UPPER"}, "InvalidName", "account_name"),
    ({"account_name": "ab"}, "InvalidName", "account_name"),
    ({"account_name": "a" * 25}, "InvalidName", "account_name"),
    ({"account_name": "elbstg01\n"}, "InvalidName", "account_name"),
    ({"account_name": "elb.example.com/"}, "InvalidName", "account_name"),
    ({"subscription_id": "not-a-guid"}, "InvalidField", "subscription_id"),
    ({"subscription_id": "-" * 36}, "InvalidField", "subscription_id"),
    ({"subscription_id": ["a"]}, "InvalidField", "subscription_id"),
    ({"resource_group": "ends."}, "InvalidField", "resource_group"),
    ({"resource_group": "a" * 91}, "InvalidField", "resource_group"),
    ({"resource_group": "größe"}, "InvalidField", "resource_group"),
    ({"resource_group": "rg\n"}, "InvalidField", "resource_group"),
    ({"force": "yes"}, "InvalidField", "force"),
    ({"force": 1}, "InvalidField", "force"),
    ({"force": None}, "InvalidField", "force"),
    ({"presets": []}, "InvalidField", "presets"),
    ({"presets": 3}, "InvalidField", "presets"),
    ({"presets": "3"}, "InvalidField", "presets"),
    ({"presets": {"3": 3}}, "InvalidField", "presets"),
    ({"presets": [0]}, "InvalidField", "presets.0"),
    ({"presets": [-1]}, "InvalidField", "presets.0"),
    ({"presets": [1, 33]}, "InvalidField", "presets.1"),
    ({"presets": ["3"]}, "InvalidField", "presets.0"),
    ({"presets": [True]}, "InvalidField", "presets.0"),
    ({"presets": [2.5]}, "InvalidField", "presets.0"),
    ({"presets": [None]}, "InvalidField", "presets.0"),
    ({"presets": list(range(1, 18))}, "InvalidField", "presets"),
    ({"presets": [30, 31, 32, 29]}, "InvalidField", "presets"),
]


@pytest.mark.parametrize(("fields", "code", "target"), BAD_FIELDS)
async def test_a_field_that_is_wrong_is_named(api, records, fields, code, target):
    reply = await api.start_shard("nt", **fields)

    error = error_of(reply, 400)
    assert (error["code"], error["target"]) == (code, target)
    assert target.split(".")[0] in error["message"]
    assert not records


@pytest.mark.parametrize("field", ["subscription_id", "resource_group", "account_name"])
async def test_a_field_that_is_missing_is_named(api, records, field):
    body = {name: value for name, value in api.body.items() if name != field}

    reply = await api.post("/api/blast/databases/nt/shard", json=body)

    error = error_of(reply, 400)
    assert (error["code"], error["target"]) == ("MissingField", field)
    assert field in error["message"]
    assert not records


async def test_every_wrong_field_is_among_the_details(api):
    reply = await api.post("/api/blast/databases/nt/shard", json={"account_name": "UPPER", "extra": 1, "presets": [1, 0]})

    details = error_of(reply, 400)["details"]
    assert {(detail["code"], detail["target"]) for detail in details} == {
        ("MissingField", "subscription_id"),
        ("MissingField", "resource_group"),
        ("InvalidName", "account_name"),
        ("InvalidField", "presets.1"),
        ("UnknownField", "extra"),
    }


@pytest.mark.parametrize(
    ("body", "code", "hint"),
    [
        (b"", "MissingField", "subscription_id"),
        (b"{}", "MissingField", "subscription_id"),
        (b"{", "InvalidJson", "not JSON"),
        (b"subscription_id=a", "InvalidJson", "not JSON"),
        (b"\xff\xfe", "InvalidJson", "not JSON"),
        (b"[]", "InvalidJson", "not a JSON object"),
        (b'"text"', "InvalidJson", "not a JSON object"),
        (b"null", "InvalidJson", "not a JSON object"),
        (b"7", "InvalidJson", "not a JSON object"),
        (b'{"presets": [' + b"1," * 40_000 + b"1]}", "RequestBodyTooLarge", "65,536 are allowed"),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(api, records, body, code, hint):
    reply = await api.post("/api/blast/databases/nt/shard", content=body, headers={"content-type": "application/json"})

    error = error_of(reply, 400)
    assert error["code"] == code
    assert hint in error["message"]
    assert not records


async def test_a_value_that_is_refused_is_not_repeated_in_the_reply(api):
    secret = "AccountKey=c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"

    replies = [
        await api.start_shard("nt", account_name=secret),
        await api.start_shard("nt", **{secret: 1}),
        await api.start_shard("nt", presets=[secret]),
        await api.get("/api/blast/databases", params={secret: "1"}),
        await api.get(f"/api/operations/{secret}"),
    ]

    assert [reply.status_code for reply in replies] == [400, 400, 400, 400, 404]
    assert not [reply.text for reply in replies if "c2VjcmV0" in reply.text]


async def test_an_account_that_the_settings_do_not_name_is_forbidden(api, records):
    replies = [
        await api.start_shard("nt", account_name="someoneelse"),
        await api.get("/api/blast/databases", params={"account_name": "someoneelse"}),
        await api.get("/api/blast/databases/nt", params={"account_name": "someoneelse"}),
        await api.get("/api/blast/databases/nt/shard-sets/2", params={"account_name": "someoneelse"}),
    ]

    for reply in replies:
        error = error_of(reply, 403)
        assert error["code"] == "AccountNotAllowed"
        assert "SHARDWARM_ACCOUNTS" in error["message"]
    assert not records


@pytest.mark.parametrize("path", ["", "/nt", "/nt/shard-sets/2"])
async def test_the_account_has_to_be_said_when_there_are_several(api, records, path):
    reply = await api.get(f"/api/blast/databases{path}")

    error = error_of(reply, 400)
    assert (error["code"], error["target"]) == ("MissingField", "account_name")
    assert "?account_name=" in error["message"]
    assert not records


@pytest.mark.parametrize("path", ["", "/nt", "/nt/shard-sets/2"])
async def test_a_malformed_account_in_the_query_is_refused(api, records, path):
    reply = await api.get(f"/api/blast/databases{path}", params={"account_name": "elbstg01\n"})

    assert error_of(reply, 400)["code"] == "InvalidName"
    assert not records


async def test_an_absent_database_is_not_found_and_no_run_begins(api, blobs, records):
    others = {name.partition("/")[0] async for name in blobs.container.list_blob_names() if "/" in name}
    folders = [folder for folder in others if not is_layout_folder(folder)]
    records.clear()

    reply = await api.start_shard("absent")

    error = error_of(reply, 404)
    assert (error["code"], error["target"]) == ("DatabaseNotFound", "absent")
    assert "'absent'" in error["message"]
    assert not writes(records)
    # The database, its folder, the root, and one look into each folder that may hold its files.
    assert len(records) == 3 + min(64, len(folders))


async def test_reading_an_absent_database_is_not_found(api):
    query = {"account_name": api.account}

    replies = [
        await api.get("/api/blast/databases/absent", params=query),
        await api.get("/api/blast/databases/absent/shard-sets/2", params=query),
    ]

    assert [error_of(reply, 404)["code"] for reply in replies] == ["DatabaseNotFound"] * 2


async def test_an_alias_only_database_is_refused_with_the_reason(api, blobs, records):
    await blobs.upload({"only_alias/only_alias.nal": b"TITLE a\nDBLIST core_nt\n"})

    reply = await api.start_shard("only_alias")

    error = error_of(reply, 409)
    assert (error["code"], error["target"]) == ("AliasOnlyDatabase", "only_alias")
    assert "Shard the databases that it names" in error["message"]
    assert not writes(records)
    assert await blobs.metadata("only_alias") is None


async def test_a_folder_without_a_volume_is_refused_with_the_reason(api, blobs, records):
    await blobs.upload({"no_volume/no_volume.ndb": b"x", "no_volume/no_volume.00.nin": b"x"})

    reply = await api.start_shard("no_volume")

    error = error_of(reply, 409)
    assert error["code"] == "NoVolumes"
    assert "Upload all of it" in error["message"]
    assert not writes(records)


async def test_an_absent_container_is_not_found_and_not_created(stack, api, records):
    connection_string = stack.azurite.account("elbstg01").connection_string
    async with BlobServiceClient.from_connection_string(connection_string) as client:
        await client.delete_container("blast-db")
        try:
            reply = await api.start_shard("nt", account_name="elbstg01")
            listing = await api.get("/api/blast/databases", params={"account_name": "elbstg01"})
            assert not [container async for container in client.list_containers()]
        finally:
            await client.create_container("blast-db")

    for answer in (reply, listing):
        error = error_of(answer, 404)
        assert (error["code"], error["target"]) == ("ContainerNotFound", "elbstg01")
        assert "SHARDWARM_CONTAINER" in error["message"]
    assert not writes(records)


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/api/health", "none"),
        ("/api/health/ready", "detail, subscription_id, resource_group, cluster_name"),
        ("/api/blast/databases", "account_name, top, after"),
        ("/api/blast/databases/nt", "account_name"),
        ("/api/blast/databases/nt/shard-sets/2", "account_name"),
        ("/api/operations", "status, kind, created_from, top, after"),
        ("/api/operations/x", "wait_ms"),
    ],
)
async def test_an_unknown_query_parameter_is_named_and_the_known_ones_listed(api, records, path, known):
    reply = await api.get(path, params={"acount_name": "elbstg01"})

    error = error_of(reply, 400)
    assert (error["code"], error["target"]) == ("UnknownField", "acount_name")
    assert f"Known are: {known}." in error["message"]
    assert not records


async def test_writing_routes_take_no_query(api, records):
    replies = [
        await api.post("/api/blast/databases/nt/shard", params={"force": "true"}, json=api.body),
        await api.post("/api/operations/x/cancel", params={"now": "1"}),
    ]

    assert [error_of(reply, 400)["code"] for reply in replies] == ["UnknownField"] * 2
    assert not records


@pytest.mark.parametrize("value", ["-1", "25001", "1e3", "", "a", "1.5", "\N{FULLWIDTH DIGIT NINE}", "0x10", "9" * 5000])
async def test_wait_ms_out_of_range_is_refused(api, value):
    reply = await api.get("/api/operations/x", params={"wait_ms": value})

    error = error_of(reply, 400)
    assert (error["code"], error["target"]) == ("InvalidField", "wait_ms")
    assert "0 to 25000" in error["message"]


@pytest.mark.parametrize("value", ["0", "1001", "-1", "ten"])
async def test_a_page_size_out_of_range_is_refused(api, records, value):
    reply = await api.get("/api/blast/databases", params={"account_name": api.account, "top": value})

    error = error_of(reply, 400)
    assert (error["code"], error["target"]) == ("InvalidField", "top")
    assert "1 to 1000" in error["message"]
    assert not records


@pytest.mark.parametrize("value", ["0", "33", "x", "-1", "\N{FULLWIDTH DIGIT TWO}"])
async def test_a_shard_count_out_of_range_is_refused(api, records, value):
    reply = await api.get(f"/api/blast/databases/nt/shard-sets/{quote(value)}", params={"account_name": api.account})

    error = error_of(reply, 400)
    assert (error["code"], error["target"]) == ("InvalidField", "n")
    assert "1 to 32" in error["message"]
    assert not records


@pytest.mark.parametrize(("name", "value"), [("status", "running"), ("status", ""), ("kind", "entity")])
async def test_an_unknown_filter_value_is_refused(api, name, value):
    reply = await api.get("/api/operations", params={name: value})

    error = error_of(reply, 400)
    assert (error["code"], error["target"]) == ("InvalidField", name)
    assert "is one of" in error["message"]


async def test_duplicate_presets_count_once(api, blobs):
    await blobs.upload(database("duplicates", 3))

    result = await api.sharded("duplicates", presets=[2, 2, 1, 2])

    assert result["shard_sets"] == [1, 2]


async def test_the_largest_body_that_makes_sense_is_taken(api, blobs):
    await blobs.upload(database("largest_body", 2))
    body = {**api.body, "resource_group": "(" * 89 + ")", "presets": [*range(1, 13), 1, 2, 3, 4], "force": False}

    reply = await api.post("/api/blast/databases/largest_body/shard", content=json.dumps(body, indent=8))

    assert reply.status_code == 202
    assert (await api.end(reply.json()["operation_id"]))["result"]["shard_sets"] == [1, 2]
