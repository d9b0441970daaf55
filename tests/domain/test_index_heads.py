"""Heads of index files: all that they say, however long a title is, and that nothing damaged is taken for one.

`golden/*.head` are index files that makeblastdb wrote; see test_statistics.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.index_heads import (
    INDEX_HEAD_BYTES,
    INDEX_HEAD_LIMIT_BYTES,
    IndexHead,
    NeedsMore,
    index_head,
    read_index_head,
)
from shared.blastdb.reading import Span, read_with, read_with_async
from tests.blast import fasta, info, makeblastdb

GOLDEN = Path(__file__).parent / "golden"
HEADS = ("nucl_v5", "prot_v5", "prot_v4")


class Stored:
    """A file that is read by spans, and remembers them. `ends` is where reads end although the file is longer."""

    def __init__(self, content, ends=None):
        self.content = content
        self.ends = len(content) if ends is None else ends
        self.spans = []

    def fetch(self, span):
        self.spans.append(span)
        return self.content[: self.ends][span.offset : span.offset + span.size_bytes]

    def head(self):
        return read_with(index_head(len(self.content)), self.fetch)


def text(value):
    return len(value).to_bytes(4, "big") + value


def head_with(title):
    return (
        (5).to_bytes(4, "big") + bytes(4) + (3).to_bytes(4, "big") + text(title) + text(b"nt.ndb") + text(b"Nov 30, 2026\0\0")
        + (30).to_bytes(4, "big") + (3435).to_bytes(8, "little") + (99).to_bytes(4, "big")
    )  # fmt: skip


def test_a_head_says_version_molecule_volume_and_the_lmdb_file():
    head = read_index_head(head_with(b"nt"))

    assert head == IndexHead(5, "nucl", 3, "nt", "nt.ndb", "Nov 30, 2026", (30, 3435), 99)


def test_a_head_of_version_4_names_no_lmdb_file_and_no_volume():
    head = read_index_head((GOLDEN / "prot_v4.head").read_bytes())

    assert (head.version, head.molecule, head.volume, head.database_file, head.totals) == (4, "prot", None, None, (20, 990))


@pytest.mark.parametrize("name", HEADS)
def test_a_head_that_ends_too_soon_says_how_many_bytes_it_needs(name):
    whole = (GOLDEN / f"{name}.head").read_bytes()
    head = read_index_head(whole)
    size = 0
    while isinstance(found := read_index_head(whole[:size]), NeedsMore):
        assert size < found.size_bytes <= len(whole)
        size = found.size_bytes

    assert found == head
    assert isinstance(read_index_head(whole[: size - 1]), NeedsMore)


@pytest.mark.parametrize("length", [0, 11_000, INDEX_HEAD_BYTES - 16, INDEX_HEAD_BYTES - 20, 128 * 1024])
def test_a_long_title_costs_a_second_read_and_no_totals(length):
    stored = Stored(head_with(b"t" * length) + bytes(5000))
    head = stored.head()

    assert (len(head.title), head.totals) == (length, (30, 3435))
    assert len(stored.spans) == (1 if length == 0 else 2)
    assert sum(span.size_bytes for span in stored.spans) < length + 2 * INDEX_HEAD_BYTES


async def test_a_reader_is_driven_by_a_fetch_that_is_waited_for():
    stored = Stored(head_with(b"t" * 20_000))

    async def fetch(span):
        return stored.fetch(span)

    assert await read_with_async(index_head(len(stored.content)), fetch) == stored.head()


@pytest.mark.parametrize("length", [INDEX_HEAD_LIMIT_BYTES, 2**31 - 1])
def test_a_length_beyond_every_title_is_no_head_and_nothing_more_is_read(length):
    stored = Stored((5).to_bytes(4, "big") + bytes(8) + length.to_bytes(4, "big") + bytes(2 * INDEX_HEAD_LIMIT_BYTES))

    assert stored.head() is None
    assert stored.spans == [Span(0, INDEX_HEAD_BYTES)]


@pytest.mark.parametrize("ends", [0, 3, 100, INDEX_HEAD_BYTES, 9000])
def test_a_file_that_gives_fewer_bytes_than_it_should_is_no_index(ends):
    assert Stored(head_with(b"t" * 11_000), ends).head() is None


@given(size=st.integers(0, len(head_with(b"")) + 11_899))
def test_law_a_file_cut_short_has_no_head_and_reading_it_ends(size):
    whole = head_with(b"t" * 11_900)
    stored = Stored(whole[:size])

    assert stored.head() is None
    assert len(stored.spans) <= 2


@given(
    start=st.sampled_from([b"", head_with(b"nt")[:12], head_with(b"nt")[:22]]),
    rest=st.binary(max_size=200),
    size=st.integers(0, 2**40),
)
def test_law_arbitrary_bytes_are_a_head_or_none(start, rest, size):
    stored = Stored(start + rest)
    head = read_with(index_head(size), stored.fetch)

    assert head is None or min(head.totals) >= 0
    assert all(span.size_bytes <= INDEX_HEAD_LIMIT_BYTES + 1024 for span in stored.spans)


@given(at=st.integers(0, 99), byte=st.integers(0, 255))
def test_law_one_changed_byte_never_raises(at, byte):
    damaged = bytearray((GOLDEN / "nucl_v5.head").read_bytes())
    damaged[at] = byte

    Stored(bytes(damaged)).head()


@pytest.mark.parametrize(("molecule", "version"), [("nucl", 5), ("nucl", 4), ("prot", 5), ("prot", 4)])
def test_heads_of_real_volumes_with_a_title_of_11_kilobytes_add_up_to_what_blast_reports(tmp_path, molecule, version):
    options = ("-max_file_sz", "1B", "-blastdb_version", version, "-title", "inputs " * 1600)
    folder = makeblastdb(tmp_path, fasta(12, molecule=molecule), *options)
    paths = sorted(folder.glob(f"db.*.{molecule[0]}in"))
    heads = [Stored(path.read_bytes()).head() for path in paths]
    sequences, letters, volumes = info(folder, molecule=molecule)

    assert len(volumes) == len(heads) > 1
    assert (sum(head.totals.sequences for head in heads), sum(head.totals.letters for head in heads)) == (sequences, letters)
    assert {head.version for head in heads} == {version}
    assert [head.volume for head in heads] == (list(range(len(heads))) if version == 5 else [None] * len(heads))
    assert {head.database_file for head in heads} == ({f"db.{molecule[0]}db"} if version == 5 else {None})
