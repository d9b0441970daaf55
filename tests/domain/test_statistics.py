"""A database's totals, from its statistics file and from index headers, and that nothing damaged passes for a number.

`golden/*.head` are index files that makeblastdb wrote: nucl_v5 of 30 sequences with 3,435 letters, prot_v5 and prot_v4 of
20 sequences with 990 letters.
"""

import contextlib
import json
import random
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.statistics import (
    INDEX_HEAD_BYTES,
    Statistics,
    VolumeTotals,
    add_up,
    parse_index_head,
    parse_statistics_file,
)
from shared.errors import Code, Unusable

GOLDEN = Path(__file__).parent / "golden"
HEADS = {("nucl_v5", "nucl"): (30, 3435), ("prot_v5", "prot"): (20, 990), ("prot_v4", "prot"): (20, 990)}


def head(name):
    return (GOLDEN / f"{name}.head").read_bytes()[:INDEX_HEAD_BYTES]


# The statistics file


def njs(**changed):
    known = {
        "dbname": "core_nt",
        "version": "1.2",
        "dbtype": "Nucleotide",
        "number-of-letters": 1041443571674,
        "number-of-sequences": 125619662,
        "number-of-volumes": 83,
        "bytes-to-cache": 263405000000,
        "bytes-total": 292365689731,
        "files": ["core_nt.00.nsq"],
    }
    return json.dumps({**known, **{name.replace("_", "-"): value for name, value in changed.items()}}).encode()


def test_a_statistics_file_gives_totals_and_the_number_of_volumes():
    told = parse_statistics_file("core_nt", njs())

    assert told.volumes == 83
    assert told.statistics() == Statistics(
        sequences=125619662,
        letters=1041443571674,
        source="njs",
        bytes_to_cache=263405000000,
        bytes_total=292365689731,
    )


@pytest.mark.parametrize("nothing", [0, None])
@pytest.mark.parametrize("field", ["number_of_letters", "number_of_sequences"])
def test_totals_are_unknown_when_one_that_decides_e_values_is_not_counted(field, nothing):
    told = parse_statistics_file("core_nt", njs(**{field: nothing}))

    assert told.statistics() is None
    assert told.volumes == 83


@pytest.mark.parametrize("field", ["number_of_volumes", "bytes_to_cache", "bytes_total"])
def test_a_zero_in_any_other_field_counts_as_absent(field):
    told = parse_statistics_file("core_nt", njs(**{field: 0}))

    assert getattr(told, field.replace("number_of_", "")) is None
    assert told.statistics() is not None


def test_an_empty_object_knows_nothing_and_is_not_damaged():
    told = parse_statistics_file("core_nt", b"{}")

    assert (told.volumes, told.statistics()) == (None, None)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"83",
        b"\xff\xfe{}",
        njs()[:-20],
        njs(number_of_volumes=-1),
        njs(number_of_letters="many"),
        njs(number_of_sequences=1.5),
        njs(number_of_volumes=[83]),
        njs() + njs(),
        b"[" * 100_000,
    ],
)
def test_a_damaged_statistics_file_is_refused_and_never_taken_for_a_missing_one(text):
    with pytest.raises(Unusable) as caught:
        parse_statistics_file("core_nt", text)

    assert caught.value.problem.code is Code.UNREADABLE_STATISTICS
    assert caught.value.problem.target == "core_nt"


@given(st.binary(max_size=200))
def test_law_arbitrary_bytes_are_a_statistics_file_or_refused(text):
    with contextlib.suppress(Unusable):
        parse_statistics_file("x", text).statistics()


# Index headers


@pytest.mark.parametrize(("name", "molecule"), HEADS)
def test_a_header_written_by_blast_gives_its_totals(name, molecule):
    assert parse_index_head(head(name), molecule) == HEADS[name, molecule]


@pytest.mark.parametrize(("name", "molecule"), HEADS)
def test_a_header_of_the_other_molecule_type_is_not_one(name, molecule):
    other = "prot" if molecule == "nucl" else "nucl"

    assert parse_index_head(head(name), other) is None


@pytest.mark.parametrize(("name", "molecule"), HEADS)
def test_a_header_that_ends_too_soon_is_not_one(name, molecule):
    whole = head(name)
    shortest = next(size for size in range(len(whole)) if parse_index_head(whole[:size], molecule) is not None)

    assert all(parse_index_head(whole[:size], molecule) is None for size in range(shortest))
    assert all(parse_index_head(whole[:size], molecule) == HEADS[name, molecule] for size in range(shortest, len(whole)))


