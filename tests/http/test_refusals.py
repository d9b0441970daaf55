"""Databases that are refused as they stand: the operation says why, and storage is left as it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.builders import database, index_head, layout, manifest, papers, statistics_file
from tests.driving import writes

FOUR_MIB = b" " * (4 * 1024 * 1024)


def without(files, *leaves):
    gone = set(leaves)
    return {name: data for name, data in files.items() if name.rpartition("/")[2] not in gone}


def broken(name, molecule="nucl", **more):
    return database(name, 4, molecule=molecule, **more)


REFUSALS = {
    "gap": (lambda db: without(broken(db, statistics="index"), f"{db}.01.nsq"), "VolumeGap", ".01", "Upload it"),
    "gap_at_the_start": (lambda db: without(broken(db, statistics="index"), f"{db}.00.nsq"), "VolumeGap", ".00", "Upload it"),
    "gap_without_a_trace": (
        lambda db: without(broken(db, statistics="index"), *(f"{db}.02.{end}" for end in ("nsq", "nin", "nhr"))),
        "VolumeGap",
        ".02",
        "Upload it",
    ),
    "last_volume_half_uploaded": (
        lambda db: without(broken(db, statistics="index"), f"{db}.03.nsq"),
        "VolumeGap",
        ".03",
        "Upload it",
    ),
    "protein_gap": (lambda db: without(broken(db, "prot", statistics="index"), f"{db}.01.psq"), "VolumeGap", ".psq", "Upload it"),
    "ghosts": (lambda db: broken(db) | papers(db, 2), "GhostVolumes", ".02", "Remove them"),
    "missing_against_papers": (lambda db: broken(db) | papers(db, 9), "VolumeGap", ".04", "Upload what is missing"),
    "njs_of_another_build": (lambda db: broken(db) | statistics_file(db, 9), "PapersDisagree", "9 volumes", "one build"),
    "other_count_than_protein_papers": (
        lambda db: broken(db, "prot") | papers(db, 3, molecule="prot"),
        "GhostVolumes",
        "3 by ",
        "Remove them",
    ),
    "index_of_another_molecule": (
        lambda db: broken(db) | {f"{db}/{db}.01.nin": index_head("prot", db)},
        "PapersDisagree",
        ".01",
        "one build",
    ),
    "volume_of_another_build": (
        lambda db: broken(db) | {f"{db}/{db}.01.nin": index_head("nucl", db, sequences=8)},
        "PapersDisagree",
        ".01 has 8 sequences",
        "one build",
    ),
    "renamed": (
        lambda db: broken(db) | {f"{db}/{db}.01.nin": index_head("nucl", "other")},
        "PapersDisagree",
        "other.ndb",
        "makeblastdb gave them",
    ),
    "lost_headers": (lambda db: without(broken(db), f"{db}.02.nhr"), "UploadIncomplete", ".02.nhr", "Upload"),
    "mixed_names": (lambda db: broken(db) | {f"{db}/{db}.nsq": b"x"}, "MixedVolumeNames", "one volume", "Remove"),
    "mixed_padding": (lambda db: broken(db) | {f"{db}/{db}.4.nsq": b"x"}, "MixedVolumeNames", "paddings", "Upload"),
    "same_number_twice": (lambda db: broken(db) | {f"{db}/{db}.003.nsq": b"x"}, "MixedVolumeNames", "", ""),
    "no_ndb": (lambda db: without(broken(db), f"{db}.ndb"), "MissingDatabaseFile", ".ndb", "Upload it"),
    "no_pdb": (lambda db: without(broken(db, "prot"), f"{db}.pdb"), "MissingDatabaseFile", ".pdb", "Upload it"),
    "ndb_for_protein": (
        lambda db: without(broken(db, "prot"), f"{db}.pdb") | {f"{db}/{db}.ndb": b"x"},
        "MissingDatabaseFile",
        ".pdb",
        "Upload it",
    ),
    "damaged_njs": (lambda db: broken(db) | {f"{db}/{db}.njs": b'{"number-of-vol'}, "UnreadableStatistics", "njs", "remove it"),
    "empty_njs": (lambda db: broken(db) | {f"{db}/{db}.njs": b""}, "UnreadableStatistics", "njs", "remove it"),
    "listed_njs": (lambda db: broken(db) | {f"{db}/{db}.njs": b"[]"}, "UnreadableStatistics", "njs", "remove it"),
    "negative_njs": (
        lambda db: broken(db) | statistics_file(db, 4, **{"number-of-letters": -5}),
        "UnreadableStatistics",
        "njs",
        "remove it",
    ),
    "damaged_pjs": (lambda db: broken(db, "prot") | {f"{db}/{db}.pjs": b"\xff"}, "UnreadableStatistics", "pjs", "remove it"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_a_database_that_would_lose_sequences_is_refused_with_the_reason(api, blobs, records, case):
    files, code, what, remedy = REFUSALS[case]
    db = f"refused_{case}"
    await blobs.upload(files(db))

    error = await api.refused(db)

    assert error["code"] == code
    assert what in error["message"]
    assert remedy in error["message"]
    assert await blobs.layout(db) == set()
    assert {one.blob for one in writes(records)} == {f"{db}-metadata.json"}
    document = await blobs.metadata(db)
    assert document["sharding_in_progress"] is False
    assert document["sharded"] is False
    assert document["sharding_error"].startswith(f"{code}: ")
    assert document["db_name"] == db
    assert (await api.show(db))["problem"].startswith(f"{code}: ")


@pytest.mark.parametrize("case", ["gap", "ghosts", "no_ndb", "damaged_njs"])
async def test_a_refused_database_is_sharded_once_it_is_mended(api, blobs, case):
    db = f"mended_{case}"
    await blobs.upload(REFUSALS[case][0](db))
    await api.refused(db)
    await blobs.upload(broken(db))

    result = await api.sharded(db)

    assert result["shard_sets"] == [1, 2, 3, 4]
    assert "sharding_error" not in await blobs.metadata(db)


async def test_a_refusal_does_not_touch_layouts_that_are_there(api, blobs, records):
    await blobs.upload(broken("refused_later"))
    await api.sharded("refused_later")
    texts = await blobs.texts(layout("refused_later", [1, 2, 3, 4]))
    await blobs.delete("refused_later/refused_later.02.nsq")
    records.clear()

    error = await api.refused("refused_later")

    assert error["code"] == "VolumeGap"
    assert {one.blob for one in writes(records)} == {"refused_later-metadata.json"}
    assert await blobs.texts(layout("refused_later", [1, 2, 3, 4])) == texts
    assert (await blobs.metadata("refused_later"))["sharding_in_progress"] is False


async def test_a_database_of_two_molecule_types_is_refused_before_a_run_begins(api, blobs, records):
    await blobs.upload(broken("mixed_molecules") | {"mixed_molecules/mixed_molecules.00.psq": b"x"})

    reply = await api.start_shard("mixed_molecules")

    assert reply.status_code == 409
    assert reply.json()["error"]["code"] == "MixedMoleculeTypes"
    assert "name of its own" in reply.json()["error"]["message"]
    assert not writes(records)


async def test_only_presets_above_the_volume_count_are_refused(api, blobs):
    await blobs.upload(database("none_fits", 2))

    error = await api.refused("none_fits", presets=[3, 4])

    assert (error["code"], error["target"]) == ("NoPresetFits", "presets")
    assert "Ask for 1" in error["message"]


@pytest.mark.parametrize("phase", ["queued", "copying", "partial", "init_failed", "cancelled", "a phase of tomorrow"])
async def test_a_database_whose_copy_is_not_complete_is_not_sharded(api, blobs, records, phase):
    db = f"copy_{phase.replace(' ', '_')}"
    await blobs.upload(database(db, 2))
    before = await blobs.put_metadata(db, {"db_name": db, "copy_status": {"phase": phase}})

    error = await api.refused(db)

    assert error["code"] == "DatabaseNotReady"
    assert phase in error["message"]
    assert "prepare-db" in error["message"]
    assert not writes(records)
    assert (await blobs.container.get_blob_client(f"{db}-metadata.json").get_blob_properties()).etag == before


async def test_a_database_being_updated_is_not_sharded(api, blobs, records):
    await blobs.upload(database("updating", 2))
    await blobs.put_metadata("updating", {"update_in_progress": True, "update_started_at": "2999-01-01T00:00:00+00:00"})

    error = await api.refused("updating")

    assert error["code"] == "DatabaseNotReady"
    assert not writes(records)


@pytest.mark.parametrize("more", [{}, {"copy_status": None}, {"copy_status": {"phase": "completed"}}, {"copy_status": {}}])
async def test_a_database_whose_copy_is_complete_or_unknown_is_sharded(api, blobs, more):
    db = f"copied_{len(json.dumps(more))}"
    await blobs.upload(database(db, 2))
    await blobs.put_metadata(db, {"update_in_progress": False, **more})

    assert (await api.sharded(db))["outcome"] == "sharded"


UNREADABLE = {
    "no_json": b"{not json",
    "empty": b"",
    "a_list": b'[{"sharded": true}]',
    "a_string": b'"sharded"',
    "no_utf8": b'{"a": "\xff\xfe"}',
    "over_4_mib": b'{"a": "' + FOUR_MIB + b'"}',
    "wrong_types": b'{"shard_sets": "all of them", "kept": 1}',
    "wrong_epoch": b'{"shard_epoch": "seven", "kept": 1}',
    "null": b"null",
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_metadata_that_cannot_be_read_stops_the_run_and_is_left_as_it_is(api, blobs, records, case):
    db = f"unreadable_{case}"
    await blobs.upload(database(db, 2))
    before = await blobs.put(f"{db}-metadata.json", UNREADABLE[case])

    error = await api.refused(db)

    assert (error["code"], error["target"]) == ("UnreadableMetadata", f"{db}-metadata.json")
    assert "epair" in error["message"]
    assert not writes(records)
    assert await blobs.get(f"{db}-metadata.json") == UNREADABLE[case]
    assert (await blobs.container.get_blob_client(f"{db}-metadata.json").get_blob_properties()).etag == before
    assert await blobs.layout(db) == set()
    assert (await api.show(db))["lease"]["operation_id"] is None


async def test_metadata_of_just_4_mib_is_still_read(api, blobs):
    await blobs.upload(database("just_4_mib", 1))
    filler = "x" * (4 * 1024 * 1024 - 1024)
    await blobs.put("just_4_mib-metadata.json", json.dumps({"filler": filler}).encode())

    assert (await api.sharded("just_4_mib"))["outcome"] == "sharded"

    assert (await blobs.metadata("just_4_mib"))["filler"] == filler


async def test_a_refusal_by_storage_names_the_role_that_is_missing(stack, api, blobs):
    await blobs.upload(database("no_role", 2))
    rule = stack.proxy.fail(
        lambda request: request.method == "PUT" and "/no_role-metadata.json" in request.path,
        status=403,
        code="AuthorizationPermissionMismatch",
    )

    error = await api.refused("no_role")
    rule.remove()

    assert error["code"] == "StorageRefused"
    assert "Storage Blob Data Contributor" in error["message"]
    assert await blobs.layout("no_role") == set()
    assert (await api.sharded("no_role"))["outcome"] == "sharded"


async def test_a_refused_reader_is_told_the_role_too(stack, api):
    rule = stack.proxy.fail(lambda request: request.method == "GET", status=403, code="AuthorizationPermissionMismatch")
    reply = await api.start_shard("anything")
    rule.remove()

    assert reply.status_code == 502
    assert reply.json()["error"]["code"] == "StorageRefused"
    assert "Storage Blob Data Contributor" in reply.json()["error"]["message"]


async def test_storage_out_of_reach_is_503_with_the_time_to_come_back(stack, api):
    rule = stack.proxy.fail(lambda _: True)
    reply = await api.start_shard("anything")
    rule.remove()

    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "StorageUnavailable"
    assert int(reply.headers["retry-after"]) >= 1


async def test_a_run_that_storage_outlasts_fails_and_the_next_one_repairs(stack, api, blobs):
    await blobs.upload(database("outlasted", 2))
    rule = stack.proxy.fail(lambda request: request.method == "PUT" and "/2shards/outlasted_shard_01" in request.path)
    error = await api.refused("outlasted")
    rule.remove()

    assert error["code"] == "PartialShardSets"
    assert error["details"][0]["code"] == "StorageUnavailable"
    document = await blobs.metadata("outlasted")
    assert (document["shard_sets"], document["sharding_in_progress"]) == ([1], False)
    result = await api.sharded("outlasted")
    assert result["shard_sets"] == [1, 2]
    assert await blobs.exists(manifest("outlasted", 2, 1))


async def test_orphans_that_storage_refuses_to_remove_are_said_so_and_removed_next_time(stack, api, blobs):
    await blobs.upload(database("stuck", 3))
    await api.sharded("stuck")
    await blobs.delete(*(set(database("stuck", 3)) - set(database("stuck", 2))))
    await blobs.upload(database("stuck", 2))
    rule = stack.proxy.fail(
        lambda request: request.method == "DELETE" and "/stuck_shard_" in request.path,
        status=403,
        code="AuthorizationPermissionMismatch",
    )
    error = await api.refused("stuck")
    rule.remove()

    assert error["code"] == "StorageRefused"
    assert rule.hits == 6
    document = await blobs.metadata("stuck")
    assert (document["shard_sets"], document["sharding_in_progress"]) == ([1, 2], False)
    assert (await api.sharded("stuck"))["orphans_removed"] == 6
    assert await blobs.layout("stuck") == layout("stuck", [1, 2])


async def test_database_that_lost_a_volume_is_no_longer_listed_as_sharded(api, blobs):
    await blobs.upload(database("lostone", 4))
    await api.sharded("lostone")
    await blobs.delete("lostone/lostone.02.nsq")

    error = await api.refused("lostone")

    document = await blobs.metadata("lostone")
    assert error["code"] == "VolumeGap"
    assert (document["sharded"], document["shard_sets"]) == (False, [])
    assert "lostone.02" in document["sharding_error"]


async def test_run_of_the_replaced_system_is_waited_for_until_it_is_half_an_hour_old(api, blobs):
    fresh = datetime.now(UTC).isoformat(timespec="seconds")
    marker = {"sharding_in_progress": True, "sharding_started_at": fresh, "source_version": "v1"}
    await blobs.upload(database("foreignrun", 3))
    await blobs.put_metadata("foreignrun", marker)

    error = await api.refused("foreignrun")

    assert error["code"] == "DatabaseNotReady"
    assert await blobs.metadata("foreignrun") == marker
