"""The bytes of a shard: what a shell script and BLAST read, golden (contract 1.7, 13.1, 13.2; the form with totals)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.alias import render_alias
from shared.blastdb.blobs import alias_blob, manifest_blob
from shared.blastdb.layout import Layout, split
from shared.blastdb.manifest import parse_manifest, render_manifest
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet

CORE_NT = VolumeSet(db="core_nt", molecule="nucl", count=83, digits=2)
LEGACY_TEN = Layout(cuts=(0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 83))
"""How the replaced system split 83 volumes into ten shards."""
WHOLE = Statistics(sequences=125619662, letters=1041443571674, source="njs")


# Manifests


def test_a_manifest_has_one_volume_a_line_and_a_final_line_feed():
    assert render_manifest(CORE_NT, Layout(cuts=(0, 2)), 0) == b"core_nt.00\ncore_nt.01\n"


def test_the_first_manifest_of_the_legacy_ten_shards():
    expected = b"core_nt.00\ncore_nt.01\ncore_nt.02\ncore_nt.03\ncore_nt.04\ncore_nt.05\ncore_nt.06\ncore_nt.07\ncore_nt.08\n"

    assert manifest_blob("core_nt", 10, 0) == "10shards/core_nt_shard_00/core_nt_shard_00.manifest"
    assert render_manifest(CORE_NT, LEGACY_TEN, 0) == expected


def test_the_last_manifest_of_the_legacy_ten_shards():
    assert manifest_blob("core_nt", 10, 9) == "10shards/core_nt_shard_09/core_nt_shard_09.manifest"
    assert render_manifest(CORE_NT, LEGACY_TEN, 9) == b"core_nt.81\ncore_nt.82\n"


def test_the_manifest_of_a_single_unnumbered_volume():
    volumes = VolumeSet(db="16S_ribosomal_RNA", molecule="nucl", count=1, digits=None)

    assert manifest_blob(volumes.db, 1, 0) == "1shards/16S_ribosomal_RNA_shard_00/16S_ribosomal_RNA_shard_00.manifest"
    assert render_manifest(volumes, Layout(cuts=(0, 1)), 0) == b"16S_ribosomal_RNA\n"


def test_numbers_in_a_manifest_are_written_as_the_files_write_them():
    three = VolumeSet(db="nt", molecule="nucl", count=310, digits=3)
    one = VolumeSet(db="x", molecule="nucl", count=11, digits=1)
    two = VolumeSet(db="core_nt", molecule="nucl", count=101, digits=2)

    assert render_manifest(three, Layout(cuts=(0, 309, 310)), 1) == b"nt.309\n"
    assert render_manifest(one, Layout(cuts=(0, 9, 11)), 1) == b"x.9\nx.10\n"
    assert render_manifest(two, Layout(cuts=(0, 99, 101)), 1) == b"core_nt.99\ncore_nt.100\n"


@given(count=st.integers(1, 300), data=st.data())
def test_law_the_manifests_of_a_shard_set_list_every_volume_once_and_can_be_read_back(count, data):
    volumes = VolumeSet(db="nt", molecule="nucl", count=count, digits=data.draw(st.integers(1, 4)))
    layout = split([1] * count, data.draw(st.integers(1, min(count, 32))))

    listed = [name for index in range(layout.shard_count) for name in parse_manifest(render_manifest(volumes, layout, index))]

    assert tuple(listed) == volumes.names(0, count)


@pytest.mark.parametrize("text", [b"x.00\r\nx.01\r\n", b"x.00\nx.01", b"\nx.00\n\nx.01\n"])
def test_a_manifest_that_somebody_edited_can_still_be_read(text):
    assert parse_manifest(text) == ("x.00", "x.01")


def test_a_manifest_that_is_no_text_is_refused():
    with pytest.raises(ValueError, match="utf-8"):
        parse_manifest(b"\xff\xfe")


# Aliases


def test_the_two_line_alias_of_the_replaced_system():
    layout = Layout(cuts=(0, 9, 18, 27, 30))

    assert render_alias(CORE_NT, layout, 3, None) == (
        b"TITLE core_nt_shard_03\nDBLIST /blast/blastdb/core_nt.27 /blast/blastdb/core_nt.28 /blast/blastdb/core_nt.29\n"
    )


def test_the_last_alias_of_the_legacy_ten_shards():
    assert alias_blob("core_nt", 10, 9, "nucl") == "10shards/core_nt_shard_09/core_nt_shard_09.nal"
    assert render_alias(CORE_NT, LEGACY_TEN, 9, None) == (
        b"TITLE core_nt_shard_09\nDBLIST /blast/blastdb/core_nt.81 /blast/blastdb/core_nt.82\n"
    )


def test_the_two_line_alias_of_a_single_unnumbered_volume():
    volumes = VolumeSet(db="16S_ribosomal_RNA", molecule="nucl", count=1, digits=None)

    assert alias_blob(volumes.db, 1, 0, "nucl") == "1shards/16S_ribosomal_RNA_shard_00/16S_ribosomal_RNA_shard_00.nal"
    assert render_alias(volumes, Layout(cuts=(0, 1)), 0, None) == (
        b"TITLE 16S_ribosomal_RNA_shard_00\nDBLIST /blast/blastdb/16S_ribosomal_RNA\n"
    )


def test_an_alias_carries_the_whole_databases_totals():
    layout = Layout(cuts=(0, 9, 18, 27, 29))

    assert render_alias(CORE_NT, layout, 3, WHOLE) == (
        b"TITLE core_nt_shard_03\n"
        b"DBLIST /blast/blastdb/core_nt.27 /blast/blastdb/core_nt.28\n"
        b"NSEQ 125619662\n"
        b"LENGTH 1041443571674\n"
        b"STATS_NSEQ 125619662\n"
        b"STATS_TOTLEN 1041443571674\n"
    )


def test_a_protein_alias_differs_in_its_name_only():
    volumes = VolumeSet(db="nr", molecule="prot", count=4, digits=2)
    whole = Statistics(sequences=20, letters=990, source="index")

    assert alias_blob("nr", 2, 1, "prot") == "2shards/nr_shard_01/nr_shard_01.pal"
    assert render_alias(volumes, Layout(cuts=(0, 2, 4)), 1, whole) == (
        b"TITLE nr_shard_01\nDBLIST /blast/blastdb/nr.02 /blast/blastdb/nr.03\n"
        b"NSEQ 20\nLENGTH 990\nSTATS_NSEQ 20\nSTATS_TOTLEN 990\n"
    )


@given(count=st.integers(1, 120), data=st.data())
def test_law_the_aliases_of_a_shard_set_open_every_volume_once_with_equal_totals(count, data):
    volumes = VolumeSet(db="nt", molecule="nucl", count=count, digits=2)
    layout = split([1] * count, data.draw(st.integers(1, min(count, 32))))

    texts = [render_alias(volumes, layout, index, WHOLE).decode() for index in range(layout.shard_count)]

    opened = [path for text in texts for path in text.splitlines()[1].removeprefix("DBLIST ").split(" ")]
    assert opened == [f"/blast/blastdb/{name}" for name in volumes.names(0, count)]
    totals = ("NSEQ 125619662", "LENGTH 1041443571674", "STATS_NSEQ 125619662", "STATS_TOTLEN 1041443571674")
    assert {tuple(text.splitlines()[2:]) for text in texts} == {totals}
    assert len({text.splitlines()[0] for text in texts}) == layout.shard_count
