"""What a run leaves in storage: which blobs, in which order, and nothing more than is needed."""

from __future__ import annotations

import asyncio

import pytest

from tests.builders import (
    LETTERS_PER_VOLUME,
    SEQUENCES_PER_VOLUME,
    alias,
    database,
    index_head,
    layout,
    manifest,
    statistics_file,
)
from tests.driving import Blobs, sent, writes, written
from tests.patience import patience


async def test_a_fresh_database_gets_every_preset_that_it_has_volumes_for(api, blobs, records):
    await blobs.upload(database("fresh", 12))

    result = await api.sharded("fresh")

    assert result["outcome"] == "sharded"
    assert result["shard_sets"] == [1, 2, 3, 4, 5, 6, 8, 10]
    assert (result["volumes"], result["skipped"], result["blobs_written"], result["blobs_unchanged"]) == (12, [], 78, 0)
    assert await blobs.layout("fresh") == layout("fresh", [1, 2, 3, 4, 5, 6, 8, 10])
    assert written(records) == layout("fresh", [1, 2, 3, 4, 5, 6, 8, 10]) | {"fresh-metadata.json"}


async def test_manifests_and_aliases_are_byte_for_byte_what_consumers_read(api, blobs):
    await blobs.upload(database("bytes", 5, sizes=(100, 100, 100, 100, 100)))

    await api.sharded("bytes", presets=[2])

    assert await blobs.texts(layout("bytes", [2])) == {
        manifest("bytes", 2, 0): "bytes.00\nbytes.01\nbytes.02\n",
        manifest("bytes", 2, 1): "bytes.03\nbytes.04\n",
        alias("bytes", 2, 0): "TITLE bytes_shard_00\n"
        "DBLIST /blast/blastdb/bytes.00 /blast/blastdb/bytes.01 /blast/blastdb/bytes.02\n"
        "NSEQ 350\nLENGTH 250000\nSTATS_NSEQ 350\nSTATS_TOTLEN 250000\n",
        alias("bytes", 2, 1): "TITLE bytes_shard_01\n"
        "DBLIST /blast/blastdb/bytes.03 /blast/blastdb/bytes.04\n"
        "NSEQ 350\nLENGTH 250000\nSTATS_NSEQ 350\nSTATS_TOTLEN 250000\n",
    }


async def test_every_volume_is_in_exactly_one_shard_of_every_set(api, blobs):
    await blobs.upload(database("covered", 11, sizes=(100, 900, 10, 400)))

    result = await api.sharded("covered")

    texts = await blobs.texts(await blobs.layout("covered"))
    expected = [f"covered.{number:02d}" for number in range(11)]
    for count in result["shard_sets"]:
        shards = [texts[manifest("covered", count, index)].splitlines() for index in range(count)]
        assert all(shards)
        assert [volume for shard in shards for volume in shard] == expected


async def test_metadata_tells_what_was_made(api, blobs):
    await blobs.upload(database("told", 3))

    operation = await api.shard("told")

    document = await blobs.metadata("told")
    files = database("told", 3)
    present = document.pop("shard_layout")
    assert (present["sets"], present["statistics"]["sequences"]) == ([[0, 3], [0, 2, 3], [0, 1, 2, 3]], 210)
    assert document | {"sharded_at": "", "sharding_started_at": "", "shard_started_at": ""} == {
        "db_name": "told",
        "sharded": True,
        "shard_sets": [1, 2, 3],
        "sharded_at": "",
        "shard_started_at": "",
        "sharding_started_at": "",
        "sharding_in_progress": False,
        "shard_generation": operation["result"]["generation"]["digest"],
        "shard_alias_version": 2,
        "shard_volume_count": 3,
        "shard_epoch": 1,
        "shard_operation_id": operation["id"],
        "total_bytes": sum(map(len, files.values())),
        "file_count": len(files),
        "statistics": "njs",
        "total_letters": 150000,
        "total_sequences": 210,
        "bytes_to_cache": 12345,
        "bytes_total": 23456,
    }


