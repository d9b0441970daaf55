"""A database's own alias: the same volumes, totals and limits as BLAST takes from it, whatever its text looks like."""

import contextlib
from subprocess import run

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.alias_file import ALIAS_LIMIT_BYTES, AliasFile, parse_alias_file
from shared.errors import Code, Unusable
from tests.blast import entries, fasta, info, makeblastdb

AS_BLAST = {
    "plain": b"TITLE t\nDBLIST db.00 db.01\n",
    "quoted": b'TITLE t\nDBLIST "db.00" db.01\n',
    "quotes_without_blanks": b'TITLE t\nDBLIST "db.00""db.01"db.02\n',
    "open_quote": b'TITLE t\nDBLIST db.00 "db.01\n',
    "crlf": b"TITLE t\r\nDBLIST db.00 db.01 \r\n",
    "cr": b"TITLE t\rDBLIST db.00\r",
    "no_last_line_end": b"DBLIST db.00",
    "blanks_and_tabs": b"   TITLE\t t\n DBLIST \t db.00\tdb.01\t \n",
    "leading_tab_hides_a_keyword": b"TITLE t\n\tDBLIST db.00\nDBLIST db.01\n",
    "last_of_repeated": b"TITLE t\nDBLIST db.00 db.01\nTITLE u\nDBLIST db.02\n",
    "comments": b"#\n# Alias file\n  # DBLIST db.00\nTITLE t\n#DBLIST db.01\nDBLIST db.02\n",
    "hash_within_a_title": b"TITLE t # 1\nDBLIST db.00\n",
    "lower_case_says_nothing": b"title t\nDBLIST db.00\ndblist db.01\nnseq 5\ngilist x\n",
    "unknown_says_nothing": b"TITLE t\nCOLOUR red\nDBLIST db.00\n",
    "twice_the_same": b"TITLE t\nDBLIST db.00 ./db.01 db.00\n",
    "counts": b"TITLE t\nNSEQ 500\nLENGTH 7000000000\nSTATS_NSEQ 1\nSTATS_TOTLEN 2\nDBLIST db.00\n",
    "first_and_last": b"TITLE t\nDBLIST db.00 db.01\nFIRST_OID 2\nLAST_OID 3\n",
    "first": b"TITLE t\nDBLIST db.00 db.01\nFIRST_OID 3\n",
    "last": b"TITLE t\nDBLIST db.00 db.01\nLAST_OID 1\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A database of seven volumes with three sequences each."""
    made = makeblastdb(tmp_path_factory.mktemp("aliases"), fasta(7 * 3, length=4000), "-max_file_sz", "3200B", "-parse_seqids")
    assert len(info(made)[2]) == 7
    return made


@pytest.mark.parametrize("name", AS_BLAST)
def test_an_alias_names_the_volumes_and_totals_that_blast_takes_from_it(folder, name):
    (folder / "x.nal").write_bytes(AS_BLAST[name])
    told = parse_alias_file("x.nal", AS_BLAST[name])
    sequences, letters, volumes = info(folder, "x")
    counted = [info(folder, volume)[:2] for volume in volumes]

    assert list(told.names) == volumes
    assert (told.sequences or sum(pair[0] for pair in counted)) == sequences
    assert (told.letters or sum(pair[1] for pair in counted)) == letters
    assert told.is_limited == (entries(folder, "x") < sum(pair[0] for pair in counted))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"TITLE t\n",
        b"DBLIST\n",
        b"DBLIST   \n",
        b'DBLIST "" \n',
        b"dblist db.00\n",
        b"#DBLIST db.00\n",
        b"DBLIST db.00\nLENGTH 1,000\n",
        b"DBLIST db.00\nLENGTH many\n",
        b"DBLIST db.00\nLENGTH -1\n",
    ],
)
def test_what_blast_cannot_open_is_refused(folder, text):
    (folder / "x.nal").write_bytes(text)
    with pytest.raises(Unusable) as caught:
        parse_alias_file("x.nal", text)

    assert caught.value.problem.code is Code.UNREADABLE_PAPERS
    assert caught.value.problem.target == "x.nal"
    assert info(folder, "x") is None


