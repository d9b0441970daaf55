"""Which claims of the metadata are taken back, and which are left."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runs.database.corrections import DatabaseFacts, corrected

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
OLD, YOUNG = (NOW - timedelta(minutes=31)).isoformat(), (NOW - timedelta(minutes=29)).isoformat()


def ours(started):
    return {"sharding_in_progress": True, "sharding_started_at": started, "shard_started_at": started, "shard_epoch": 3}


def theirs(started):
    return {"sharding_in_progress": True, "sharding_started_at": started}


@pytest.mark.parametrize(
    ("document", "owner_ended", "is_taken_back"),
    [
        (ours(YOUNG), True, True),
        (ours(YOUNG), False, False),
        (ours(OLD), False, True),
        (theirs(YOUNG), True, False),
        (theirs(OLD), False, True),
        (theirs("soon"), False, True),
        (theirs(None), False, True),
        ({"sharding_in_progress": False, "sharding_started_at": OLD}, True, False),
    ],
)
def test_a_mark_is_taken_back_when_nobody_will(document, owner_ended, is_taken_back):
    facts = DatabaseFacts(marked_at=document["sharding_started_at"], owner_ended=owner_ended)

    correction = corrected("nt", document, facts, NOW)

    assert bool(correction.changes) is is_taken_back
    assert correction.document == ({**document, "sharding_in_progress": False} if is_taken_back else document)


def test_a_mark_that_was_set_since_it_was_judged_stays():
    facts = DatabaseFacts(marked_at=OLD, owner_ended=True)

    assert corrected("nt", ours(YOUNG), facts, NOW) == (ours(YOUNG), ())


def test_sets_of_a_database_that_is_not_there_are_taken_back():
    correction = corrected("nt", {"sharded": True, "shard_sets": [1, 2], "other": 7}, DatabaseFacts(gone=True), NOW)

    assert correction.document == {"sharded": False, "shard_sets": [], "other": 7}
    assert len(correction.changes) == 1


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "sharding_in_progress": st.booleans(),
            "sharding_started_at": st.sampled_from([OLD, YOUNG, "x"]),
            "shard_started_at": st.sampled_from([OLD, YOUNG]),
            "update_in_progress": st.booleans(),
            "update_started_at": st.sampled_from([OLD, 7, "2025-12-31T00:00:00+00:00"]),
            "copy_status": st.sampled_from([{"phase": "copying"}, {"phase": "completed"}]),
            "sharded": st.booleans(),
            "shard_sets": st.lists(st.integers(1, 10), max_size=3),
            "other": st.integers(),
        },
    ),
    st.booleans(),
    st.booleans(),
)
def test_law_a_second_correction_changes_nothing_and_other_fields_survive(document, owner_ended, gone):
    facts = DatabaseFacts(marked_at=document.get("sharding_started_at"), owner_ended=owner_ended, gone=gone)

    once = corrected("nt", document, facts, NOW)
    twice = corrected("nt", once.document, facts, NOW)

    assert twice == (once.document, ())
    assert once.document.get("other") == document.get("other")
    assert bool(once.changes) == (once.document != document)
