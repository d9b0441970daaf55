"""Whether papers, volumes and index files speak of one database: each contradiction named, and real databases that agree."""

from shutil import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.alias_file import AliasFile, parse_alias_file
from shared.blastdb.evidence import Evidence, paper_files
from shared.blastdb.index_heads import INDEX_HEAD_BYTES, IndexHead, VolumeTotals, index_head, read_index_head
from shared.blastdb.papers import judge, refuse_disagreement
from shared.blastdb.reading import read_with
from shared.blastdb.statistics import StatisticsFile, parse_statistics_file
from shared.blastdb.versions import version_four
from shared.blastdb.volume_table import TableRow, VolumeTable, volume_table
from shared.blastdb.volumes import ListedFile, VolumeSet, take_inventory
from shared.errors import Code, Unusable
from tests.blast import fasta, info, makeblastdb

SEQUENCES, LETTERS = 5, 700


def volumes(count=4, db="nt", molecule="nucl", digits=2):
    return VolumeSet(db=db, molecule=molecule, count=count, digits=None if count == 1 else digits)


def names(count, db="nt"):
    return tuple(f"{db}.{number:02d}" for number in range(count))


def alias(count=4, db="nt", **fields):
    return AliasFile(names=names(count, db), **fields)


def table(count=4, db="nt", sequences=SEQUENCES):
    return VolumeTable(rows=tuple(TableRow(name, sequences) for name in names(count, db)))


def statistics(count=4, sequences=None, letters=None):
    given = {"number-of-volumes": count, "number-of-sequences": sequences or 0, "number-of-letters": letters or 0}
    return StatisticsFile.model_validate(given)


def head(number, db="nt", **changed):
    whole = IndexHead(5, "nucl", number, "t", f"{db}.ndb", "today", VolumeTotals(SEQUENCES, LETTERS), 200)
    return whole._replace(**changed)


def heads(count=4, db="nt", **changed):
    return tuple(head(number, db, **changed) for number in range(count))


OLD = {"version": 4, "volume": None, "database_file": None}

AGREE = {
    "nothing_but_volumes": Evidence(volumes()),
    "alias": Evidence(volumes(), alias()),
    "table": Evidence(volumes(), table=table()),
    "statistics": Evidence(volumes(), statistics=statistics()),
    "heads": Evidence(volumes(), heads=heads()),
    "everything": Evidence(
        volumes(),
        alias(sequences=4 * SEQUENCES, letters=4 * LETTERS, stats_sequences=4 * SEQUENCES, stats_letters=4 * LETTERS),
        table(),
        statistics(4, 4 * SEQUENCES, 4 * LETTERS),
        heads(),
    ),
    "some_heads": Evidence(volumes(), alias(), table(), statistics(), (None, head(1), None, None)),
    "alias_in_another_order": Evidence(volumes(), AliasFile(names=names(4)[::-1]), table()),
    "one_volume": Evidence(
        volumes(1), AliasFile(names=("nt",)), VolumeTable(rows=(TableRow("nt", SEQUENCES),)), statistics(1), heads(1)
    ),
    "masks": Evidence(volumes(), alias(masks=("m",))),
    "a_hundred": Evidence(volumes(120), alias(120), table(120), statistics(120), heads(120)),
}

SEVEN_OVER_TWELVE = Evidence(volumes(12), alias(7), table(7))

