"""Laws of a copy: every byte belongs to one lane, ETags are believed as far as they tell, and metadata is true at each step."""

import itertools
from datetime import UTC, datetime, timedelta
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.volumes import is_file_of
from shared.copying.pieces import block_count, block_id, block_range, lane_of, pieces_of
from shared.errors import Code, Conflict, Problem
from shared.ncbi.etags import Digests, PartDigests, parts_of
from shared.runs.database import metadata
from shared.runs.database.updates import is_whole, marked, refuse_foreign_update
from shared.runs.prepare.payloads import CopyPlan, CopyReceipt, CopySteering, MarkUpdate, SourceFile, Stage
from shared.runs.prepare.rounds import add_up, advanced, given_up, left_over, why_to_end

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BLOCK = 1000
SIZES = st.lists(st.integers(0, 2_000_000), max_size=8)


def files_of(sizes):
    return [SourceFile(leaf=f"db.{number:02d}.nsq", size_bytes=size, etag="e") for number, size in enumerate(sizes)]


@given(sizes=SIZES, lanes=st.integers(1, 9))
def test_every_block_of_every_file_belongs_to_exactly_one_lane(sizes, lanes):
    files = files_of(sizes)
    pieces = pieces_of(files, BLOCK)
    dealt = [piece for lane in range(lanes) for piece in lane_of(pieces, lane, lanes)]
    blocks = [(piece.file.leaf, number) for piece in dealt for number in range(piece.first, piece.stop)]
    assert sorted(blocks) == [(file.leaf, number) for file in files for number in range(block_count(file, BLOCK))]
    assert sorted(piece.file.leaf for piece in dealt if piece.is_first) == [file.leaf for file in files]


@given(size=st.integers(0, 3_000_000))
def test_blocks_cover_a_file_without_a_gap_or_an_overlap(size):
    (file,) = files_of([size])
    end = 0
    for number in range(block_count(file, BLOCK)):
        offset, length = block_range(file, number, BLOCK)
        assert (offset, length <= BLOCK) == (end, True)
        end = offset + length
    assert end == size


def test_block_ids_sort_by_number_are_equally_long_and_tell_block_sizes_apart():
    ids = [block_id(number, size) for size in (1024, 64 * 1024 * 1024) for number in (0, 9, 10, 49_999)]
    assert len({len(one) for one in ids}) == 1
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)


def etag_of(data, part_bytes):
    """As S3 documents it: an MD5 over the MD5s of the parts, and their count."""
    parts = [data[first : first + part_bytes] for first in range(0, len(data), part_bytes)] or [b""]
    return f"{md5(b''.join(md5(part).digest() for part in parts)).hexdigest()}-{len(parts)}"


def agreed(etag, data, told, cuts=()):
    """The verdict on a content that comes in pieces."""
    digests = Digests(parts_of(etag, len(data), told))
    for first, stop in itertools.pairwise([0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]):
        digests.update(data[first:stop])
    assert digests.md5 == md5(data).hexdigest()
    return digests.agree(etag)


@given(data=st.binary(), other=st.binary(), part=st.integers(1, 40), cuts=st.lists(st.integers(0, 200)))
def test_content_is_told_from_any_other_by_a_plain_etag_and_by_one_over_parts(data, other, part, cuts):
    for etag, told in ((md5(data).hexdigest(), None), (etag_of(data, max(1, len(data))), None), (etag_of(data, part), part)):
        assert agreed(etag, data, told, cuts) is True
        if len(other) == len(data):
            assert agreed(etag, other, told, cuts) is (data == other)