async def test_a_second_run_writes_nothing_and_says_so(api, blobs, records):
    await blobs.upload(database("second", 12))
    await api.sharded("second")
    records.clear()

    result = await api.sharded("second")

    assert (result["outcome"], result["blobs_written"], result["blobs_unchanged"]) == ("unchanged", 0, 78)
    assert result["shard_sets"] == [1, 2, 3, 4, 5, 6, 8, 10]
    assert not writes(records)
    assert len(records) <= 12


async def test_a_second_run_is_as_cheap_when_the_statistics_came_from_the_index_headers(api, blobs, records):
    await blobs.upload(database("second_index", 12, statistics="index"))
    await api.sharded("second_index")
    records.clear()

    result = await api.sharded("second_index")

    assert (result["outcome"], result["statistics"]) == ("unchanged", "index")
    assert not writes(records)
    assert len(records) <= 12


async def test_metadata_is_written_before_the_first_layout_blob_and_after_the_last(api, blobs, records):
    await blobs.upload(database("order", 5))

    await api.sharded("order")

    names = [one.blob for one in writes(records)]
    assert names[0] == names[-1] == "order-metadata.json"
    assert names.count("order-metadata.json") == 2


async def test_a_database_that_grew_gets_new_layouts(api, blobs):
    await blobs.upload(database("grew", 3))
    await api.sharded("grew")
    await blobs.upload(database("grew", 6))

    result = await api.sharded("grew")

    assert result["shard_sets"] == [1, 2, 3, 4, 5, 6]
    texts = await blobs.texts(layout("grew", [2, 6]))
    assert texts[manifest("grew", 2, 1)] == "grew.03\ngrew.04\ngrew.05\n"
    assert texts[manifest("grew", 6, 5)] == "grew.05\n"
    assert (await blobs.metadata("grew"))["shard_volume_count"] == 6


async def test_a_database_that_shrank_loses_its_larger_sets_only_after_metadata_has_stopped_listing_them(api, blobs, records):
    await blobs.upload(database("shrank", 8))
    await api.sharded("shrank")
    old, new = database("shrank", 8), database("shrank", 2)
    await blobs.delete(*(set(old) - set(new)))
    await blobs.upload(new)
    records.clear()

    result = await api.sharded("shrank")

    assert result["shard_sets"] == [1, 2]
    assert result["orphans_removed"] == 2 * (3 + 4 + 5 + 6 + 8)
    assert await blobs.layout("shrank") == layout("shrank", [1, 2])
    assert (await blobs.metadata("shrank"))["shard_sets"] == [1, 2]
    order = [(one.method, one.blob) for one in writes(records)]
    last_commit = max(at for at, (method, name) in enumerate(order) if name == "shrank-metadata.json")
    first_removal = min(at for at, (method, _) in enumerate(order) if method == "DELETE")
    assert last_commit < first_removal
    assert {name for method, name in order if method == "DELETE"} == layout("shrank", [3, 4, 5, 6, 8])


async def test_a_volume_replaced_under_the_same_name_makes_a_new_generation(api, blobs, records):
    await blobs.upload(database("replaced", 3))
    before = await api.sharded("replaced")
    await blobs.upload(database("replaced", 3, content=b"b"))
    records.clear()

    after = await api.sharded("replaced")

    assert after["outcome"] == "sharded"
    assert after["generation"]["digest"] != before["generation"]["digest"]
    assert (await blobs.metadata("replaced"))["shard_generation"] == after["generation"]["digest"]
    assert written(records) == {"replaced-metadata.json"}


async def test_a_database_whose_weights_moved_is_cut_anew(api, blobs):
    await blobs.upload(database("moved", 4, sizes=(100,)))
    await api.sharded("moved", presets=[2])
    await blobs.upload(database("moved", 4, sizes=(1000, 100, 100, 100)))

    await api.sharded("moved", presets=[2])

    texts = await blobs.texts(layout("moved", [2]))
    assert texts[manifest("moved", 2, 0)] == "moved.00\n"
    assert texts[manifest("moved", 2, 1)] == "moved.01\nmoved.02\nmoved.03\n"


