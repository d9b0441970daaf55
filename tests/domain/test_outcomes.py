"""What the uploads of a run add up to: true counts, and a problem that names every set that failed."""

from datetime import UTC, datetime

import pytest

from shared.blastdb.alias import LEGACY_ALIAS, WHOLE_ALIAS
from shared.blastdb.blobs import PRESETS
from shared.blastdb.generations import Generation
from shared.blastdb.layout import split
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet
from shared.errors import Code, Problem
from shared.runs.operations import Progress
from shared.runs.shard.outcome import flat, partial, progress, result
from shared.runs.shard.payloads import BlobIndices, Inspection, SetPlan, SetReceipt
from shared.runs.shard.result import ShardResult

GENERATION = Generation(source_version="2025-01-01", digest="d" * 32)
REFUSED = Problem(code=Code.WRITTEN_BY_ANOTHER, message="'x' was changed by another writer.", target="x")


def plan(shard_count, *, absent=0, differing=0):
    return SetPlan(
        layout=split([1] * 12, shard_count),
        absent=BlobIndices(manifests=tuple(range(absent))),
        differing=BlobIndices(aliases=tuple(range(differing))),
    )


def inspection(*sets, statistics=None, skipped=()):
    return Inspection(
        volumes=VolumeSet(db="core_nt", molecule="nucl", count=12, digits=2),
        generation=GENERATION,
        statistics=statistics,
        total_bytes=1200,
        file_count=40,
        sets=sets,
        skipped=skipped,
        alias_version=WHOLE_ALIAS,
        last_change=datetime(2026, 3, 1, tzinfo=UTC),
    )


def test_a_problem_inside_a_receipt_comes_out():
    assert flat(SetReceipt(shard_count=2, problem=REFUSED)) == REFUSED
    assert flat(REFUSED) == REFUSED


def test_a_receipt_without_a_problem_stays_a_receipt():
    assert flat(SetReceipt(shard_count=2, written=4)) == SetReceipt(shard_count=2, written=4)


def test_a_run_whose_sets_are_all_complete_has_no_problem():
    assert partial({}) is None
    assert partial({1: SetReceipt(shard_count=1), 2: SetReceipt(shard_count=2)}) is None


def test_a_partial_run_names_every_set_that_failed_and_why():
    storage = Problem(code=Code.STORAGE_UNAVAILABLE, message="Storage did not answer.")

    problem = partial({1: SetReceipt(shard_count=1), 2: REFUSED, 10: storage})

    assert problem.code is Code.PARTIAL_SHARD_SETS
    assert "N = 2, 10 failed" in problem.message
    assert [(detail.target, detail.code) for detail in problem.details] == [
        ("2", Code.WRITTEN_BY_ANOTHER),
        ("10", Code.STORAGE_UNAVAILABLE),
    ]


def test_a_partial_run_details_as_many_failures_as_there_are_default_presets_and_names_all():
    failures = {count: REFUSED.model_copy(update={"message": "m" * 1000}) for count in range(1, 33)}

    problem = partial(failures)

    assert len(problem.details) == len(PRESETS)
    assert all(len(detail.message) <= 120 for detail in problem.details)
    assert all(f" {count}," in problem.message for count in range(1, 32))
    assert " 32 failed" in problem.message


def test_the_details_of_a_partial_run_hold_no_secrets():
    leaky = REFUSED.model_copy(update={"message": "https://a/b?sv=1&sig=abcdefghijkl refused"})

    assert "abcdefghijkl" not in partial({3: leaky}).details[0].message


def test_progress_counts_sets_that_had_nothing_to_write_as_done_from_the_start():
    look = inspection(plan(1), plan(2, absent=2), plan(3, absent=3, differing=3))

    assert progress("uploading", look, []) == Progress(phase="uploading", presets_total=3, presets_done=1, blobs_total=8)


def test_progress_counts_what_was_written_and_what_failed():
    look = inspection(plan(1), plan(2, absent=2), plan(3, absent=3, differing=3))

    seen = progress("uploading", look, iter([SetReceipt(shard_count=2, written=2), REFUSED]))

    assert seen == Progress(phase="uploading", presets_total=3, presets_done=2, presets_failed=1, blobs_total=8, blobs_done=2)


def test_the_result_of_a_run_that_wrote_some_blobs():
    statistics = Statistics(sequences=3, letters=40, source="index")
    look = inspection(plan(1), plan(2, absent=2), plan(3, differing=1), statistics=statistics, skipped=(15,))

    achieved = result(
        look, [SetReceipt(shard_count=2, written=2), SetReceipt(shard_count=3, written=1)], removed=4, outcome="sharded"
    )

    assert achieved == ShardResult(
        outcome="sharded",
        db="core_nt",
        volumes=12,
        shard_sets=(1, 2, 3),
        skipped=(15,),
        blobs_written=3,
        blobs_unchanged=2 * (1 + 2 + 3) - 3,
        orphans_removed=4,
        statistics="index",
        generation=GENERATION,
    )


@pytest.mark.parametrize(("source", "told"), [("njs", "njs"), ("index", "index"), (None, "absent")])
def test_the_result_says_where_the_totals_in_the_aliases_come_from(source, told):
    statistics = Statistics(sequences=3, letters=40, source=source) if source else None

    assert result(inspection(plan(1), statistics=statistics), [], removed=0, outcome="unchanged").statistics == told


def test_the_result_warns_of_searches_that_are_not_exact():
    statistics = Statistics(sequences=3, letters=40, source="njs")
    without = inspection(plan(1))
    two_lines = inspection(plan(1), statistics=statistics).model_copy(update={"alias_version": LEGACY_ALIAS})

    warnings = [result(look, [], removed=0, outcome="sharded").warnings for look in (without, two_lines)]

    assert [("totals of 'core_nt' are unknown" in told, "two-line form" in told) for (told,) in warnings] == [
        (True, False),
        (False, True),
    ]


def test_a_run_that_found_everything_right_wrote_nothing_and_left_everything():
    achieved = result(inspection(plan(1), plan(10)), [], removed=0, outcome="unchanged")

    assert (achieved.blobs_written, achieved.blobs_unchanged) == (0, 22)


@pytest.mark.parametrize(
    ("changed", "done"),
    [
        ({}, True),
        ({"current": False}, False),
        ({"marked": True}, False),
        ({"orphans": (10,)}, False),
        ({"sets": (plan(1), plan(2, absent=1))}, False),
        ({"sets": (plan(1), plan(2, differing=1))}, False),
    ],
)
def test_there_is_nothing_to_do_only_when_storage_and_metadata_both_say_so(changed, done):
    look = inspection(plan(1), plan(2)).model_copy(update={"current": True} | changed)

    assert look.is_done is done