def test_an_alias_of_aliases_names_them(folder):
    (folder / "x.nal").write_bytes(b"TITLE t\nDBLIST db y\n")
    (folder / "y.nal").write_bytes(b"TITLE y\nDBLIST db.00\n")

    assert parse_alias_file("x.nal", (folder / "x.nal").read_bytes()).names == ("db", "y")
    assert info(folder, "x")[0] == 7 * 3 + 3


def test_folders_of_names_are_left_out():
    assert parse_alias_file("x.nal", b'DBLIST /data/db.00 ..\\old\\db.01 "/my data/db.02" sub/db.02 .\n').names == (
        "db.00",
        "db.01",
        "db.02",
        ".",
    )


def test_every_keyword_is_read():
    told = parse_alias_file(
        "nt.nal",
        b"TITLE Nucleotide collection (nt)\nDBLIST nt.00\nNSEQ 1\nLENGTH 2\nSTATS_NSEQ 3\nSTATS_TOTLEN 4\n"
        b"MASKLIST a b\nGILIST g\nTILIST t\nSEQIDLIST s\nTAXIDLIST x\nOIDLIST o\nFIRST_OID 1\nLAST_OID 2\nMEMB_BIT 1\n",
    )

    assert told == AliasFile(
        title="Nucleotide collection (nt)",
        names=("nt.00",),
        sequences=1,
        letters=2,
        stats_sequences=3,
        stats_letters=4,
        limits=("GILIST", "TILIST", "SEQIDLIST", "TAXIDLIST", "OIDLIST", "FIRST_OID", "LAST_OID", "MEMB_BIT"),
        masks=("a", "b"),
    )


@pytest.mark.parametrize("key", ["GILIST", "SEQIDLIST", "TAXIDLIST", "OIDLIST", "FIRST_OID", "LAST_OID", "MEMB_BIT", "TILIST"])
def test_each_list_and_range_limits(key):
    assert parse_alias_file("x.nal", f"DBLIST x.00\n{key} 2\n".encode()).limits == (key,)


def test_masks_limit_nothing():
    assert not parse_alias_file("x.nal", b"DBLIST x.00\nMASKLIST m\n").is_limited


def test_a_list_by_blasts_own_tool_limits(folder):
    (folder / "ids").write_text("s1\ns5\n")
    options = ["-seqidlist", "ids", "-db", "db", "-dbtype", "nucl", "-out", "few", "-title", "few"]
    run(["blastdb_aliastool", *options], cwd=folder, check=True, capture_output=True)
    told = parse_alias_file("few.nal", (folder / "few.nal").read_bytes())

    assert (told.names, told.limits) == (("db",), ("SEQIDLIST",))
    assert entries(folder, "few") == 2


def test_an_alias_of_a_thousand_volumes_by_long_paths_is_read_and_one_beyond_every_alias_is_refused():
    names = " ".join(f'"/{"p" * 200}/{"n" * 64}.{number:02d}"' for number in range(1024))

    assert len(parse_alias_file("x.nal", f"TITLE {'t' * 11_000}\nDBLIST {names}\n".encode()).names) == 1024
    with pytest.raises(Unusable, match="more than 1024 KiB"):
        parse_alias_file("x.nal", b"DBLIST x.00\n".ljust(ALIAS_LIMIT_BYTES + 1, b"#"))


@given(st.binary(max_size=300))
def test_law_arbitrary_bytes_are_an_alias_or_refused(text):
    with contextlib.suppress(Unusable):
        assert parse_alias_file("x.nal", b"DBLIST " + text).names
    with contextlib.suppress(Unusable):
        parse_alias_file("x.nal", text)


@given(
    names=st.lists(st.text("abcxyz0123456789._-", min_size=1, max_size=8), min_size=1, max_size=6, unique=True),
    end=st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    quote=st.booleans(),
)
def test_law_names_are_read_as_written(names, end, quote):
    written = " ".join(f'"{name}"' if quote else name for name in names)

    assert parse_alias_file("x.nal", f"TITLE t{end}DBLIST {written}{end}".encode()).names == tuple(names)