@pytest.mark.parametrize("part", ["manifest", "alias"])
@pytest.mark.parametrize("damage", ["changed", "truncated", "binary", "deleted"])
async def test_a_damaged_blob_is_repaired_and_only_it_is_written(api, blobs, records, part, damage):
    name = f"damaged_{part}_{damage}"
    blob = (manifest if part == "manifest" else alias)(name, 3, 1)
    await blobs.upload(database(name, 4))
    await api.sharded(name)
    right = await blobs.get(blob)
    match damage:
        case "deleted":
            await blobs.delete(blob)
        case "changed":
            await blobs.put(blob, right.replace(b"0", b"9"))
        case "truncated":
            await blobs.put(blob, right[:-1])
        case "binary":
            await blobs.put(blob, b"\xff\xfe\0")
    records.clear()

    result = await api.sharded(name)

    assert (result["outcome"], result["blobs_written"]) == ("sharded", 1)
    assert written(records) == {blob, f"{name}-metadata.json"}
    assert await blobs.get(blob) == right


async def test_a_layout_blob_without_an_md5_is_written_again(api, blobs, records):
    await blobs.upload(database("no_md5", 2))
    await api.sharded("no_md5")
    blob = manifest("no_md5", 2, 1)
    client = blobs.container.get_blob_client(blob)
    await client.stage_block("MQ==", await blobs.get(blob))
    await client.commit_block_list(["MQ=="])
    records.clear()

    result = await api.sharded("no_md5")

    assert result["blobs_written"] == 1
    assert blob in written(records)


async def test_the_replaced_systems_layout_is_replaced_as_a_whole(api, blobs):
    await blobs.upload(database("legacy", 5))
    old = {manifest("legacy", 3, i): f"legacy.0{i}\n".encode() for i in range(3)}
    old |= {alias("legacy", 3, i): b"TITLE old\n" for i in range(3)}
    await blobs.upload(old)
    await blobs.put_metadata("legacy", {"db_name": "legacy", "sharded": True, "shard_sets": [3]})

    result = await api.sharded("legacy", presets=[1])

    assert result["shard_sets"] == [1, 3]
    texts = await blobs.texts(layout("legacy", [3]))
    assert [texts[manifest("legacy", 3, i)] for i in range(3)] == [
        "legacy.00\nlegacy.01\n",
        "legacy.02\nlegacy.03\n",
        "legacy.04\n",
    ]


async def test_a_protein_database_gets_pal_aliases(api, blobs):
    await blobs.upload(database("protein", 3, molecule="prot"))

    result = await api.sharded("protein")

    assert result["statistics"] == "njs"
    assert await blobs.layout("protein") == layout("protein", [1, 2, 3], "pal")
    text = (await blobs.get(alias("protein", 3, 2, "pal"))).decode()
    assert text == (
        "TITLE protein_shard_02\nDBLIST /blast/blastdb/protein.02\nNSEQ 210\nLENGTH 150000\nSTATS_NSEQ 210\nSTATS_TOTLEN 150000\n"
    )


async def test_a_foreign_nal_beside_a_proteins_pal_is_removed(api, blobs, records):
    await blobs.upload(database("foreign", 2, molecule="prot"))
    await api.sharded("foreign")
    await blobs.upload({alias("foreign", 2, i): b"TITLE old\n" for i in range(2)})
    records.clear()

    result = await api.sharded("foreign")

    assert result["orphans_removed"] == 2
    assert await blobs.layout("foreign") == layout("foreign", [1, 2], "pal")
    assert written(records) == {"foreign-metadata.json"}