@pytest.mark.parametrize("version", [0, 3, 6, 5 << 24])
def test_a_header_of_an_unknown_version_is_not_one(version):
    assert parse_index_head(version.to_bytes(4, "big") + head("nucl_v5")[4:], "nucl") is None


def test_letters_beyond_four_gibi_are_read():
    letters = 1041443571674
    start = head("nucl_v5").index((3435).to_bytes(8, "little"))
    large = head("nucl_v5")[:start] + letters.to_bytes(8, "little") + head("nucl_v5")[start + 8 :]

    assert parse_index_head(large, "nucl") == (30, letters)


def test_a_header_that_counts_less_than_nothing_is_not_one():
    start = head("nucl_v5").index((3435).to_bytes(8, "little"))
    fewer_letters = head("nucl_v5")[:start] + (-1).to_bytes(8, "little", signed=True)
    fewer_sequences = head("nucl_v5")[: start - 4] + (-1).to_bytes(4, "big", signed=True) + head("nucl_v5")[start:]

    assert parse_index_head(fewer_letters, "nucl") is None
    assert parse_index_head(fewer_sequences, "nucl") is None


@given(prefix=st.sampled_from([b"", *(head(name)[:12] for name, _ in HEADS)]), rest=st.binary(max_size=300))
def test_law_arbitrary_bytes_never_raise_as_a_header(prefix, rest):
    for molecule in ("nucl", "prot"):
        totals = parse_index_head(prefix + rest, molecule)
        summed = add_up([totals, VolumeTotals(1, 1)])
        assert (totals is None) == (summed is None)


@given(at=st.integers(0, 99), byte=st.integers(0, 255))
def test_law_one_changed_byte_never_raises(at, byte):
    damaged = bytearray(head("nucl_v5"))
    damaged[at] = byte

    add_up([parse_index_head(bytes(damaged), "nucl")])


def test_totals_are_the_sum_of_all_volumes():
    assert add_up([VolumeTotals(2, 30), VolumeTotals(0, 0), VolumeTotals(5, 7)]) == Statistics(
        sequences=7, letters=37, source="index"
    )


@pytest.mark.parametrize("volumes", [[], [None], [VolumeTotals(2, 30), None], [VolumeTotals(0, 0)], [VolumeTotals(3, 0)]])
def test_totals_are_unknown_when_one_volume_is_or_nothing_was_counted(volumes):
    assert add_up(volumes) is None


# Against BLAST+


def make_database(folder, molecule, version):
    """A real database of several volumes; returns its base name and its volumes' index files."""
    letters = "ACGT" if molecule == "nucl" else "ACDEFGHIKLMNPQRSTVWY"
    chance = random.Random(version)
    length = 30_000 if molecule == "nucl" else 9_000
    records = [f">s{index} subject\n{''.join(chance.choices(letters, k=length + index))}\n" for index in range(300)]
    (folder / "subjects.fasta").write_text("".join(records))
    options = ["-dbtype", molecule, "-blastdb_version", str(version), "-title", f"A {molecule} database", "-max_file_sz", "1MB"]
    subprocess.run(["makeblastdb", "-in", "subjects.fasta", "-out", "db", *options], cwd=folder, check=True, capture_output=True)
    return sorted(folder.glob(f"db.*.{molecule[0]}in"))


@pytest.mark.parametrize(("molecule", "version"), [("nucl", 5), ("nucl", 4), ("prot", 5), ("prot", 4)])
def test_headers_of_real_volumes_add_up_to_what_blast_itself_reports(tmp_path, molecule, version):
    indices = make_database(tmp_path, molecule, version)
    command = ["blastdbcmd", "-db", "db", "-dbtype", molecule, "-info"]
    report = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    sequences, letters = re.search(r"([\d,]+) sequences; ([\d,]+) total", report).groups()

    statistics = add_up(parse_index_head(index.read_bytes()[:INDEX_HEAD_BYTES], molecule) for index in indices)

    assert len(indices) > 1
    assert statistics == Statistics(
        sequences=int(sequences.replace(",", "")), letters=int(letters.replace(",", "")), source="index"
    )
