"""Files of databases in folders that are not theirs: found by BLAST's own names, and told with the place and the remedy."""

import pytest

from shared.blastdb.misplaced import Misplaced, elsewhere, misplaced, no_database
from tests.builders import database

OTHER = [name.replace("viruses.fasta/", "viruses/") for name in database("viruses.fasta", None)]
SNAPSHOT = [name.replace("nt/", "2026-05-09/") for name in database("nt", 2)]


@pytest.mark.parametrize(
    ("folder", "names", "found"),
    [
        ("viruses", OTHER, [("viruses", "viruses.fasta")]),
        ("2026-05-09", SNAPSHOT, [("2026-05-09", "nt")]),
        ("old", [f"old/{name}" for name in SNAPSHOT], [("old/2026-05-09", "nt")]),
        ("nt", [f"nt/{name}" for name in SNAPSHOT], [("nt/2026-05-09", "nt")]),
        ("two", ["two/a.psq", "two/b.00.nin"], [("two", "a"), ("two", "b")]),
        ("nt", ["nt/nt.00.nsq", "nt/nt_euk.00.nsq"], [("nt", "nt_euk")]),
        ("sub", ["sub/x.nal", "sub/x.njs"], [("sub", "x")]),
        ("", ["nt.00.nsq", "readme.txt", "nt-nucl-metadata.json"], [("", "nt")]),
    ],
)
def test_databases_in_a_folder_of_another_name_are_found(folder, names, found):
    assert misplaced(folder, names) == tuple(Misplaced(*one) for one in found)


@pytest.mark.parametrize(
    "names",
    [
        [*database("nt", 2), "nt/taxdb.btd", "nt/nt.fasta", "nt/nt-nucl-metadata.json"],
        ["nt/.staging/v2/nt.00.nsq", "nt/.staging/v2/plan.json"],
        ["nt/thesis.aux", "nt/x.freq", "nt/readme.txt", "nt/x.njs", "nt/archive.tar.gz", "nt/nsq"],
        ["nt2/x.00.nsq"],
        [],
    ],
    ids=["its own", "staged", "other programs'", "another folder's", "nothing"],
)
def test_nothing_else_counts(names):
    assert misplaced("nt", names) == ()


def test_a_folder_says_what_it_holds_and_where_that_belongs():
    said = no_database("viruses", misplaced("viruses", OTHER))

    assert "no database 'viruses': 'viruses/' holds the files of 'viruses.fasta'" in said
    assert "Move them to 'viruses.fasta/'" in said
    assert "viruses.fasta/viruses.fasta.*" in said


def test_many_databases_are_counted():
    said = no_database("mine", [Misplaced("mine", name) for name in "abcde"])

    assert "'a', 'b', 'c' and 2 more" in said


def test_a_database_says_where_its_files_are():
    assert "its files are in '2026-05-09/'. Move them to 'nt/'" in elsewhere(Misplaced("2026-05-09", "nt"))
    assert "its files are in the container's root" in elsewhere(Misplaced("", "nt"))


@pytest.mark.parametrize("name", ["x_shard_00", "10shards", "x" * 65])
def test_nobody_is_advised_to_use_a_name_that_is_refused(name):
    said = no_database("mine", [Misplaced("mine", name)])

    assert "make it again under another name" in said
    assert "Move" not in said