async def test_force_writes_every_layout_blob_again(api, blobs, records):
    await blobs.upload(database("forced", 3))
    await api.sharded("forced")
    records.clear()

    result = await api.sharded("forced", force=True)

    assert (result["outcome"], result["blobs_written"]) == ("sharded", 12)
    assert written(records) == layout("forced", [1, 2, 3]) | {"forced-metadata.json"}


async def test_a_run_for_few_presets_keeps_the_sets_that_are_listed_right(api, blobs):
    await blobs.upload(database("few", 3))
    await api.sharded("few")
    await blobs.upload(database("few", 4))

    result = await api.sharded("few", presets=[2])

    assert result["shard_sets"] == [1, 2, 3]
    texts = await blobs.texts(await blobs.layout("few"))
    for count in (1, 2, 3):
        volumes = [volume for i in range(count) for volume in texts[manifest("few", count, i)].splitlines()]
        assert volumes == [f"few.{number:02d}" for number in range(4)]


async def test_another_preset_is_added_without_touching_the_others(api, blobs, records):
    await blobs.upload(database("added", 9))
    await api.sharded("added", presets=[2, 3])
    records.clear()

    result = await api.sharded("added", presets=[9])

    assert result["shard_sets"] == [2, 3, 9]
    assert written(records) == layout("added", [9]) | {"added-metadata.json"}


async def test_presets_above_the_volume_count_are_skipped_and_said_so(api, blobs):
    await blobs.upload(database("skipped", 3))

    result = await api.sharded("skipped", presets=[2, 4, 32])

    assert result["shard_sets"] == [2]
    assert result["skipped"] == [4, 32]
    assert await blobs.layout("skipped") == layout("skipped", [2])


async def test_thirty_two_shards_have_two_digits_and_no_empty_one(api, blobs):
    await blobs.upload(database("widest", 33))

    result = await api.sharded("widest", presets=[32])

    assert result["shard_sets"] == [32]
    texts = await blobs.texts(layout("widest", [32]))
    assert texts[manifest("widest", 32, 0)] == "widest.00\nwidest.01\n"
    assert all(texts[manifest("widest", 32, i)].count("\n") == 1 for i in range(1, 32))


@pytest.mark.parametrize("molecule", ["nucl", "prot"])
async def test_statistics_come_from_the_index_headers_when_there_is_no_statistics_file(api, blobs, molecule):
    name = f"from_index_{molecule}"
    await blobs.upload(database(name, 3, molecule=molecule, statistics="index"))

    result = await api.sharded(name)

    assert result["statistics"] == "index"
    text = (await blobs.get(alias(name, 2, 0, "nal" if molecule == "nucl" else "pal"))).decode()
    assert f"\nSTATS_NSEQ {3 * SEQUENCES_PER_VOLUME}\nSTATS_TOTLEN {3 * LETTERS_PER_VOLUME}\n" in text
    document = await blobs.metadata(name)
    assert (document["statistics"], document["total_letters"]) == ("index", 3 * LETTERS_PER_VOLUME)


async def test_statistics_come_from_the_index_headers_when_the_file_has_no_totals(api, blobs):
    files = database("no_totals", 2) | statistics_file("no_totals", 2, **{"number-of-letters": 0})
    await blobs.upload(files)

    assert (await api.sharded("no_totals"))["statistics"] == "index"


@pytest.mark.parametrize("head", [b"?", b"\0\0\0\5", index_head()[:-12]])
async def test_without_statistics_aliases_have_two_lines_and_metadata_says_so(api, blobs, head):
    name = f"no_statistics_{len(head)}"
    await blobs.upload(database(name, 2, statistics="index") | {f"{name}/{name}.01.nin": head})

    result = await api.sharded(name)

    assert result["statistics"] == "absent"
    text = (await blobs.get(alias(name, 1, 0))).decode()
    assert text == f"TITLE {name}_shard_00\nDBLIST /blast/blastdb/{name}.00 /blast/blastdb/{name}.01\n"
    document = await blobs.metadata(name)
    assert document["statistics"] == "absent"
    assert "total_letters" not in document


