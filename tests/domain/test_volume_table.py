"""The volume table in `.ndb`/`.pdb`: the same as BLAST's, in few reads, and a clear refusal of whatever is damaged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.lmdb_pages import FIRST_READ_BYTES
from shared.blastdb.reading import read_with
from shared.blastdb.volume_table import VolumeTable, volume_table
from shared.errors import Code, Unusable
from tests.blast import fasta, info, makeblastdb
from tests.volume_tables import volume_table_file

SEVEN = [(f"db.{number:02d}", 10 + number) for number in range(7)]


class Stored:
    """A file that is read by spans, and counts them."""

    def __init__(self, content, size=None):
        self.content = content
        self.size = len(content) if size is None else size
        self.spans = []

    def fetch(self, span):
        self.spans.append(span)
        return self.content[span.offset : span.offset + span.size_bytes]

    def table(self):
        return read_with(volume_table("db.ndb", self.size), self.fetch)

    def refused(self):
        with pytest.raises(Unusable) as caught:
            self.table()
        assert caught.value.problem.code is Code.UNREADABLE_PAPERS
        assert caught.value.problem.target == "db.ndb"
        return caught.value.problem.message


def put(content, at, value, size):
    return content[:at] + value.to_bytes(size, "little") + content[at + size :]


def heads(folder, letter):
    """Each volume's name and number of sequences, by its index file."""
    found = []
    for path in folder.glob(f"db*.{letter}in"):
        head = path.read_bytes()
        at = 12
        for _ in range(3):
            at += 4 + int.from_bytes(head[at : at + 4], "big")
        found.append((path.name.rpartition(".")[0], int.from_bytes(head[at : at + 4], "big")))
    return sorted(found, key=lambda pair: (len(pair[0]), pair[0]))


# Against BLAST+


@pytest.mark.parametrize("options", [(), ("-parse_seqids",)], ids=["plain", "parsed"])
@pytest.mark.parametrize(("sequences", "molecule"), [(1, "nucl"), (7, "nucl"), (12, "prot"), (120, "nucl")])
def test_the_table_of_a_real_database_names_its_volumes_and_counts_their_sequences(tmp_path, sequences, molecule, options):
    folder = makeblastdb(tmp_path, fasta(sequences, molecule=molecule), "-max_file_sz", "1B", *options)
    stored = Stored((folder / f"db.{molecule[0]}db").read_bytes())
    table = stored.table()

    assert [tuple(row) for row in table.rows] == heads(folder, molecule[0])
    assert sorted(table.names) == sorted(info(folder, molecule=molecule)[2])
    assert len(stored.spans) == 1


def test_the_table_of_a_database_with_many_accessions_takes_as_few_reads(tmp_path):
    folder = makeblastdb(
        tmp_path, fasta(3000, length=1, name="accession_number_{:06d}".format), "-parse_seqids", "-max_file_sz", "4KB"
    )
    stored = Stored((folder / "db.ndb").read_bytes())

    assert [tuple(row) for row in stored.table().rows] == heads(folder, "n")
    assert stored.size > FIRST_READ_BYTES
    assert len(stored.spans) <= 3


def test_blast_itself_reads_the_tables_that_these_tests_write_and_refuses_more_volumes_than_they_name(tmp_path):
    folder = makeblastdb(tmp_path, fasta(7), "-max_file_sz", "1B")
    rows = heads(folder, "n")
    (folder / "db.ndb").write_bytes(volume_table_file(rows))
    assert info(folder)[2] == [name for name, _ in rows]

    (folder / "db.ndb").write_bytes(volume_table_file(rows[:-1]))
    assert info(folder) is None


# Shapes that makeblastdb writes for large databases and on other machines


@pytest.mark.parametrize("page_size", [4096, 16384, 32768])
@pytest.mark.parametrize("transaction", [1, 2, 77])
@pytest.mark.parametrize("before", [0, 500])
def test_the_table_is_found_at_any_page_size_transaction_and_place(page_size, transaction, before):
    stored = Stored(volume_table_file(SEVEN, page_size=page_size, transaction=transaction, before=before))

    assert [tuple(row) for row in stored.table().rows] == SEVEN
    assert len(stored.spans) <= 4


def test_a_table_of_a_thousand_volumes_with_long_names_is_read_whole():
    rows = [(f"{'x' * 64}.{number:02d}", number) for number in range(1000)]
    stored = Stored(volume_table_file(rows, before=200))
    table = stored.table()

    assert [tuple(row) for row in table.rows] == rows
    assert table.sequences == sum(range(1000))
    assert len(stored.spans) <= 6