REFUSED = {
    "seven_copied_over_twelve": (
        SEVEN_OVER_TWELVE,
        Code.GHOST_VOLUMES,
        "12 volumes in storage and 7 by nt.nal and nt.ndb: nt.07, nt.08",
    ),
    "ghosts_by_the_alias": (Evidence(volumes(), alias(3)), Code.GHOST_VOLUMES, "3 by nt.nal: nt.03 belong"),
    "ghosts_by_the_table": (Evidence(volumes(), table=table(3)), Code.GHOST_VOLUMES, "3 by nt.ndb: nt.03 belong"),
    "ghosts_by_the_statistics": (Evidence(volumes(), statistics=statistics(3)), Code.GHOST_VOLUMES, "nt.03 belong"),
    "half_an_upload": (
        Evidence(volumes(2), alias(4), table(4)),
        Code.VOLUME_GAP,
        "lacks nt.02, nt.03 of nt.nal and nt.ndb. Upload",
    ),
    "half_by_the_alias": (Evidence(volumes(2), alias(4)), Code.VOLUME_GAP, "lacks nt.02, nt.03 of nt.nal"),
    "half_by_the_table": (Evidence(volumes(2), table=table(4)), Code.VOLUME_GAP, "lacks nt.02, nt.03 of nt.ndb"),
    "half_by_the_statistics": (Evidence(volumes(2), statistics=statistics(4)), Code.VOLUMES_MISSING, "counts 4"),
    "one_of_many": (
        Evidence(volumes(1), alias(4)),
        Code.PAPERS_DISAGREE,
        "nt.00, nt.01, nt.02, nt.03 by nt.nal, but nt in storage",
    ),
    "new_volumes_beside_an_old_table": (
        Evidence(volumes(12), alias(12), table(7)),
        Code.PAPERS_DISAGREE,
        "nt.nal tells of 12 volumes, nt.ndb tells of 7 volumes. Upload all files of one build",
    ),
    "as_many_new_volumes_beside_an_old_table": (
        Evidence(volumes(), alias(), table(sequences=9), statistics(), heads()),
        Code.PAPERS_DISAGREE,
        "nt.00 has 5 sequences by its index file and 9 by nt.ndb, nt.01 has",
    ),
    "one_volume_of_another_build": (
        Evidence(volumes(), alias(), table(), heads=(*heads(3), head(3, totals=VolumeTotals(2, 3)))),
        Code.PAPERS_DISAGREE,
        "nt.03 has 2 sequences by its index file and 5 by nt.ndb",
    ),
    "new_statistics": (Evidence(volumes(), alias(), table(), statistics(5)), Code.PAPERS_DISAGREE, "nt.njs tells of 5 volumes"),
    "statistics_of_another_build": (
        Evidence(volumes(), alias(), table(), statistics(4, 21)),
        Code.PAPERS_DISAGREE,
        "nt.njs counts 21 sequences, and the volumes have 20",
    ),
    "letters_of_another_build": (
        Evidence(volumes(), statistics=statistics(4, 20, 2801), heads=heads()),
        Code.PAPERS_DISAGREE,
        "nt.njs counts 2801 letters, and the volumes have 2800",
    ),
    "alias_counts_otherwise": (
        Evidence(volumes(), alias(sequences=7), table()),
        Code.PAPERS_DISAGREE,
        "nt.nal counts 7 sequences",
    ),
    "alias_steers_otherwise": (
        Evidence(volumes(), alias(stats_letters=7), heads=heads()),
        Code.PAPERS_DISAGREE,
        "counts 7 letters",
    ),
    "papers_name_others": (
        Evidence(
            volumes(3),
            AliasFile(names=("nt.00", "nt.01", "nt.02")),
            VolumeTable(rows=tuple(TableRow(f"nt.{n}", 5) for n in "012")),
        ),
        Code.PAPERS_DISAGREE,
        "nt.nal names nt.00, nt.01, nt.02, nt.ndb does not",
    ),
    "other_padding": (
        Evidence(volumes(3, digits=3), alias(3), table(3)),
        Code.PAPERS_DISAGREE,
        "nt.00, nt.01, nt.02 by nt.nal and nt.ndb, but nt.000, nt.001, nt.002 in storage. Give the files back",
    ),
    "renamed": (Evidence(volumes(db="my"), table=table(), heads=heads()), Code.PAPERS_DISAGREE, "but my.00, my.01"),
    "renamed_with_its_alias": (
        Evidence(volumes(db="my"), alias(db="my"), heads=heads()),
        Code.PAPERS_DISAGREE,
        "my.00, my.01, my.02, my.03 are of a database with nt.ndb, where BLAST looks for it. Give",
    ),
    "nested": (
        Evidence(volumes(), AliasFile(names=(*names(4), "nt_extra", "other.00"))),
        Code.PAPERS_DISAGREE,
        "nt.nal opens nt_extra, other.00 as well as volumes of its own. Shard the databases",
    ),
    "alias_over_others": (Evidence(volumes(), AliasFile(names=("other",)), table()), Code.PAPERS_DISAGREE, "tells of 1 volume,"),
    "limited": (
        Evidence(volumes(), alias(limits=("SEQIDLIST", "LAST_OID")), table(), statistics(), heads()),
        Code.LIMITED_BY_ALIAS,
        "limited by its own alias (SEQIDLIST, LAST_OID): it hides",
    ),
    "version_4": (Evidence(volumes(), alias(), heads=heads(**OLD)), Code.VERSION_FOUR, "made before 2019"),
    "version_4_in_part": (
        Evidence(volumes(), heads=(head(0), head(1, **OLD), head(2), head(3))),
        Code.PAPERS_DISAGREE,
        "nt.01 is of version 4, others of version 5",
    ),
    "other_molecule": (
        Evidence(volumes(), heads=(*heads(3), head(3, molecule="prot"))),
        Code.PAPERS_DISAGREE,
        "nt.03 is of another",
    ),
}


