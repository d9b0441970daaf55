"""What is kept of layouts that were replaced: never the present one, never more than a few, and never one too many."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.generations import Generation, digest_of, volume_marks
from shared.blastdb.layout import split
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import ListedFile, VolumeSet
from shared.errors import Code, Conflict, NotFound
from shared.runs.database import metadata
from shared.runs.database.layout_history import (
    KEPT,
    LayoutRecord,
    pinned,
    previous,
    record_of,
    refuse_other_volumes,
    wanted,
    with_layout,
)
from shared.runs.shard.payloads import CommitMetadata

MOMENT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
STATISTICS = Statistics(sequences=7, letters=70, source="njs")


def record(digest="a", *, counts=(1, 2), volumes=4, legacy=False, statistics=STATISTICS):
    return LayoutRecord(
        generation=Generation(source_version=None, digest=digest * 32),
        operation_id="shard-db-0123456789abcdef-1",
        sharded_at=MOMENT,
        volumes=VolumeSet(db="db", molecule="nucl", count=volumes, digits=2),
        sets=tuple(split([1] * volumes, count).cuts for count in counts),
        legacy_alias=legacy,
        statistics=statistics,
    )


def kept(*records, document=None, restored=False):
    """The document after these layouts were committed one after the other."""
    document = dict(document or {})
    for one in records:
        document = with_layout(document, one, restored=restored)
    return document


RECORDS = st.builds(
    record,
    digest=st.sampled_from("abc"),
    counts=st.sets(st.integers(1, 4), min_size=1).map(sorted).map(tuple),
    legacy=st.booleans(),
)


def test_the_first_layout_replaces_nothing():
    assert previous(kept(record())) == ()
    assert "previous_layouts" not in kept(record())


def test_a_layout_that_is_replaced_is_kept_and_one_that_only_grows_is_not():
    assert previous(kept(record("a"), record("b"))) == (record("a"),)
    assert previous(kept(record(counts=(1, 2)), record(counts=(1, 2, 3)))) == ()
    assert previous(kept(record(counts=(1, 2, 3)), record(counts=(1, 2)))) == (record(counts=(1, 2, 3)),)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (record(legacy=True), record()),
        (record(statistics=None), record()),
        (record(statistics=STATISTICS.model_copy(update={"letters": 71})), record()),
        (record(volumes=5), record()),
        (record().model_copy(update={"sets": ((0, 4), (0, 1, 4))}), record()),
    ],
    ids=["form", "no statistics", "other statistics", "other volumes", "other cuts"],
)
def test_whatever_changes_a_text_replaces_the_layout(before, after):
    assert previous(kept(before, after)) == (before,)


def test_the_form_of_aliases_without_statistics_makes_no_difference():
    assert previous(kept(record(statistics=None), record(legacy=True))) == ()


@given(st.lists(RECORDS, min_size=1, max_size=12))
def test_law_what_is_kept_is_bounded_distinct_and_not_the_present_one(records):
    document = kept(*records)
    found = previous(document)

    assert len(found) <= KEPT
    assert not any(records[-1].covers(one) for one in found)
    assert not any(one.covers(other) for one in found for other in found if one is not other)


@given(st.lists(RECORDS, min_size=1, max_size=12))
def test_law_a_repeated_commit_changes_nothing(records):
    document = kept(*records)

    assert with_layout(document, records[-1], restored=False) == document


@given(RECORDS, RECORDS)
def test_law_a_restore_is_undone_by_another(one, other):
    document = kept(one, other)
    for old in previous(document):
        undone = kept(old, document=document, restored=True)
        assert any(record.covers(other) for record in (*previous(undone), old))


@given(st.lists(RECORDS, max_size=4))
def test_law_fields_of_others_survive(records):
    others = {"source_version": "x", "copy_status": {"phase": "completed"}}
    document = kept(*records, document=others)

    assert {name: document[name] for name in others} == others


def test_the_whole_of_what_is_there_in_part_comes_first():
    whole = record(counts=(1, 2, 3), legacy=True)
    document = kept(whole, record(counts=(1, 2, 3)), record(counts=(1, 3), legacy=True), restored=True)

    assert previous(document)[0] == whole


def test_a_commit_without_a_set_leaves_no_present_layout():
    document = kept(record("a"), None)

    assert "shard_layout" not in document
    assert previous(document) == (record("a"),)


def test_only_a_layout_that_was_put_back_is_pinned_and_only_for_its_own_volumes():
    put_back = kept(record("a"), restored=True)

    assert pinned(put_back, "a" * 32) == record("a")
    assert pinned(put_back, "b" * 32) is None
    assert pinned(kept(record("a")), "a" * 32) is None
    assert pinned(kept(record("b"), document=put_back), "b" * 32) is None


def test_the_newest_of_a_generation_is_wanted_and_without_one_the_newest_of_all():
    document = kept(record("a", legacy=True), record("a"), record("b"), record("c"))

    assert wanted("db", document, None) == record("b")
    assert wanted("db", document, "a" * 32) == record("a")
    assert wanted("db", document, "c" * 32) == record("c")
    for none in ({}, kept(record("c"))):
        with pytest.raises(NotFound) as caught:
            wanted("db", none, None)
        assert caught.value.problem.code is Code.PREVIOUS_LAYOUT_NOT_FOUND


@pytest.mark.parametrize("value", [None, "x", 7, {}, [None, "x", {}], [{"sets": [[0]]}]])
def test_what_others_wrote_there_is_passed_over(value):
    assert previous({"previous_layouts": value}) == ()
    assert kept(record(), document={"previous_layouts": value, "shard_layout": value}) == kept(record())


@pytest.mark.parametrize("cuts", [(), (0,), (0, 0, 4), (1, 4), (0, 3), (0, 3, 2, 4), tuple(range(40))])
def test_cut_points_that_would_lose_a_volume_are_no_layout(cuts):
    stored = record().model_dump(mode="json") | {"sets": [cuts]}

    assert previous({"previous_layouts": [stored]}) == ()


# The volumes


VOLUMES = VolumeSet(db="db", molecule="nucl", count=3, digits=2)
FILES = tuple(ListedFile(f"db.{number:02d}.{end}", 5, f"{number}{end}") for number in range(3) for end in ("nsq", "nin"))
COMMIT = CommitMetadata(
    account="a",
    db="db",
    run="run",
    epoch=1,
    finished=MOMENT,
    generation=Generation(source_version="v1", digest=digest_of(FILES)),
    volumes=VOLUMES,
    statistics=STATISTICS,
    total_bytes=30,
    file_count=6,
    good_sets=(2,),
    layouts=(split([10, 10, 10], 2),),
)
OF_FILES = record_of(COMMIT, FILES)


def test_a_commit_is_kept_with_all_that_its_texts_follow_from():
    assert (OF_FILES.volumes, OF_FILES.sets, OF_FILES.statistics) == (VOLUMES, ((0, 2, 3),), STATISTICS)
    assert OF_FILES.generation == COMMIT.generation
    assert record_of(COMMIT.model_copy(update={"layouts": ()}), FILES) is None


def test_a_layout_of_the_same_volumes_is_not_refused_in_whatever_order_they_are_listed():
    refuse_other_volumes(OF_FILES, FILES)
    refuse_other_volumes(OF_FILES, FILES[::-1])


def test_volumes_that_are_missing_or_differ_are_named():
    files = (*FILES[2:4], FILES[4]._replace(fingerprint="new"), FILES[5])
    with pytest.raises(Conflict) as caught:
        refuse_other_volumes(OF_FILES, files)
    problem = caught.value.problem

    assert problem.code is Code.VOLUMES_DIFFER
    assert "missing db.00; different db.02" in problem.message
    assert [(one.target, one.message) for one in problem.details] == [
        ("db.00", "This volume is missing."),
        ("db.02", "This volume differs."),
    ]


@pytest.mark.parametrize("more", [ListedFile("db.03.nsq", 5, "x"), ListedFile("db.ndb", 5, "x")], ids=["volume", "companion"])
def test_a_file_more_is_another_generation_too(more):
    with pytest.raises(Conflict, match="another of its files differs"):
        refuse_other_volumes(OF_FILES, (*FILES, more))


def test_a_long_list_of_volumes_is_cut():
    volumes = VOLUMES.model_copy(update={"count": 1024})
    with pytest.raises(Conflict) as caught:
        refuse_other_volumes(OF_FILES.model_copy(update={"volumes": volumes}), ())

    assert "and 1019 more" in caught.value.problem.message
    assert len(caught.value.problem.details) == 16


def test_every_volume_has_a_mark_of_its_own_and_none_without_a_file():
    marks = volume_marks(VOLUMES, FILES)

    assert len(set(marks)) == 3
    assert volume_marks(VOLUMES, FILES[2:])[0] == ""
    assert volume_marks(VOLUMES.model_copy(update={"count": 1, "digits": None}), (ListedFile("db.nsq", 1, "x"),))[0]


def test_what_is_kept_of_the_largest_databases_stays_small():
    many = [
        record(digest, counts=(1, 2, 3, 4, 5, 6, 8, 10, 32), volumes=1024).model_copy(update={"marks": "ffff" * 1024})
        for digest in "abcdef0"
    ]

    assert len(metadata.render(kept(*many))) < 64 * 1024