async def test_totals_of_an_older_generation_do_not_survive(api, blobs):
    await blobs.upload(database("old_totals", 2))
    await api.sharded("old_totals")
    await blobs.delete("old_totals/old_totals.njs")
    await blobs.upload(database("old_totals", 2, statistics="none"))

    result = await api.sharded("old_totals")

    assert result["statistics"] == "absent"
    document = await blobs.metadata("old_totals")
    assert not {"total_letters", "total_sequences", "bytes_to_cache", "bytes_total"} & set(document)
    assert "STATS" not in (await blobs.get(alias("old_totals", 1, 0))).decode()


async def test_a_real_database_without_statistics_file_is_counted_as_blastdbcmd_counts_it(api, blobs, tmp_path):
    fasta = "".join(f">s{number}\n{'ACGTTGCA' * (5 + number)}\n" for number in range(40))
    command = ["makeblastdb", "-dbtype", "nucl", "-in", "-", "-title", "real", "-out", str(tmp_path / "real_db")]
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL)
    await process.communicate(fasta.encode())
    assert process.returncode == 0
    await blobs.upload({f"real_db/{file.name}": file.read_bytes() for file in tmp_path.iterdir() if file.suffix != ".njs"})

    result = await api.sharded("real_db")

    assert (result["statistics"], result["shard_sets"]) == ("index", [1])
    letters = sum(8 * (5 + number) for number in range(40))
    assert f"STATS_NSEQ 40\nSTATS_TOTLEN {letters}\n" in (await blobs.get(alias("real_db", 1, 0))).decode()


@pytest.mark.parametrize(("name", "digits", "volumes"), [("unpadded", 1, 12), ("three_digits", 3, 12), ("past_99", 2, 101)])
async def test_the_digits_of_volumes_are_kept_as_they_are(api, blobs, name, digits, volumes):
    await blobs.upload(database(name, volumes, digits=digits))

    await api.sharded(name, presets=[1])

    text = (await blobs.get(manifest(name, 1, 0))).decode()
    assert text.splitlines() == [f"{name}.{number:0{digits}d}" for number in range(volumes)]


async def test_a_single_volume_that_bears_the_databases_name_is_one_shard(api, blobs):
    await blobs.upload(database("16S_ribosomal", None))

    result = await api.sharded("16S_ribosomal")

    assert (result["volumes"], result["shard_sets"], result["skipped"]) == (1, [1], [2, 3, 4, 5, 6, 8, 10])
    assert await blobs.get(manifest("16S_ribosomal", 1, 0)) == b"16S_ribosomal\n"
    alias_text = (await blobs.get(alias("16S_ribosomal", 1, 0))).decode()
    assert alias_text.startswith("TITLE 16S_ribosomal_shard_00\nDBLIST /blast/blastdb/16S_ribosomal\nNSEQ ")


async def test_a_database_of_1024_volumes_is_sharded(api, blobs):
    await blobs.upload(database("many", 1024, sizes=(1,)))

    result = await api.sharded("many")

    assert (result["volumes"], result["blobs_written"]) == (1024, 78)
    texts = await blobs.texts(manifest("many", 10, i) for i in range(10))
    names = [name for text in texts.values() for name in text.splitlines()]
    assert names == [f"many.{number:02d}" for number in range(1024)]


async def test_databases_with_similar_names_do_not_disturb_each_other(api, blobs):
    names = ["nt", "nt_euk", "nt_shard_extra", "nt.x", "NT"]
    await asyncio.gather(*(blobs.upload(database(name, 3)) for name in names))
    # The listing of NCBI's bucket has no delimiter, so nt's folder may hold another database's volumes.
    await blobs.upload({"nt/nt_euk.00.nsq": b"x", "nt/nt_euk.07.nsq": b"x", "nt/taxdb.btd": b"t"})
    for name in names:
        assert (await api.sharded(name))["shard_sets"] == [1, 2, 3]
    others = {name: await blobs.texts(layout(name, [1, 2, 3])) for name in names[1:]}
    await blobs.delete(*(set(database("nt", 3)) - set(database("nt", 1))))
    await blobs.upload(database("nt", 1))

    result = await api.sharded("nt")

    assert (result["shard_sets"], result["orphans_removed"]) == ([1], 10)
    assert {name: await blobs.texts(layout(name, [1, 2, 3])) for name in names[1:]} == others
    for name in names[1:]:
        assert (await api.sharded(name))["outcome"] == "unchanged"