def test_a_table_without_volumes_is_one():
    assert Stored(volume_table_file([])).table() == VolumeTable(rows=())


# Damage


@pytest.mark.parametrize("content", [b"", b"lmdb", bytes(100), bytes(FIRST_READ_BYTES), b"<html>" * 10_000], ids=len)
def test_what_is_no_lmdb_file_is_refused(content):
    assert "'db.ndb' does not tell which volumes there are" in Stored(content).refused()


@pytest.mark.parametrize("size", [150, 4096, 8192, 12_288, 20_479])
def test_a_file_that_is_cut_short_is_refused(size):
    Stored(volume_table_file(SEVEN)[:size]).refused()
    assert "it ends" in Stored(volume_table_file(SEVEN)[:size], size=20_480).refused()


def test_a_file_that_lost_its_end_is_refused():
    content = volume_table_file(SEVEN, before=100)

    assert "ends before its page" in Stored(content[:FIRST_READ_BYTES]).refused()


@pytest.mark.parametrize("tables", [("volinfo",), ("volname",)])
def test_a_file_without_one_of_the_tables_is_refused(tables):
    assert "has no table" in Stored(volume_table_file(SEVEN, tables=tables)).refused()


MAIN, TABLE = 4096 + 16 + 24 + 48, 4096 * 2


@pytest.mark.parametrize(
    ("at", "value", "size", "words"),
    [
        (4096 + 16, 7, 4, "not an LMDB file"),
        (20, 2, 4, "format version is 2"),
        (16 + 24, 1000, 4, "page size"),
        (MAIN + 6, 0, 2, "depth"),
        (MAIN + 6, 60_000, 2, "depth"),
        (MAIN + 6, 2, 2, "another kind"),
        (MAIN + 32, 2**62, 8, "at most 64"),
        (MAIN + 32, 5, 8, "counts 5 records and has 2"),
        (MAIN + 40, 2**63, 8, "ends before its page"),
        (MAIN + 40, 2, 8, "has no table|counts 2 records and has 7"),
        (TABLE, 9, 8, "another page's number"),
        (TABLE + 12, 65_535, 2, "another kind"),
        (TABLE + 16, 0, 2, "outside its page"),
        (TABLE + 16, 4095, 2, "outside its page"),
    ],
)
def test_a_value_that_leads_astray_is_refused(at, value, size, words):
    content = volume_table_file(SEVEN)
    changed = put(content, at, value, size)

    assert changed != content
    with pytest.raises(Unusable, match=words):
        Stored(changed).table()


def test_a_tree_that_leads_back_to_itself_is_refused():
    rows = [(f"{'x' * 64}.{number:02d}", number) for number in range(1000)]
    content = volume_table_file(rows)
    root = max(at for at in range(0, len(content), 4096) if content[at + 10] == 1)
    first = int.from_bytes(content[root + 16 : root + 18], "little") + root
    leaf = int.from_bytes(content[first : first + 2], "little")
    second = int.from_bytes(content[root + 18 : root + 20], "little") + root

    assert "circles" in Stored(put(content, second, leaf, 2)).refused()


@given(at=st.integers(0, 20_479), byte=st.integers(0, 255))
def test_law_one_changed_byte_gives_a_table_or_a_refusal(at, byte):
    content = bytearray(volume_table_file(SEVEN))
    content[at] = byte
    terminates(bytes(content))


PLACES = st.one_of(st.integers(0, 200), st.integers(4096, 4300), st.integers(8192, 8500), st.integers(20_000, 20_479))


@given(changes=st.lists(st.tuples(PLACES, st.binary(min_size=1, max_size=8)), max_size=6), size=st.sampled_from([20_480, 2**40]))
def test_law_mutated_bytes_give_a_table_or_a_refusal_after_bounded_reads(changes, size):
    content = bytearray(volume_table_file(SEVEN))
    for at, value in changes:
        content[at : at + len(value)] = value
    terminates(bytes(content), size)


@given(content=st.binary(max_size=400), size=st.integers(0, 2**63))
def test_law_arbitrary_bytes_are_refused(content, size):
    Stored(content, size).refused()


def terminates(content, size=None):
    stored = Stored(content, size)
    try:
        table = stored.table()
    except Unusable as error:
        assert error.problem.code is Code.UNREADABLE_PAPERS  # noqa: PT017 - a table is as good
    else:
        assert len(table.rows) <= 4096
    assert len(stored.spans) <= 64
    assert all(span.size_bytes <= FIRST_READ_BYTES for span in stored.spans)