@pytest.mark.parametrize("name", AGREE)
def test_papers_that_agree_refuse_nothing(name):
    assert judge(AGREE[name]) is None
    refuse_disagreement(AGREE[name])


@pytest.mark.parametrize("name", REFUSED)
def test_a_contradiction_is_refused_by_its_name_with_what_to_do(name):
    evidence, code, words = REFUSED[name]
    with pytest.raises(Unusable) as caught:
        refuse_disagreement(evidence)
    problem = caught.value.problem

    assert problem == judge(evidence)
    assert (problem.code, words in problem.message) == (code, True), problem.message
    assert any(verb in problem.message for verb in ("Upload", "Remove", "Make", "Give", "Shard"))
    assert problem.target.partition(".")[0] == evidence.volumes.db


def test_a_message_names_the_first_of_many_and_counts_the_rest():
    message = judge(Evidence(volumes(12), table=table(1000))).message

    assert "nt.12, nt.13, nt.14, nt.15, nt.16 and 983 more" in message
    assert len(message) < 300


@given(stored=st.integers(2, 30), told=st.integers(2, 30), paper=st.sampled_from(["alias", "table", "statistics"]))
def test_law_any_other_number_of_volumes_is_refused_whichever_paper_tells_of_it(stored, told, paper):
    given = {"alias": alias(told), "table": table(told), "statistics": statistics(told)}
    problem = judge(Evidence(volumes(stored), **{paper: given[paper]}))

    assert (problem is None) == (stored == told)
    if problem is not None:
        assert (problem.code is Code.GHOST_VOLUMES) == (stored > told)


# Real databases


def evidence(folder, db="db"):
    """What a reader of storage would collect, from the files of a folder."""
    listed = [ListedFile(path.name, path.stat().st_size, "") for path in folder.iterdir()]
    inventory = take_inventory(db, listed)
    files = paper_files(inventory.volumes, inventory.files)

    def fetch_of(leaf):
        content = (folder / leaf).read_bytes()
        return lambda span: content[span.offset : span.offset + span.size_bytes]

    return Evidence(
        volumes=inventory.volumes,
        alias=parse_alias_file(files.alias.leaf, (folder / files.alias.leaf).read_bytes()) if files.alias else None,
        table=read_with(volume_table(files.table.leaf, files.table.size_bytes), fetch_of(files.table.leaf)),
        statistics=parse_statistics_file(db, (folder / files.statistics.leaf).read_bytes()) if files.statistics else None,
        heads=tuple(read_with(index_head(file.size_bytes), fetch_of(file.leaf)) if file else None for file in files.heads),
    )