async def test_the_same_name_in_two_accounts_is_two_databases(stack, api, blobs):
    other = Blobs(stack.azurite.account("elbstg01").connection_string)
    await asyncio.gather(blobs.upload(database("twin", 2)), other.upload(database("twin", 3)))

    first, second = await asyncio.gather(api.shard("twin"), api.shard("twin", account_name="elbstg01"))

    assert first["result"]["shard_sets"] == [1, 2]
    assert second["result"]["shard_sets"] == [1, 2, 3]
    assert first["id"] != second["id"]
    assert await blobs.layout("twin") == layout("twin", [1, 2])
    assert await other.layout("twin") == layout("twin", [1, 2, 3])
    await other.close()


async def test_folders_inside_a_databases_folder_are_not_part_of_it(api, blobs):
    staging = {"staged/.staging/staged.07.nsq": b"x", "staged/old/staged.03.nsq": b"x", "staged/old/staged.pdb": b"x"}
    await blobs.upload(database("staged", 2) | staging)

    result = await api.sharded("staged")

    assert result["volumes"] == 2
    assert (await blobs.metadata("staged"))["file_count"] == len(database("staged", 2))
    await blobs.delete(*staging)
    assert (await api.sharded("staged"))["outcome"] == "unchanged"


async def test_the_databases_version_becomes_the_layouts_version(api, blobs):
    await blobs.upload(database("versioned", 2))
    await blobs.put_metadata("versioned", {"db_name": "versioned", "source_version": "2026-05-09-01-05-02", "foreign": [1]})
    result = await api.sharded("versioned")
    document = await blobs.metadata("versioned")
    assert result["generation"]["source_version"] == "2026-05-09-01-05-02"
    assert document["shard_source_version"] == document["source_version"] == "2026-05-09-01-05-02"
    assert document["foreign"] == [1]

    await blobs.put_metadata("versioned", {**document, "source_version": "2026-06-01-01-05-02"})
    stale = (await api.rows())["versioned"]["shards_stale"]
    await api.sharded("versioned")

    assert stale is True
    assert (await blobs.metadata("versioned"))["shard_source_version"] == "2026-06-01-01-05-02"
    assert (await api.rows())["versioned"]["shards_stale"] is False


async def test_a_stale_marker_of_the_replaced_system_does_not_block(api, blobs):
    await blobs.upload(database("stale", 2))
    stale = {"sharding_in_progress": True, "sharding_started_at": "2025-01-01T00:00:00+00:00", "sharding_error": "old", "more": 1}
    await blobs.put_metadata("stale", stale)

    result = await api.sharded("stale")

    document = await blobs.metadata("stale")
    assert result["shard_sets"] == [1, 2]
    assert document["sharding_in_progress"] is False
    assert "sharding_error" not in document
    assert document["more"] == 1


async def test_a_marker_that_a_dead_run_left_on_a_right_database_is_cleared(api, blobs, records):
    await blobs.upload(database("marker_left", 2))
    await api.sharded("marker_left")
    await blobs.put_metadata("marker_left", {**await blobs.metadata("marker_left"), "sharding_in_progress": True})
    records.clear()

    await api.sharded("marker_left")

    assert (await blobs.metadata("marker_left"))["sharding_in_progress"] is False
    assert written(records) == {"marker_left-metadata.json"}