@given(data=st.binary(min_size=1), part=st.integers(1, 40), at=st.integers(0, 20), cut=st.integers(0, 200))
def test_digests_of_parts_are_continued_where_they_were_left(data, part, at, cut):
    first, second = (
        PartDigests(part),
        PartDigests(part, [md5(data[n * part :][:part]).digest() for n in range(len(data) // part)]),
    )
    first.update(data[:cut])
    known = first.whole[:at]
    resumed = PartDigests(part, known)
    resumed.update(data[len(known) * part :])
    second.update(data[len(second.whole) * part :])
    assert resumed.etag() == second.etag() == etag_of(data, part)


MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("size", "count", "told", "sizes", "is_sure"),
    [
        (3_000_000_000, 358, 8 * MIB, (8 * MIB,), True),
        (3_000_000_000, 358, None, (8 * MIB,), False),
        (3_000_000_000, 358, 3_000_000_000, (8 * MIB,), False),  # a source that passes over what it is asked
        (3_000_000_000, 358, 0, (8 * MIB,), False),
        (100 * MIB, 2, None, (64 * MIB, 50 * MIB, 51 * MIB, 52 * MIB), False),
        (2500, 3, None, (), False),
        (2500, 1, None, (2500,), True),
        (0, 1, None, (1,), True),
    ],
)
def test_part_size_is_the_one_that_is_told_or_one_of_a_few_that_are_usual(size, count, told, sizes, is_sure):
    assert parts_of("0" * 32 + f"-{count}", size, told) == (sizes, is_sure)


def test_etag_that_nothing_explains_tells_nothing():
    data = bytes(3 * MIB)
    assert agreed(etag_of(data, 2 * MIB), data, None) is True
    assert agreed(etag_of(data, MIB + 1), data, None) is None
    assert agreed("what-is-this", data, None) is None


@pytest.mark.parametrize(
    ("leaf", "is_one"),
    [
        ("nt.nal", True),
        ("nt.000.nsq", True),
        ("nt_euk.nal", False),
        ("nt.00.tar.gz", False),
        ("nt.00.nsq.md5", False),
        ("nt", False),
        ("xnt.nal", False),
        ("nt.nal\n", False),
    ],
)
def test_file_belongs_to_exactly_one_database(leaf, is_one):
    assert is_file_of("nt", leaf) is is_one


def test_digest_of_a_plan_tells_contents_apart_and_not_the_order_or_what_is_kept():
    one, two = files_of([1, 2])
    plan = CopyPlan(db="db", source_version="s", files=(one, two))
    same = CopyPlan(db="db", source_version="s", files=(two, one.model_copy(update={"kept": True})))
    other = CopyPlan(db="db", source_version="s", files=(one, two.model_copy(update={"etag": "f"})))
    assert plan.digest == same.digest != other.digest


def test_round_is_done_when_every_lane_is():
    done, open_ = CopyReceipt(is_done=True, files_done=1, bytes_done=5), CopyReceipt(files_done=1, bytes_done=2, failed=1)
    assert add_up([]).is_done is False
    assert add_up([done, open_]).is_done is False
    assert add_up([done, done], files_kept=3, bytes_kept=10) == add_up([]).model_copy(
        update={"is_done": True, "files_done": 5, "bytes_done": 20}
    )


def test_round_that_ends_a_file_of_no_bytes_is_no_standstill_and_one_that_only_fails_is():
    before = add_up([CopyReceipt(files_done=1, bytes_done=5)])
    ended = add_up([CopyReceipt(files_done=2, bytes_done=5)])
    assert advanced(STAGE, before, ended, [], NOW).stuck == 0
    assert advanced(STAGE, before, before, [CopyReceipt(failed=1)], NOW).stuck == 1
    assert advanced(STAGE, None, before, [], NOW).stuck == 0


def test_copies_that_storage_is_at_are_no_standstill_and_are_bounded_by_the_time_since_one_ended():
    steering, later = CopySteering(pending_seconds=3600), NOW + timedelta(minutes=61)
    one, two = (add_up([CopyReceipt(files_done=done, bytes_done=5, pending=3)]) for done in (1, 2))
    stage = advanced(STAGE, None, one, [], NOW)
    stage = advanced(stage, one, one, [], NOW + timedelta(minutes=30))
    assert (stage.stuck, stage.pending_since) == (0, NOW)
    assert why_to_end("db", stage, one, steering, 1, NOW + timedelta(minutes=59)) is None
    problem = why_to_end("db", stage, one, steering, 1, later)
    assert (problem.code, "3 files of 'db'" in problem.message) == (Code.STORAGE_UNAVAILABLE, True)
    assert why_to_end("db", advanced(stage, one, two, [], later), two, steering, 1, later) is None


def test_every_lane_looks_again_once_a_file_failed():
    done, open_ = CopyReceipt(is_done=True), CopyReceipt()
    assert left_over({0: done, 1: open_}, 3) == [1, 2]
    assert left_over({0: done, 1: open_.model_copy(update={"failed": 1}), 2: done}, 3) == [0, 1, 2]


def test_run_that_gives_up_names_files_and_the_first_cause():
    failure = Problem(code=Code.VERIFICATION_FAILED, message="differs", target="db.00.nsq")
    problem = given_up("db", add_up([CopyReceipt(failed=7, failures=(failure,))]))
    assert (problem.code, problem.target) == (Code.VERIFICATION_FAILED, "db")
    assert [detail.target for detail in problem.details] == ["db.00.nsq"]
    assert given_up("db", add_up([])).code is Code.SOURCE_UNAVAILABLE


# Metadata

STAGE = Stage(source_version="new", digest="d" * 32, step="copying", files_total=10, bytes_total=100, files_done=4, bytes_done=40)
INTACT = STAGE.model_copy(update={"is_intact": True})
OLD = {
    "db_name": "db",
    "source_version": "old",
    "sharded": True,
    "shard_sets": [1, 2],
    "shard_source_version": "old",
    "total_letters": 5,
    "shard_epoch": 3,
    "shard_operation_id": "shard-db-1-3",
    "foreign": {"kept": True},
}


def mark(step, stage=INTACT, *, epoch=4, run="prepare-db-1-4", problem=None):
    return MarkUpdate(account="a", db="db", run=run, epoch=epoch, moment=NOW, step=step, stage=stage, problem=problem)


def whole(document):
    return is_whole(metadata.fields("db", document))


def test_begun_update_keeps_all_of_the_old_generation_and_leaves_it_usable():
    document = marked(OLD, mark("copying"))
    assert {**document, **OLD} == {**document, "shard_epoch": 3}
    assert document["update_in_progress"] is True
    assert document["updating_to_source_version"] == "new"
    assert whole(document)
    assert not whole(marked({}, mark("copying", STAGE)))


def test_promotion_unlists_the_shard_sets_before_anything_is_mixed():
    document = marked(marked(OLD, mark("copying")), mark("promoting"))
    assert (document["sharded"], document["shard_sets"], document["promoting_source_version"]) == (False, [], "new")
    assert "total_letters" not in document
    assert document["source_version"] == "old"
    assert not whole(document)


def test_beginning_that_is_told_late_once_more_does_not_call_two_generations_whole():
    promoting = marked(marked(OLD, mark("copying")), mark("promoting"))
    assert not whole(marked(promoting, mark("copying")))


def test_promoted_generation_is_published_in_one_write():
    document = marked(marked(marked(OLD, mark("copying")), mark("promoting")), mark("promoted"))
    assert (document["source_version"], document["previous_source_version"]) == ("new", "old")
    assert (document["update_in_progress"], document["copy_status"]["phase"]) == (False, "completed")
    assert not {"updating_to_source_version", "promoting_source_version"} & document.keys()
    assert document["foreign"] == {"kept": True}
    assert whole(document)


@pytest.mark.parametrize(
    ("step", "stage", "phase", "usable"),
    [
        ("failed", INTACT, "partial", True),
        ("failed", STAGE, "partial", False),
        ("failed", STAGE.model_copy(update={"files_done": 0}), "init_failed", False),
        ("failed", INTACT.model_copy(update={"step": "promoting"}), "partial", False),
        ("canceled", INTACT, "cancelled", True),
        ("canceled", STAGE, "cancelled", False),
    ],
)
def test_update_that_ended_early_says_whether_what_is_in_place_is_whole(step, stage, phase, usable):
    problem = Problem(code=Code.SOURCE_REFUSED, message="no") if step == "failed" else None
    document = marked(marked(OLD, mark("copying", stage)), mark(step, stage, problem=problem))
    assert (document["copy_status"]["phase"], document["update_in_progress"]) == (phase, False)
    assert whole(document) is usable
    assert ("update_error" in document) is (step == "failed")


@pytest.mark.parametrize("step", ["copying", "promoting", "promoted", "failed", "canceled"])
def test_run_of_a_lower_epoch_writes_nothing(step):
    with pytest.raises(Conflict) as caught:
        marked({**OLD, "shard_epoch": 5}, mark(step))
    assert caught.value.problem.code is Code.LEASE_LOST


def test_step_that_comes_again_after_the_end_is_refused():
    ended = marked(marked(OLD, mark("copying")), mark("canceled"))
    with pytest.raises(Conflict) as caught:
        marked(ended, mark("copying"))
    assert caught.value.problem.code is Code.OPERATION_ENDED


@pytest.mark.parametrize("steps", [["copying"], ["copying", "promoting"], ["copying", "promoting", "promoted"]])
def test_step_that_is_repeated_changes_nothing(steps):
    document = OLD
    for step in steps:
        document = marked(document, mark(step))
    assert marked(document, mark(steps[-1])) == document


@pytest.mark.parametrize(
    ("document", "is_refused"),
    [
        ({}, False),
        ({"update_in_progress": True, "update_started_at": (NOW - timedelta(minutes=119)).isoformat()}, True),
        ({"update_in_progress": True, "update_started_at": (NOW - timedelta(minutes=121)).isoformat()}, False),
        ({"update_in_progress": True, "update_started_at": "soon"}, False),
        ({"update_in_progress": True, "update_started_at": "2026-11-21T11:59:00"}, True),
        ({"update_in_progress": False, "update_started_at": NOW.isoformat()}, False),
        (marked(OLD, mark("copying")), False),
    ],
)
def test_update_of_the_replaced_system_is_waited_for_two_hours_and_our_own_never(document, is_refused):
    if is_refused:
        with pytest.raises(Conflict):
            refuse_foreign_update("db", document, NOW)
    else:
        refuse_foreign_update("db", document, NOW)
