"""Where things lie in the container: names that others read, and whose they are (contract 1.6, 13.7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.blobs import (
    MAX_SHARDS,
    PRESETS,
    LayoutBlob,
    alias_blob,
    database_of_metadata,
    folder,
    is_layout_folder,
    layout_prefix,
    manifest_blob,
    metadata_blob,
    parse_layout_blob,
    partition_prefix,
    shard_name,
    statistics_file,
)
from shared.blastdb.names import is_database_name

database_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}", fullmatch=True).filter(is_database_name)


def test_presets_and_the_greatest_shard_count_are_the_replaced_systems():
    assert PRESETS == (1, 2, 3, 4, 5, 6, 8, 10)
    assert MAX_SHARDS == 32


def test_a_databases_own_blobs():
    assert folder("core_nt") == "core_nt/"
    assert metadata_blob("core_nt") == "core_nt-metadata.json"
    assert statistics_file("core_nt", "nucl") == "core_nt/core_nt.njs"
    assert statistics_file("nr", "prot") == "nr/nr.pjs"


def test_the_blobs_of_a_shard_have_two_digits_and_their_folder_has_none_to_spare():
    assert shard_name("core_nt", 3) == "core_nt_shard_03"
    assert manifest_blob("core_nt", 8, 3) == "8shards/core_nt_shard_03/core_nt_shard_03.manifest"
    assert alias_blob("core_nt", 10, 9, "nucl") == "10shards/core_nt_shard_09/core_nt_shard_09.nal"
    assert alias_blob("nr", 32, 31, "prot") == "32shards/nr_shard_31/nr_shard_31.pal"


def test_the_partition_prefix_is_completed_by_the_consumer():
    prefix = partition_prefix("https://elbstg01.blob.core.windows.net/blast-db", "core_nt", 10)

    assert prefix == "https://elbstg01.blob.core.windows.net/blast-db/10shards/core_nt_shard_"
    assert f"{prefix}07/".endswith(manifest_blob("core_nt", 10, 7).removesuffix("core_nt_shard_07.manifest"))


@given(db=database_names, shard_count=st.integers(1, MAX_SHARDS), data=st.data())
def test_law_every_blob_of_a_shard_set_is_recognised_as_what_it_is(db, shard_count, data):
    index = data.draw(st.integers(0, shard_count - 1))

    manifest = manifest_blob(db, shard_count, index)

    assert parse_layout_blob(db, manifest) == LayoutBlob(shard_count, index, "manifest")
    assert parse_layout_blob(db, alias_blob(db, shard_count, index, "nucl")) == LayoutBlob(shard_count, index, "nal")
    assert parse_layout_blob(db, alias_blob(db, shard_count, index, "prot")) == LayoutBlob(shard_count, index, "pal")
    assert manifest.startswith(layout_prefix(db, shard_count))


@given(one=database_names, other=database_names, shard_count=st.integers(1, MAX_SHARDS), index=st.integers(0, 31))
def test_law_a_blob_belongs_to_one_database_only(one, other, shard_count, index):
    assert one == other or parse_layout_blob(one, manifest_blob(other, shard_count, index)) is None


def test_a_database_called_like_the_shards_of_another_keeps_its_blobs():
    foreign = manifest_blob("nt_shard_x", 8, 0)

    assert foreign.startswith(layout_prefix("nt", 8))
    assert parse_layout_blob("nt", foreign) is None
    assert parse_layout_blob("nt_shard_x", foreign) == LayoutBlob(8, 0, "manifest")


@pytest.mark.parametrize(
    "blob",
    [
        "8shards/nt_shard_00/nt_shard_01.manifest",
        "8shards/nt_shard_00/nt_shard_00.manifest.bak",
        "8shards/nt_shard_00/nt_shard_00.njs",
        "8shards/nt_shard_0/nt_shard_0.nal",
        "8shards/nt_shard_000/nt_shard_000.nal",
        "8shards/nt_shard_00/",
        "08shards/nt_shard_00/nt_shard_00.nal",
        "0shards/nt_shard_00/nt_shard_00.nal",
        "100shards/nt_shard_00/nt_shard_00.nal",
        "x8shards/nt_shard_00/nt_shard_00.nal",
        "a/8shards/nt_shard_00/nt_shard_00.nal",
        "8shards/nt_shard_00/nt_shard_00.nal\n",
        "8shards/nt_shard_\N{FULLWIDTH DIGIT ZERO}1/nt_shard_\N{FULLWIDTH DIGIT ZERO}1.nal",
        "nt/nt.00.nsq",
        "",
    ],
)
def test_what_this_system_would_not_have_written_is_not_its_own(blob):
    assert parse_layout_blob("nt", blob) is None


def test_an_index_beyond_the_shard_count_is_recognised_so_that_it_can_be_removed():
    assert parse_layout_blob("nt", "2shards/nt_shard_07/nt_shard_07.nal") == LayoutBlob(2, 7, "nal")


@pytest.mark.parametrize(("name", "expected"), [("8shards", True), ("10shards", True), ("shards", False), ("x8shards", False)])
def test_a_layout_folder_is_told_from_a_database(name, expected):
    assert is_layout_folder(name) is expected
    assert not (expected and is_database_name(name))


@given(database_names)
def test_law_a_control_blob_leads_back_to_its_database(db):
    assert database_of_metadata(metadata_blob(db)) == db


@pytest.mark.parametrize(
    "blob", ["core_nt.json", "a/b-metadata.json", "x-metadata.json.bak", "-metadata.json", "metadata.json", ""]
)
def test_what_is_no_control_blob_leads_to_no_database(blob):
    assert database_of_metadata(blob) is None
