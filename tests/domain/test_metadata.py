"""The control blob: what each step changes in it, and that everything else survives (contract 3.1, 12.8, 12.9)."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.generations import Generation
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet
from shared.errors import Code, Conflict, Problem, Unusable
from shared.runs.database import headers, metadata
from shared.runs.shard.payloads import CommitMetadata, MarkStarted, RecordFailure

STARTED = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
FINISHED = datetime(2026, 3, 1, 12, 0, 9, 999999, tzinfo=UTC)
STATISTICS = Statistics(sequences=125, letters=10414, source="njs", bytes_to_cache=2634, bytes_total=2923)
FAILURES = Problem(
    code=Code.PARTIAL_SHARD_SETS,
    message="The shard sets for N = 2, 10 failed.",
    details=(
        Problem(code=Code.WRITTEN_BY_ANOTHER, message="x", target="2"),
        Problem(code=Code.STORAGE_UNAVAILABLE, message="y", target="10"),
    ),
)

OURS = {
    "db_name",
    "sharded",
    "shard_sets",
    "sharded_at",
    "sharding_in_progress",
    "sharding_started_at",
    "shard_started_at",
    "sharding_error",
    "shard_errors",
    "shard_generation",
    "shard_alias_version",
    "shard_volume_count",
    "shard_epoch",
    "shard_operation_id",
    "shard_source_version",
    "total_bytes",
    "total_letters",
    "total_sequences",
    "bytes_to_cache",
    "bytes_total",
    "file_count",
    "statistics",
}
READ = set(metadata.ShardFields.model_fields)


def start(**changed):
    known = {"account": "elbstg01", "db": "core_nt", "run": "run-7", "epoch": 7, "started": STARTED, "if_match": "0x1"}
    return MarkStarted(**(known | changed))


def commit(**changed):
    known = {
        "account": "elbstg01",
        "db": "core_nt",
        "run": "run-7",
        "epoch": 7,
        "finished": FINISHED,
        "generation": Generation(source_version="2025-01-01", digest="d" * 32),
        "volumes": VolumeSet(db="core_nt", molecule="nucl", count=83, digits=2),
        "statistics": STATISTICS,
        "total_bytes": 5000,
        "file_count": 250,
        "good_sets": (10, 1, 2),
    }
    return CommitMetadata(**(known | changed))


def failure(**changed):
    problem = Problem(code=Code.VOLUME_GAP, message="'core_nt' lacks core_nt.07.", target="core_nt")
    known = {"account": "elbstg01", "db": "core_nt", "run": "run-7", "epoch": 7, "problem": problem}
    return RecordFailure(**(known | changed))


STEPS = {
    "started": lambda document, **changed: metadata.started(document, start(**changed)),
    "committed": lambda document, **changed: metadata.committed(document, commit(**changed)),
    "failed": lambda document, **changed: metadata.failed(document, failure(**changed)),
}
every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
foreign_fields = st.dictionaries(st.text(max_size=12).filter(lambda name: name not in OURS | READ), json_values, max_size=6)


# Reading and writing


@given(foreign_fields)
def test_law_a_document_survives_being_stored_and_read(document):
    assert metadata.parse("core_nt", metadata.render(document)) == document


def test_a_document_is_stored_with_sorted_keys_as_the_replaced_system_does():
    assert metadata.render({"b": 1, "a": [2]}) == b'{\n  "a": [\n    2\n  ],\n  "b": 1\n}'


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b'"x"', b"7", b"\xff{}", b'{"a": 1}x', b"{'a': 1}"])
def test_what_is_no_json_object_is_refused_and_never_taken_for_an_absent_document(text):
    with pytest.raises(Unusable) as caught:
        metadata.parse("core_nt", text)

    assert caught.value.problem.code is Code.UNREADABLE_METADATA
    assert caught.value.problem.target == "core_nt-metadata.json"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shard_sets", "1,2"),
        ("shard_sets", ["many"]),
        ("sharded", "perhaps"),
        ("shard_epoch", "seven"),
        ("source_version", 2025),
        ("total_bytes", 1.5),
        ("copy_status", "completed"),
        ("sharding_in_progress", []),
    ],
)
def test_a_field_of_a_type_it_never_had_is_refused_by_name(field, value):
    with pytest.raises(Unusable, match=f"wrong type in: {field}") as caught:
        metadata.fields("core_nt", {field: value, "other": 1})

    assert caught.value.problem.code is Code.UNREADABLE_METADATA


@every_step
def test_no_step_writes_over_a_document_with_a_field_of_the_wrong_type(step):
    with pytest.raises(Unusable):
        step({"shard_sets": "1,2", "epoch": 1})


def test_absent_and_null_fields_have_the_replaced_systems_defaults():
    nothing = dict.fromkeys(READ)

    assert metadata.fields("core_nt", nothing) == metadata.fields("core_nt", {}) == metadata.ShardFields()
    assert metadata.ShardFields().model_dump(exclude_none=True) == {
        "sharded": False,
        "shard_sets": (),
        "shard_epoch": 0,
        "sharding_in_progress": False,
        "update_in_progress": False,
        "shard_restored": False,
        "shard_unlisted": (),
    }


def test_a_document_of_the_replaced_system_can_be_read():
    legacy = {
        "db_name": "core_nt",
        "source_version": "2025-01-01-01-05-02",
        "sharded": True,
        "shard_sets": [1, 2, 10],
        "shard_source_version": "2025-01-01-01-05-02",
        "sharding_error": None,
        "total_bytes": 292365689731,
        "copy_status": {"phase": "completed", "success": 1000},
        "some_signature": {"md5": ["a", "b"]},
    }

    known = metadata.fields("core_nt", legacy)

    assert (known.sharded, known.shard_sets, known.shard_epoch) == (True, (1, 2, 10), 0)
    assert known.copy_status == {"phase": "completed", "success": 1000}


@pytest.mark.parametrize(
    ("sharded", "database", "shards", "stale"),
    [
        (True, "2", "1", True),
        (True, "1", "1", False),
        (True, None, "1", False),
        (True, "1", None, False),
        (False, "2", "1", False),
    ],
)
def test_shards_are_stale_when_they_belong_to_another_version_than_the_database(sharded, database, shards, stale):
    known = metadata.ShardFields(sharded=sharded, source_version=database, shard_source_version=shards)

    assert known.shards_stale is stale


# Every step


@every_step
@given(foreign=foreign_fields)
def test_law_unknown_fields_survive_every_step(step, foreign):
    after = step({**foreign, "shard_sets": [1], "sharding_error": "old"})

    assert {name: value for name, value in after.items() if name not in OURS} == foreign


@every_step
def test_no_step_changes_the_document_it_was_given(step):
    before = {"shard_sets": [1, 2], "sharding_error": "old", "copy_status": {"phase": "completed"}}

    step(before)

    assert before == {"shard_sets": [1, 2], "sharding_error": "old", "copy_status": {"phase": "completed"}}


@every_step
@pytest.mark.parametrize("found", [None, 0, 6, 7])
def test_a_run_writes_over_its_own_and_any_lower_epoch(step, found):
    after = step({"shard_epoch": found})

    assert (after["shard_epoch"], after["shard_operation_id"]) == (7, "run-7")


@every_step
def test_a_run_does_not_write_over_a_higher_epoch(step):
    with pytest.raises(Conflict) as caught:
        step({"shard_epoch": 8})

    assert caught.value.problem.code is Code.LEASE_LOST


@every_step
def test_repeating_a_step_changes_nothing_more(step):
    once = step({"shard_sets": [1, 2], "source_version": "1"})

    assert step(once) == once


@every_step
def test_a_step_can_be_the_first_to_write_a_document(step):
    after = step({})

    assert metadata.parse("core_nt", metadata.render(after)) == after


# Started


def test_a_start_says_who_works_since_when_and_forgets_old_errors():
    after = metadata.started({"sharding_error": "old", "shard_errors": {"2": "VolumeGap"}, "shard_sets": [1], "x": 1}, start())

    assert after == {
        "db_name": "core_nt",
        "sharding_in_progress": True,
        "sharding_started_at": "2026-03-01T12:00:00+00:00",
        "shard_started_at": "2026-03-01T12:00:00+00:00",
        "shard_epoch": 7,
        "shard_operation_id": "run-7",
        "shard_sets": [1],
        "x": 1,
    }


def test_sets_whose_manifests_will_change_go_off_the_list_with_the_start():
    listed = {"shard_sets": [1, 2, 10], "sharded": True}

    after = metadata.started(listed, start(unlisted=(2, 10, 32)))

    assert (after["shard_sets"], after["sharded"], after["shard_unlisted"]) == ([1], True, [2, 10])
    assert metadata.started(after, start(unlisted=(2, 10, 32))) == after
    assert metadata.started(listed, start(unlisted=(1, 2, 10)))["sharded"] is False
    assert "shard_unlisted" not in metadata.started(listed, start())


def test_sets_that_a_run_took_off_the_list_come_back_unless_it_wrote_to_them():
    begun = metadata.started({"shard_sets": [1, 2, 10], "sharded": True}, start(unlisted=(1, 2, 10)))

    canceled = metadata.failed(begun, failure(relisted=(1, 2, 10), damaged_sets=(), problem=None))
    damaged = metadata.failed(begun, failure(relisted=(1,), damaged_sets=(2, 10)))
    refused = metadata.failed(begun, failure(relisted=(1, 2, 10), damaged_sets=(), database_refused=True))

    assert [(one["shard_sets"], one["sharded"], "shard_unlisted" in one) for one in (canceled, damaged, refused)] == [
        ([1, 2, 10], True, False),
        ([1], True, False),
        ([], False, False),
    ]


def test_a_later_run_does_not_answer_for_sets_that_a_dead_run_took_off_the_list():
    dead = metadata.started({"shard_sets": [1, 2], "sharded": True}, start(epoch=6, run="run-6", unlisted=(2,)))

    after = metadata.failed(metadata.started(dead, start()), failure(damaged_sets=(), problem=None))

    assert (after["shard_sets"], after["shard_unlisted"]) == ([1], [2])
    assert "shard_unlisted" not in metadata.committed(after, commit())


# Committed


def test_a_commit_tells_everything_about_the_new_layouts():
    assert metadata.committed({"source_version": "2025-01-01", "x": 1}, commit()) == {
        "db_name": "core_nt",
        "source_version": "2025-01-01",
        "sharded": True,
        "shard_sets": [1, 2, 10],
        "sharded_at": "2026-03-01T12:00:09+00:00",
        "sharding_in_progress": False,
        "shard_generation": "d" * 32,
        "shard_alias_version": 1,
        "shard_volume_count": 83,
        "shard_epoch": 7,
        "shard_operation_id": "run-7",
        "shard_source_version": "2025-01-01",
        "total_bytes": 5000,
        "file_count": 250,
        "total_letters": 10414,
        "total_sequences": 125,
        "bytes_to_cache": 2634,
        "bytes_total": 2923,
        "statistics": "njs",
        "x": 1,
    }


def test_a_successful_run_removes_the_errors_of_former_ones():
    after = metadata.committed({"sharding_error": "old", "shard_errors": {"2": "VolumeGap"}}, commit())

    assert {"sharding_error", "shard_errors"}.isdisjoint(after)


def test_the_size_of_a_database_that_grew_is_refreshed():
    after = metadata.committed({"total_bytes": 1, "file_count": 1}, commit())

    assert (after["total_bytes"], after["file_count"]) == (5000, 250)


def test_totals_of_a_former_generation_do_not_outlive_it():
    former = {"total_letters": 1, "total_sequences": 1, "bytes_to_cache": 1, "bytes_total": 1, "statistics": "njs"}

    after = metadata.committed(former, commit(statistics=None))

    assert after["statistics"] == "absent"
    assert {"total_letters", "total_sequences", "bytes_to_cache", "bytes_total"}.isdisjoint(after)


def test_totals_counted_from_the_volumes_say_so():
    after = metadata.committed({"bytes_total": 1}, commit(statistics=Statistics(sequences=2, letters=3, source="index")))

    assert (after["statistics"], after["total_sequences"], after["total_letters"]) == ("index", 2, 3)
    assert {"bytes_to_cache", "bytes_total"}.isdisjoint(after)


def test_the_version_of_the_layouts_is_the_databases_or_none():
    unversioned = Generation(source_version=None, digest="e" * 32)

    assert "shard_source_version" not in metadata.committed({"shard_source_version": "1"}, commit(generation=unversioned))


def test_a_partial_run_lists_what_is_complete_and_tells_what_is_not():
    after = metadata.committed({}, commit(good_sets=(1,), problem=FAILURES))

    assert (after["sharded"], after["shard_sets"]) == (True, [1])
    assert after["sharding_error"] == "PartialShardSets: The shard sets for N = 2, 10 failed."
    assert after["shard_errors"] == {"2": "WrittenByAnother", "10": "StorageUnavailable"}


def test_a_run_without_any_complete_set_leaves_the_database_unsharded():
    after = metadata.committed({"sharded": True, "shard_sets": [1]}, commit(good_sets=(), problem=FAILURES))

    assert (after["sharded"], after["shard_sets"]) == (False, [])


# Failed


def test_a_failure_keeps_the_sets_that_it_did_not_touch():
    before = {"sharded": True, "shard_sets": [1, 2, 10], "shard_generation": "a" * 32, "sharding_in_progress": True}

    after = metadata.failed(before, failure(damaged_sets=(2, 3)))

    assert (after["sharded"], after["shard_sets"]) == (True, [1, 10])
    assert after["shard_generation"] == "a" * 32
    assert after["sharding_in_progress"] is False
    assert after["sharding_error"] == "VolumeGap: 'core_nt' lacks core_nt.07."


def test_a_failure_that_touched_every_set_leaves_the_database_unsharded():
    after = metadata.failed({"sharded": True, "shard_sets": [1, 2]}, failure(damaged_sets=(1, 2)))

    assert (after["sharded"], after["shard_sets"]) == (False, [])


def test_a_canceled_run_leaves_no_error():
    after = metadata.failed({"sharding_error": "old", "shard_errors": {"2": "x"}, "shard_sets": [1]}, failure(problem=None))

    assert {"sharding_error", "shard_errors"}.isdisjoint(after)
    assert after["sharded"] is True


def test_an_error_is_stored_without_secrets_in_one_short_line():
    leaky = Problem(code=Code.INTERNAL_ERROR, message="https://a/b?sv=1&sig=abcdefghijkl\n" + "long " * 200)

    error = metadata.failed({}, failure(problem=leaky))["sharding_error"]

    assert "abcdefghijkl" not in error
    assert "\n" not in error
    assert len(error) <= 300


# The summary in the blob's headers


def summary_of(document):
    (name, value), *more = headers.summary(document).items()
    assert (name, more) == ("shardwarm", [])
    return value


def test_a_summary_has_what_a_listing_shows_and_nothing_else():
    document = metadata.committed(
        {"source_version": "2025-01-01", "field_of_another": "x", "copy_status": {"phase": "completed"}}, commit()
    )

    assert json.loads(summary_of(document)) == {
        "source_version": "2025-01-01",
        "file_count": 250,
        "total_bytes": 5000,
        "sharded": True,
        "shard_sets": [1, 2, 10],
        "shard_source_version": "2025-01-01",
        "shard_generation": "d" * 32,
        "shard_alias_version": 1,
        "sharding_in_progress": False,
        "copy_status": {"phase": "completed"},
        "shard_operation_id": document["shard_operation_id"],
        "statistics": document["statistics"],
        "total_letters": document["total_letters"],
        "total_sequences": document["total_sequences"],
        "form": 2,
    }


def test_a_summary_that_this_release_wrote_is_whole_and_an_older_one_is_not():
    assert headers.is_whole(headers.read(headers.summary({})))
    assert not headers.is_whole(headers.read({"shardwarm": '{"sharded":true}'}))


@pytest.mark.parametrize("found", [{}, {"other": "{}"}, {"shardwarm": "{"}, {"shardwarm": "[]"}, {"shardwarm": "7"}])
def test_headers_that_are_no_summary_are_none(found):
    assert headers.read(found) is None


@given(st.text(max_size=200), st.text(max_size=100))
def test_law_a_summary_can_be_a_header_whatever_was_written(error, version):
    document = {"sharding_error": error, "source_version": version}

    value = summary_of(document)

    assert value.isascii()
    assert value.isprintable()
    assert json.loads(value) == {**document, "form": 2}


@pytest.mark.parametrize("text", ["\x7f", "é", "\n\r\0", "🧬", '"\\'])
def test_characters_that_no_header_may_hold_are_escaped(text):
    value = summary_of({"sharding_error": text})

    assert value.isascii()
    assert value.isprintable()
    assert json.loads(value) == {"sharding_error": text, "form": 2}


def test_a_summary_of_the_longest_error_and_every_shard_count_fits_into_blob_headers():
    worst = Problem(code=Code.PARTIAL_SHARD_SETS, message="m" * 1000)
    document = metadata.committed(
        {"sharding_started_at": STARTED.isoformat()}, commit(good_sets=tuple(range(1, 33)), problem=worst)
    )

    assert len(summary_of(document)) < 1024
    assert len(summary_of(metadata.committed({}, commit()))) < 500


@pytest.mark.parametrize("field", ["source_version", "copy_status", "sharding_error"])
def test_a_summary_that_no_header_could_hold_is_left_out(field):
    assert headers.summary({field: "x" * 10_000}) == {}
