"""When an upload is complete: what BLAST requires of every volume, and whatever the database's own papers list."""

import json
from collections import Counter
from subprocess import run

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.completeness import Papers, parse_papers, refuse_halves, refuse_incomplete
from shared.blastdb.volumes import ListedFile, take_inventory
from shared.errors import Code, Unusable
from tests.blast import fasta, makeblastdb
from tests.builders import database


def inventory(db="nt", volumes=3, *, without=(), more=(), molecule="nucl"):
    leaves = [name.partition("/")[2] for name in database(db, volumes, molecule=molecule)]
    kept = [leaf for leaf in [*leaves, *more] if leaf not in without]
    return take_inventory(db, [ListedFile(leaf, 10, "f") for leaf in kept])


def papers(**fields):
    return parse_papers("nt/nt.njs", json.dumps({name.replace("_", "-"): value for name, value in fields.items()}).encode())


def refused(found, told=None):
    with pytest.raises(Unusable) as caught:
        refuse_incomplete(found, told)
    return caught.value.problem


@pytest.mark.parametrize("volumes", [None, 1, 3, 100])
@pytest.mark.parametrize("molecule", ["nucl", "prot"])
def test_database_with_all_of_its_files_is_complete(volumes, molecule):
    refuse_incomplete(inventory(volumes=volumes, molecule=molecule), None)
    refuse_incomplete(inventory(volumes=volumes, molecule=molecule), papers(number_of_volumes=volumes or 1))


@given(st.integers(1, 12), st.data())
def test_every_single_companion_of_a_volume_is_missed(volumes, data):
    missing = f"nt.{data.draw(st.integers(0, volumes - 1)):02d}.{data.draw(st.sampled_from(['nin', 'nhr']))}"
    problem = refused(inventory(volumes=volumes, without=(missing,)))

    assert problem.code is Code.UPLOAD_INCOMPLETE
    assert missing in problem.message


def test_single_volume_that_bears_the_databases_name_lacks_its_companions_like_any_other():
    assert "nt.nin" in refused(inventory(volumes=None, without=("nt.nin",))).message


def test_what_one_volume_has_no_other_must_have_unless_a_list_says_so():
    found = inventory(more=("nt.00.nog", "nt.01.naa", "nt.01.nab", "nt.01.nac", "nt.02.nnd", "nt.02.nni"))

    refuse_incomplete(found, None)
    assert "nt.01.nog" in refused(found, papers(files=["nt.00.nsq", "nt.00.nog", "nt.01.nog"])).message


def masked(number):
    """Lower-case letters, which are masks, and a GI, in the first third of the sequences."""
    return f"gi|{1000 + number}|gb|AB{100000 + number}.1|" if number < 4 else f"gb|AB{100000 + number}.1|"


def test_real_database_with_masks_and_identifiers_in_some_of_its_volumes_is_complete(tmp_path):
    lines = fasta(12, length=200, name=masked).splitlines()
    (tmp_path / "soft").write_text("\n".join(line.lower() if 0 < at < 8 and at % 2 else line for at, line in enumerate(lines)))
    convert = ["convert2blastmask", "-in", "soft", "-masking_algorithm", "repeat", "-masking_options", "o", "-out", "masks"]
    run([*convert, "-outfmt", "maskinfo_asn1_bin", "-parse_seqids"], cwd=tmp_path, check=True, capture_output=True)
    options = ("-parse_seqids", "-mask_data", tmp_path / "masks", "-max_file_sz", "1B")
    made = makeblastdb(tmp_path, "\n".join(lines), *options, molecule="nucl")
    found = take_inventory("db", [ListedFile(path.name, path.stat().st_size, "f") for path in made.iterdir()])
    kinds = Counter(file.leaf.rpartition(".")[2] for file in found.files)

    assert (found.volumes.count, kinds["naa"], kinds["nnd"]) == (12, 4, 4)
    refuse_incomplete(found, None)
    refuse_halves(found)


def test_half_a_volume_is_refused_whatever_papers_may_say_and_nothing_beyond_that():
    refuse_halves(inventory(more=("nt.00.nog",)))
    with pytest.raises(Unusable, match=r"lacks nt\.01\.nhr"):
        refuse_halves(inventory(without=("nt.01.nhr",)))


def test_single_volumes_database_files_are_no_companions():
    refuse_incomplete(inventory(volumes=None, more=("nt.nos", "nt.njs")), None)


@pytest.mark.parametrize("place", ["", "s3://ncbi-blast-databases/2026-01-01-01-05-02/", "https://host/x/"])
def test_listed_files_must_be_there_however_they_are_named(place):
    told = papers(files=[f"{place}nt.00.nsq", f"{place}nt.ntf"])

    assert "nt.ntf" in refused(inventory(), told).message
    refuse_incomplete(inventory(more=("nt.ntf",)), told)


def test_listed_archives_and_files_of_others_say_nothing():
    refuse_incomplete(
        inventory(), papers(files=["ftp://ftp.ncbi.nlm.nih.gov/blast/db/nt.00.tar.gz", "taxdb.btd", "nt_euk.00.nsq"])
    )


@pytest.mark.parametrize(("counted", "code"), [(2, Code.GHOST_VOLUMES), (4, Code.VOLUMES_MISSING)])
def test_other_number_of_volumes_than_the_papers_count_is_refused(counted, code):
    assert refused(inventory(), papers(number_of_volumes=counted)).code is code


def test_many_missing_files_are_counted_and_not_all_named():
    missing = tuple(f"nt.{number:02d}.nin" for number in range(40))
    message = refused(inventory(volumes=40, without=missing)).message

    assert "and 35 more" in message
    assert len(message) < 300


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"number-of-volumes": "many"}', b'{"files": 3}'])
def test_damaged_papers_are_refused(text):
    with pytest.raises(Unusable) as caught:
        parse_papers("nt/nt.njs", text)

    assert caught.value.problem.code is Code.UNREADABLE_STATISTICS
    assert caught.value.problem.target == "nt/nt.njs"


def test_papers_without_numbers_say_nothing():
    assert papers(number_of_volumes=0) == Papers.model_validate({})