def code_of(folder, db="db"):
    problem = judge(evidence(folder, db))
    return problem.code if problem else None


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    return makeblastdb(tmp_path_factory.mktemp("seven"), fasta(7), "-max_file_sz", "1B", "-parse_seqids")


@pytest.fixture(scope="module")
def twelve(tmp_path_factory):
    return makeblastdb(tmp_path_factory.mktemp("twelve"), fasta(12), "-max_file_sz", "1B", "-parse_seqids")


def merged(tmp_path, *folders):
    for folder in folders:
        for path in folder.iterdir():
            copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("options", [(), ("-parse_seqids",), ("-max_file_sz", "1B"), ("-max_file_sz", "1B", "-parse_seqids")])
@pytest.mark.parametrize("molecule", ["nucl", "prot"])
def test_databases_by_makeblastdb_agree_with_their_papers(tmp_path, molecule, options):
    folder = makeblastdb(tmp_path, fasta(12, molecule=molecule), *options)
    told = evidence(folder)

    assert judge(told) is None
    assert told.table.sequences == sum(head.totals.sequences for head in told.heads) == 12


def test_seven_volumes_copied_over_twelve_are_ghosts_and_blast_does_not_see_them(tmp_path, seven, twelve):
    folder = merged(tmp_path, twelve, seven)

    assert code_of(folder) is Code.GHOST_VOLUMES
    assert info(folder)[0] == 7


def test_new_volumes_beside_an_old_table_contradict_it(tmp_path, seven, twelve):
    folder = merged(tmp_path, twelve)
    copy(seven / "db.ndb", folder)

    assert code_of(folder) is Code.PAPERS_DISAGREE


def test_half_an_upload_lacks_what_the_papers_name(tmp_path, twelve):
    folder = merged(tmp_path, twelve)
    for path in [*folder.glob("db.1*"), *folder.glob("db.0[6-9]*")]:
        path.unlink()

    assert judge(evidence(folder)).message.startswith(
        "'db' lacks db.06, db.07, db.08, db.09, db.10 and 1 more of db.nal and db.ndb"
    )


def test_as_many_volumes_of_another_build_contradict_the_table(tmp_path, twelve):
    other = makeblastdb(tmp_path, fasta(30, length=400), "-max_file_sz", "300B", "-parse_seqids")
    folder = merged(tmp_path, twelve)
    copy(other / "db.03.nin", folder)

    assert evidence(other).heads[3].totals.sequences > 1
    assert code_of(folder) is Code.PAPERS_DISAGREE


def test_files_that_were_renamed_are_refused_as_blast_refuses_them(tmp_path, seven):
    for path in seven.iterdir():
        (tmp_path / path.name.replace("db.", "zz.", 1)).write_bytes(path.read_bytes().replace(b"db.0", b"zz.0"))

    assert info(tmp_path, "zz") is None
    assert judge(evidence(tmp_path, "zz")).message.endswith("or make the database again under its new name.")


def test_a_database_limited_by_its_own_alias_is_refused(tmp_path, seven):
    folder = merged(tmp_path, seven)
    with (folder / "db.nal").open("a") as file:
        file.write("FIRST_OID 2\nLAST_OID 4\n")

    assert code_of(folder) is Code.LIMITED_BY_ALIAS


@pytest.mark.parametrize("options", [(), ("-parse_seqids",), ("-max_file_sz", "1B", "-parse_seqids"), ("-max_file_sz", "1B")])
def test_a_database_of_version_4_is_told_by_any_of_its_index_files(tmp_path, options):
    folder = makeblastdb(tmp_path, fasta(3), "-blastdb_version", "4", *options)
    heads = [read_index_head(path.read_bytes()[:INDEX_HEAD_BYTES]) for path in folder.glob("*.nin")]

    assert {head.version for head in heads} == {4}
    assert judge(Evidence(volumes(len(heads), db="db"), heads=tuple(heads))) == version_four("db").problem
