"""Which files are BLAST's, of which database, at which level: the table, and what makeblastdb writes."""

import re
from pathlib import Path

import pytest

from shared.blastdb.extensions import (
    FILE_KINDS,
    TAXONOMY,
    companions,
    databases_among,
    extensions,
    is_file_of,
    is_shared,
    level_of,
    place_of,
    required,
)
from tests.blast import fasta, makeblastdb

NOT_BLASTS = [
    "nt.fasta",
    "nt.fa",
    "nt.fa.gz",
    "nt.zip",
    "nt.tar.gz",
    "nt.00.tar.gz",
    "nt.00.tar.gz.md5",
    "nt.md5",
    "nt.txt",
    "nt.json",
    "nt-nucl-metadata.json",
    "nt-metadata.json",
    "nt.ndb-lock",
    "nt.ntf-lock",
    "nt.NSQ",
    "nt.00.nsq.part",
    "nt..nsq",
    "nt.0a.nsq",
    "nt.nsq ",
    "nt.nib",
    "nt",
    "nt.",
    ".nsq",
]


@pytest.mark.parametrize("leaf", NOT_BLASTS)
def test_what_the_table_does_not_name_is_no_file_of_the_database(leaf):
    assert place_of("nt", leaf) is None
    assert not is_file_of("nt", leaf)
    assert level_of("nt", leaf) is None


@pytest.mark.parametrize(
    ("leaf", "level", "number"),
    [
        ("nt.nsq", "volume", None),
        ("nt.00.nsq", "volume", "00"),
        ("nt.100.naa", "volume", "100"),
        ("nt.7.phr", "volume", "7"),
        ("nt.ndb", "database", None),
        ("nt.nal", "database", None),
        ("nt.pjs", "database", None),
        ("nt.wcounts", "volume", None),
    ],
)
def test_a_file_is_of_a_volume_or_of_the_whole_database(leaf, level, number):
    place = place_of("nt", leaf)

    assert (place.kind.level, place.number, place.kind.extension) == (level, number, leaf.rpartition(".")[2])


@pytest.mark.parametrize(
    "leaf", ["nt_euk.nal", "core_nt.00.nsq", "ntx.nsq", "nt.00.ndb", "nt.10.nal", "nt.fasta.nsq", "nt.v5.00.nsq"]
)
def test_files_of_another_database_are_not_this_ones(leaf):
    assert not is_file_of("nt", leaf)


def test_a_name_with_dots_is_taken_as_it_is():
    assert place_of("release.10", "release.10.nsq").number is None
    assert place_of("release.10", "release.10.03.nsq").number == "03"
    assert place_of("release", "release.10.nsq").number == "10"
    assert place_of("a+b", "aab.nsq") is None


@pytest.mark.parametrize("leaf", ["taxdb.btd", "taxdb.bti", "taxonomy4blast.sqlite3"])
def test_taxonomy_belongs_to_no_database_and_is_shared_by_all(leaf):
    assert is_shared(leaf)
    assert level_of("nt", leaf) == "shared"


def test_every_extension_stands_once_in_the_table():
    named = [kind.extension for kind in FILE_KINDS]

    assert len(named) == len(set(named))
    assert all(kind.what for kind in FILE_KINDS)


@pytest.mark.parametrize(("molecule", "letter"), [("nucl", "n"), ("prot", "p")])
def test_blast_requires_index_headers_and_sequences_of_each_volume_and_in_version_5_the_volume_table(molecule, letter):
    assert required(molecule, "volume") == (f"{letter}in", f"{letter}hr", f"{letter}sq")
    assert required(molecule, "database") == (f"{letter}db",)
    assert required(molecule, "database", 4) == ()


def test_accession_indices_of_volumes_are_version_4s_and_those_of_the_database_version_5s():
    assert {"nsi", "nsd"} <= set(extensions("nucl", "volume", 4)) - set(extensions("nucl", "volume", 5))
    assert {"ndb", "nos", "not", "ntf", "nto"} == set(extensions("nucl", "database", 5)) - set(extensions("nucl", "database", 4))


def test_every_node_needs_what_a_database_has_once_except_its_alias():
    assert companions("nucl") == ("ndb", "nos", "not", "ntf", "nto", "njs")
    assert companions("prot") == ("pdb", "pos", "pot", "ptf", "pto", "pjs")


@pytest.mark.parametrize(
    ("leaves", "databases"),
    [
        (["nt.00.nsq", "nt.nal", "nt.ndb", "taxdb.btd", "nt.fasta"], ("nt",)),
        (["viruses.fasta.nsq", "viruses.fasta.ndb", "viruses.fasta"], ("viruses.fasta",)),
        (["release.10.nsq", "release.10.ndb", "release.00.nsq", "release.ndb"], ("release", "release.10")),
        (["release.10.nsq", "release.10.nin"], ("release",)),
        (["notes.txt", "x.fasta", "x.zip", "taxonomy4blast.sqlite3"], ()),
        (["nt_euk.nal", "nt.nal"], ("nt", "nt_euk")),
    ],
)
def test_a_folder_tells_whose_files_are_in_it(leaves, databases):
    assert databases_among(leaves) == databases


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("molecule", ["nucl", "prot"])
@pytest.mark.parametrize("sizes", [(), ("-max_file_sz", "1B")], ids=["one", "many"])
def test_every_file_that_makeblastdb_writes_is_in_the_table_at_its_level_and_version(tmp_path, molecule, version, sizes):
    folder = makeblastdb(
        tmp_path, fasta(3, molecule=molecule), "-parse_seqids", "-hash_index", "-blastdb_version", version, *sizes
    )
    places = {path.name: place_of("db", path.name) for path in folder.iterdir()}
    levels = {
        level: {place.kind.extension for place in places.values() if place.kind.level == level}
        for level in ("volume", "database")
    }

    assert databases_among(places) == ("db",)
    for level, found in levels.items():
        assert set(required(molecule, level, version)) <= found <= set(extensions(molecule, level, version))


def test_the_documentation_has_every_file_of_the_table_and_no_other():
    text = (Path(__file__).parents[2] / "docs/blast.md").read_text().partition("## Files")[2].partition("## Papers")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| `")]
    told = {
        name: (level, versions, required == "yes", what)
        for names, level, versions, required, what in rows
        for name in re.findall(r"`\.?([^`]+)`", names)
    }
    table = {kind.extension: (kind.level, ", ".join(map(str, kind.versions)), kind.required, kind.what) for kind in FILE_KINDS}

    assert {name: row for name, row in told.items() if not is_shared(name)} == table
    assert {name for name in told if is_shared(name)} == {leaf for group in TAXONOMY for leaf in group}
