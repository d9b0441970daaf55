"""From one listing to the volumes of a database, or to the reason why it is refused (contract 1.3, 12.4, 13.5)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.volumes import MAX_VOLUMES, ListedFile, VolumeSet, molecule_of, refuse_other_count, take_inventory
from shared.errors import Code, NotFound, Unusable


def files(*leaves, size=1):
    return [ListedFile(leaf, size, f"etag of {leaf}") for leaf in leaves]


def volume(base, molecule="nucl"):
    """The files that belong to one volume."""
    first = molecule[0]
    return files(f"{base}.{first}hr", f"{base}.{first}in", f"{base}.{first}sq")


def database(db, numbers, molecule="nucl"):
    """The files of a database with numbered volumes."""
    volumes = [file for number in numbers for file in volume(f"{db}.{number}", molecule)]
    return volumes + files(f"{db}.{molecule[0]}db")


def padded(count, digits):
    return [f"{index:0{digits}d}" for index in range(count)]


def refused(db, listed):
    with pytest.raises(Unusable) as caught:
        take_inventory(db, listed)
    return caught.value.problem


# What is found


def test_volumes_come_in_numeric_order_whatever_the_order_of_the_listing():
    listed = sorted(database("x", padded(12, 1)), key=lambda file: file.leaf)

    volumes = take_inventory("x", listed).volumes

    assert volumes.names(8, 12) == ("x.8", "x.9", "x.10", "x.11")


@pytest.mark.parametrize(
    ("db", "count", "digits", "first", "last"),
    [
        ("core_nt", 83, 2, "core_nt.00", "core_nt.82"),
        ("core_nt", 101, 2, "core_nt.00", "core_nt.100"),
        ("nt", 310, 3, "nt.000", "nt.309"),
        ("nt", 1, 2, "nt.00", "nt.00"),
        ("nt", MAX_VOLUMES, 2, "nt.00", "nt.1023"),
        ("a.b-c", 2, 2, "a.b-c.00", "a.b-c.01"),
    ],
)
def test_numbers_are_kept_as_they_are_written(db, count, digits, first, last):
    volumes = take_inventory(db, database(db, padded(count, digits))).volumes

    assert volumes == VolumeSet(db=db, molecule="nucl", count=count, digits=digits)
    assert (volumes.name(0), volumes.name(count - 1)) == (first, last)


@given(count=st.integers(1, 150), digits=st.integers(1, 4), shuffle=st.randoms(use_true_random=False))
def test_every_volume_of_a_listing_is_named_exactly_as_its_files_are(count, digits, shuffle):
    listed = database("x", padded(count, digits))
    shuffle.shuffle(listed)

    inventory = take_inventory("x", listed)

    names = inventory.volumes.names(0, count)
    assert inventory.volumes.count == count
    assert sorted(names) == sorted(file.leaf.removesuffix(".nsq") for file in listed if file.leaf.endswith(".nsq"))


def test_a_database_of_one_unnumbered_volume_bears_its_own_name():
    volumes = take_inventory("16S", volume("16S") + files("16S.ndb", "16S.njs")).volumes

    assert volumes == VolumeSet(db="16S", molecule="nucl", count=1, digits=None)
    assert volumes.names(0, 1) == ("16S",)


def test_a_protein_database_is_found_by_its_psq():
    assert take_inventory("nr", database("nr", ["00", "01"], "prot")).volumes.molecule == "prot"


def test_an_alias_beside_volumes_is_not_a_volume():
    inventory = take_inventory("nt", database("nt", ["00", "01"]) + files("nt.nal", "nt.00.nal"))

    assert inventory.volumes.count == 2


def test_files_of_similarly_named_databases_are_ignored():
    similar = database("nt_euk", ["00", "01", "02"]) + volume("xnt.00") + volume("nt2.00") + volume("nt.v5.00") + volume("NT.00")
    mine = database("nt", ["00", "01"])

    inventory = take_inventory("nt", similar + mine)

    assert inventory.volumes.count == 2
    assert inventory.files == tuple(sorted(mine))


def test_a_dot_in_a_name_stands_for_itself_only():
    listed = database("a.b", ["00"]) + volume("aXb.01")

    assert take_inventory("a.b", listed).volumes.count == 1


def test_digits_of_other_scripts_number_nothing():
    listed = database("nt", ["00"]) + volume("nt.\N{FULLWIDTH DIGIT ZERO}\N{FULLWIDTH DIGIT ONE}")

    assert take_inventory("nt", listed).volumes.count == 1


def test_files_in_folders_below_are_not_the_databases():
    listed = database("nt", ["00"]) + files(".staging/nt.01.nsq", "old/nt.02.nsq")

    assert take_inventory("nt", listed).volumes.count == 1


# Bytes


def test_bytes_are_counted_for_the_volume_they_belong_to_and_for_no_other():
    sizes = {
        "x.00.nsq": 100,
        "x.00.nin": 20,
        "x.00.nhr": 3,
        "x.01.nsq": 7000,
        "x.01.nin": 1,
        "x.01.nog": 1,
        "x.ndb": 10**6,
        "x.njs": 10**6,
        "x.nal": 10**6,
        "taxdb.btd": 10**9,
        "taxonomy4blast.sqlite3": 10**9,
    }

    inventory = take_inventory("x", [ListedFile(leaf, size, "") for leaf, size in sizes.items()])

    assert inventory.volume_bytes == (123, 7002)
    assert inventory.total_bytes == 123 + 7002 + 3 * 10**6


def test_a_single_volume_has_the_bytes_of_all_files_of_its_database():
    listed = [ListedFile("x.nsq", 100, ""), ListedFile("x.nin", 20, ""), ListedFile("x.ndb", 3, ""), ListedFile("y.nsq", 1, "")]

    inventory = take_inventory("x", listed)

    assert inventory.volume_bytes == (123,)
    assert inventory.total_bytes == 123


def test_volume_bytes_come_in_numeric_order():
    listed = [file._replace(size_bytes=1 + int(match[1])) for file in database("x", padded(11, 1)) if (match := number_of(file))]

    assert take_inventory("x", [*listed, *files("x.ndb")]).volume_bytes == tuple(3 * index for index in range(1, 12))


def number_of(file):
    return re.fullmatch(r"x\.(\d+)\..*", file.leaf)


# What is refused


def test_an_empty_folder_holds_no_database():
    with pytest.raises(NotFound) as caught:
        take_inventory("nt", files("readme.txt", "nt_euk.00.nsq"))

    assert caught.value.problem.code is Code.DATABASE_NOT_FOUND


@pytest.mark.parametrize("extension", ["nal", "pal"])
def test_an_alias_without_volumes_is_refused_as_an_alias(extension):
    assert refused("sub", files(f"sub.{extension}", "sub.njs")).code is Code.ALIAS_ONLY


def test_an_alias_whose_volumes_are_still_being_uploaded_is_not_taken_for_an_alias_over_others():
    assert refused("nt", files("nt.nal", "nt.00.nin", "nt.00.nhr")).code is Code.NO_VOLUMES


def test_files_without_any_volume_are_refused():
    assert refused("nt", files("nt.ndb", "nt.njs")).code is Code.NO_VOLUMES


@pytest.mark.parametrize(
    ("numbers", "missing"), [(["00", "01", "03"], "x.02"), (["01", "02"], "x.00"), (["0", "2", "3"], "x.1"), (["001"], "x.000")]
)
def test_a_gap_is_refused_by_name(numbers, missing):
    problem = refused("x", database("x", numbers))

    assert problem.code is Code.VOLUME_GAP
    assert missing in problem.message
    assert problem.target == "x"


@pytest.mark.parametrize("number", [10**9, 10**999])
def test_a_huge_number_is_a_gap_and_exhausts_nothing(number):
    problem = refused("x", database("x", ["00", str(number)]))

    assert problem.code is Code.VOLUME_GAP
    assert "x.01, x.02, x.03, x.04, x.05 and" in problem.message


def test_a_huge_number_of_a_half_uploaded_volume_exhausts_nothing():
    assert refused("x", database("x", ["00"]) + files(f"x.{10**999}.nin")).code is Code.VOLUME_GAP


@pytest.mark.parametrize("extension", ["nin", "nhr"])
def test_a_volume_that_has_files_but_no_sequences_was_uploaded_half(extension):
    problem = refused("x", database("x", ["00", "01"]) + files(f"x.02.{extension}"))

    assert problem.code is Code.VOLUME_GAP
    assert "(.nsq) of x.02" in problem.message


@pytest.mark.parametrize("extension", ["nsq", "nin", "nhr"])
def test_a_volumes_file_of_no_bytes_is_refused_by_name(extension):
    listed = [file._replace(size_bytes=int(file.leaf != f"x.01.{extension}")) for file in database("x", ["00", "01"])]

    problem = refused("x", listed)

    assert problem.code is Code.VOLUME_GAP
    assert f"x.01.{extension}" in problem.message


def test_half_a_volume_beside_an_unnumbered_one_is_refused():
    assert refused("x", volume("x") + files("x.ndb", "x.01.nin")).code is Code.VOLUME_GAP


def test_half_a_protein_volume_is_refused():
    problem = refused("x", database("x", ["00"], "prot") + files("x.01.phr"))

    assert problem.code is Code.VOLUME_GAP
    assert ".psq" in problem.message


def test_nucleotides_and_proteins_under_one_name_are_refused():
    assert refused("x", database("x", ["00"]) + database("x", ["01"], "prot")).code is Code.MIXED_MOLECULE_TYPES


def test_an_unnumbered_volume_beside_numbered_ones_is_refused():
    assert refused("x", database("x", ["00"]) + volume("x")).code is Code.MIXED_VOLUME_NAMES


@pytest.mark.parametrize("numbers", [["0", "01"], ["00", "1"], ["00", "0"], ["00", "001"], [*padded(10, 1), "010"]])
def test_different_paddings_are_refused(numbers):
    assert refused("x", database("x", numbers)).code is Code.MIXED_VOLUME_NAMES


def test_the_greatest_number_of_volumes_is_handled_and_one_more_is_refused():
    numbers = padded(MAX_VOLUMES + 1, 2)

    assert MAX_VOLUMES == 1024
    assert take_inventory("x", database("x", numbers[:-1])).volumes.count == MAX_VOLUMES
    assert refused("x", database("x", numbers)).code is Code.TOO_MANY_VOLUMES


@pytest.mark.parametrize(("molecule", "wanted", "other"), [("nucl", "x.ndb", "x.pdb"), ("prot", "x.pdb", "x.ndb")])
def test_a_database_without_its_database_file_is_refused(molecule, wanted, other):
    listed = [file for file in database("x", ["00"], molecule) if file.leaf != wanted]

    problem = refused("x", listed + files(other, wanted.replace("x.", "x.00.")))

    assert problem.code is Code.MISSING_DATABASE_FILE
    assert problem.target == wanted


# Against the statistics file


def test_as_many_volumes_as_the_statistics_file_counts_are_right():
    refuse_other_count(VolumeSet(db="x", molecule="nucl", count=3, digits=2), 3)


def test_volumes_beyond_the_statistics_file_are_ghosts_and_are_named():
    with pytest.raises(Unusable) as caught:
        refuse_other_count(VolumeSet(db="x", molecule="nucl", count=12, digits=2), 3)

    assert caught.value.problem.code is Code.GHOST_VOLUMES
    assert "x.03, x.04, x.05, x.06, x.07 and 4 more" in caught.value.problem.message


def test_fewer_volumes_than_the_statistics_file_counts_are_refused():
    with pytest.raises(Unusable) as caught:
        refuse_other_count(VolumeSet(db="x", molecule="nucl", count=3, digits=2), 4)

    assert caught.value.problem.code is Code.VOLUMES_MISSING


def test_a_database_without_ndb_is_of_version_4_where_its_files_are_that_only_version_4_has():
    missing = refused("x", [*volume("x.00"), *files("x.nal")])
    old = refused("x", [*volume("x.00"), *files("x.00.nsi", "x.00.nsd", "x.nal")])

    assert missing.code is Code.MISSING_DATABASE_FILE
    assert old.code is Code.VERSION_FOUR
    assert "made before 2019" in old.message
    assert "-blastdb_version 5" in old.message


# The cheap look


@pytest.mark.parametrize("molecule", ["nucl", "prot"])
def test_the_molecule_type_shows_in_the_names_alone(molecule):
    assert molecule_of("x", (file.leaf for file in database("x", ["00", "01"], molecule))) == molecule


def test_the_cheap_look_refuses_as_the_thorough_one():
    with pytest.raises(NotFound):
        molecule_of("x", ["y.nsq"])
    with pytest.raises(Unusable):
        molecule_of("x", ["x.nal"])


@given(st.lists(st.from_regex(r"x(\.[0-9]{1,3})?\.(nsq|nin|nhr|psq|pin|ndb|pdb|nal|njs|nog)", fullmatch=True), max_size=12))
def test_any_listing_gives_an_inventory_that_accounts_for_every_sequence_file_or_a_refusal(leaves):
    listed = files(*set(leaves))
    try:
        inventory = take_inventory("x", listed)
    except (NotFound, Unusable):
        return

    names = inventory.volumes.names(0, inventory.volumes.count)
    assert {file.leaf for file in listed if file.leaf.endswith("sq")} == {f"{name}.{end(inventory)}" for name in names}


def end(inventory):
    return {"nucl": "nsq", "prot": "psq"}[inventory.volumes.molecule]