async def test_an_epoch_that_a_former_task_hub_left_is_overtaken(api, blobs):
    await blobs.upload(database("former_hub", 2))
    await blobs.put_metadata("former_hub", {"shard_epoch": 41, "shard_operation_id": "shard-x-41"})

    await api.sharded("former_hub")

    assert (await blobs.metadata("former_hub"))["shard_epoch"] == 42
    assert (await api.show("former_hub"))["lease"]["epoch"] == 42


async def test_a_database_that_changes_during_the_run_is_looked_at_again(stack, api, blobs):
    await blobs.upload(database("changing", 2))
    held = stack.proxy.hold(lambda request: request.method == "PUT" and "/1shards/changing_shard_00" in request.path)
    reply = await api.start_shard("changing")
    async with patience():
        await held.reached()
    await blobs.upload(database("changing", 3))
    held.release()

    operation = await api.end(reply.json()["operation_id"])

    assert operation["status"] == "Succeeded", operation
    assert operation["result"]["shard_sets"] == [1, 2, 3]
    assert await blobs.get(manifest("changing", 1, 0)) == b"changing.00\nchanging.01\nchanging.02\n"
    assert (await blobs.metadata("changing"))["shard_volume_count"] == 3


async def test_a_set_that_storage_refuses_for_good_does_not_stop_the_others(stack, api, blobs):
    await blobs.upload(database("partial", 3))
    rule = stack.proxy.fail(
        lambda request: request.method == "PUT" and "/2shards/partial_shard_01/" in request.path,
        status=403,
        code="AuthorizationPermissionMismatch",
    )
    error = await api.refused("partial")
    rule.remove()

    assert error["code"] == "PartialShardSets"
    assert [(detail["code"], detail["target"]) for detail in error["details"]] == [("StorageRefused", "2")]
    document = await blobs.metadata("partial")
    assert (document["sharded"], document["shard_sets"]) == (True, [1, 3])
    assert document["shard_errors"] == {"2": "StorageRefused"}
    assert document["sharding_error"].startswith("PartialShardSets: ")
    assert document["sharding_in_progress"] is False
    row = (await api.rows())["partial"]
    assert (row["shard_sets"], row["sharding_error"]) == ([1, 3], document["sharding_error"])
    result = await api.sharded("partial")
    assert result["shard_sets"] == [1, 2, 3]
    assert not {"shard_errors", "sharding_error"} & set(await blobs.metadata("partial"))


async def test_a_short_storm_at_storage_is_ridden_out(stack, api, blobs):
    await blobs.upload(database("storm", 3))
    rules = [
        stack.proxy.fail(lambda request: "storm" in request.path and request.method == "GET", times=2),
        stack.proxy.fail(lambda request: "storm" in request.path and request.method == "PUT", times=6),
    ]

    result = await api.sharded("storm")

    assert [rule.hits for rule in rules] == [2, 6]
    assert result["shard_sets"] == [1, 2, 3]
    assert await blobs.layout("storm") == layout("storm", [1, 2, 3])


async def test_answers_lost_after_their_writes_lose_nothing(stack, api, blobs):
    await blobs.upload(database("lost_answers", 3))
    await blobs.put_metadata("lost_answers", {"foreign": 1})
    rule = stack.proxy.cut(lambda request: request.method == "PUT" and "lost_answers" in request.path, times=5)

    result = await api.sharded("lost_answers")

    assert rule.hits == 5
    assert result["shard_sets"] == [1, 2, 3]
    document = await blobs.metadata("lost_answers")
    assert (document["foreign"], document["shard_sets"], document["sharding_in_progress"]) == (1, [1, 2, 3], False)
    assert (await api.sharded("lost_answers"))["outcome"] == "unchanged"


async def test_a_run_reads_before_it_writes_and_writes_at_once(api, blobs, records):
    await blobs.upload(database("calls", 12))
    records.clear()

    await api.sharded("calls")

    calls = sent(records)
    # One for each blob and each head of an index file, one for the volume table.
    assert len(calls) <= 78 + 12 + 1 + 16
    assert sum(one.method == "PUT" for one in calls) == 80
