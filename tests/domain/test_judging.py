"""One database judged by its part of a listing; the damage itself is done for real in tests/orchestrators."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from benchmarks.fleet import sound
from shared.blastdb.listings import ListedBlob, md5_hex
from shared.runs.database import headers, metadata
from shared.runs.reconcile.drift import Stored, judge
from shared.runs.reconcile.payloads import Terms

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TERMS = Terms(presets=(1, 2), quiet_seconds=600, again_seconds=3600)


def stored(*, minutes=60, copying=False, **known) -> Stored:
    """A database that is well, but for what is changed in its metadata."""
    blobs = sound("nt")
    control = blobs.pop("nt-metadata.json")
    summary = headers.read(control.headers)
    modified = NOW - timedelta(minutes=minutes)
    listed = [ListedBlob(name, len(blob.data), md5_hex(blob.data), name, modified, {}) for name, blob in blobs.items()]
    files = [blob for blob in listed if blob.name.startswith("nt/")]
    files[0] = files[0]._replace(copying=copying)
    return Stored(
        db="nt",
        files=files,
        layouts=[blob for blob in listed if not blob.name.startswith("nt/")],
        known=metadata.fields("nt", {**summary, **known}),
        described_at=modified,
        is_described=True,
    )


def without(judged, *endings):
    return judged._replace(files=[blob for blob in judged.files if not blob.name.endswith(endings)])


STALE = {"shard_generation": "0" * 32}


def test_what_is_well_is_not_spoken_of():
    assert judge(stored(), TERMS, NOW) is None


PROMOTING = {"promoting_source_version": "v2", "copy_status": {"phase": "copying"}, "sharded": False, "shard_sets": []}


@pytest.mark.parametrize("hours", [0, 1, 100])
def test_a_promotion_that_was_begun_is_to_be_finished_however_old_it_is(hours):
    started = (NOW - timedelta(hours=hours)).isoformat()
    found = judge(stored(update_in_progress=True, update_started_at=started, **PROMOTING), TERMS, NOW)

    assert (found.reason, found.prepare, found.shard, found.source_version) == ("promotion", True, False, "v2")
    assert (found.correct, found.presets) == (True, (1, 2))


@pytest.mark.parametrize(("minutes", "reason"), [(59, "failed"), (61, "promotion")])
def test_a_promotion_that_failed_is_repeated_after_a_while(minutes, reason):
    found = judge(stored(minutes=minutes, **PROMOTING), TERMS, NOW)

    assert (found.reason, found.prepare) == (reason, reason == "promotion")


def test_a_promotion_that_is_lost_is_only_told_of_however_long_ago_that_was_found_out():
    lost = {**PROMOTING, "copy_status": {"phase": "partial", "reason": "PromotionLost"}}
    found = judge(stored(minutes=10000, **lost), TERMS, NOW)

    assert (found.reason, found.correct, found.prepare, found.shard) == ("promotion", False, False, False)
    assert "v2" in found.detail
    assert "prepare-db with the newest snapshot" in found.detail


def test_what_is_stale_is_sharded_with_every_preset():
    found = judge(stored(**STALE), TERMS, NOW)

    assert (found.reason, found.shard, found.correct, found.presets, found.molecule) == ("stale", True, False, (1, 2), "nucl")


@pytest.mark.parametrize(
    "judged",
    [
        stored(minutes=9, **STALE),
        stored(copying=True, **STALE),
        stored(update_in_progress=True, update_started_at=(NOW - timedelta(hours=1)).isoformat(), **STALE),
        stored(sharding_in_progress=True, sharding_started_at=(NOW - timedelta(minutes=9)).isoformat(), **STALE),
    ],
    ids=["young", "being copied", "being prepared", "being sharded"],
)
def test_what_somebody_is_at_work_on_is_left_alone(judged):
    assert judge(judged, TERMS, NOW) is None


@pytest.mark.parametrize(("minutes", "reason", "shard"), [(59, "failed", False), (61, "metadata", True)])
def test_run_that_failed_is_repeated_after_a_while(minutes, reason, shard):
    found = judge(stored(minutes=minutes, sharding_error="StorageUnavailable: x"), TERMS, NOW)

    assert (found.reason, found.shard) == (reason, shard)


def test_database_too_small_for_every_preset_is_only_told_of():
    found = judge(stored(**STALE), Terms(presets=(8, 10)), NOW)

    assert (found.reason, found.shard) == ("refused", False)
    assert found.detail.startswith("NoPresetFits")


def test_folder_that_nobody_called_a_database_is_not_spoken_of():
    folder = without(stored(), ".nsq", ".nin", ".nhr", ".ndb", ".njs")

    assert judge(folder._replace(known=None, layouts=[]), TERMS, NOW) is None


def test_metadata_that_something_else_wrote_is_described_and_no_more():
    found = judge(stored()._replace(is_described=False), TERMS, NOW)

    assert (found.reason, found.correct, found.shard) == ("headers", True, False)


def test_mark_and_what_is_wrong_besides_are_healed_in_one_pass():
    marked = stored(sharding_in_progress=True, sharding_started_at=(NOW - timedelta(hours=1)).isoformat(), **STALE)

    found = judge(marked, TERMS, NOW)

    assert (found.reason, found.correct, found.shard, found.presets) == ("mark", True, True, (1, 2))


HALF_IN_PLACE = {"update_in_progress": True, "promoting_source_version": "2026-01-01", "copy_status": {"phase": "copying"}}


@pytest.mark.parametrize("phase", ["partial", "cancelled", "init_failed"])
def test_old_generation_that_an_ended_update_did_not_touch_is_judged_as_any_other(phase):
    status = {"phase": phase, "untouched": True}

    assert judge(stored(copy_status=status), TERMS, NOW) is None
    assert judge(stored(copy_status=status, **STALE), TERMS, NOW).shard
    assert judge(stored(copy_status={"phase": phase}, **STALE), TERMS, NOW).reason == "refused"


def test_summary_tells_all_that_the_judge_asks_for():
    document = {**json.loads(sound("nt")["nt-metadata.json"].data), **HALF_IN_PLACE, "update_started_at": NOW.isoformat()}

    told = metadata.fields("nt", headers.read(headers.summary(document)))
    asked = set(metadata.ShardFields.model_fields) - {"shard_epoch"}

    assert {name: getattr(told, name) for name in asked} == {
        name: getattr(metadata.fields("nt", document), name) for name in asked
    }


@pytest.mark.parametrize("part", ["files", "layouts"])
def test_a_database_with_archived_files_is_told_and_left_alone(part):
    healthy = stored(**STALE)
    first, *others = getattr(healthy, part)

    found = judge(healthy._replace(**{part: [first._replace(obstacle="archived"), *others]}), TERMS, NOW)

    assert (found.reason, found.can_be_repaired) == ("refused", False)
    assert f"archive tier (1): {first.name}" in found.detail
