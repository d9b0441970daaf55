"""The replaced system's shard sets: recognised when they are whole, and then left alone by passes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.generations import Generation
from shared.blastdb.listings import ListedBlob, md5_hex
from shared.blastdb.volumes import VolumeSet
from shared.runs.database import metadata
from shared.runs.database.layout_history import present, previous
from shared.runs.database.layouts import StoredSet, texts
from shared.runs.database.legacy import is_legacy, legacy_layouts, with_legacy
from shared.runs.reconcile.drift import Stored, judge
from shared.runs.reconcile.payloads import Terms
from shared.runs.shard.legacy import LegacySets
from tests.builders import alias, database, manifest
from tests.replaced import PRESETS, replaced_metadata, replaced_sets

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def listed(blobs):
    return [ListedBlob(name, len(data), md5_hex(data), name, NOW - timedelta(hours=1), {}) for name, data in blobs.items()]


def volumes(count, digits=2, molecule="nucl"):
    return VolumeSet(db="nt", molecule=molecule, count=count, digits=digits)


def recognised(count, blobs=None, *, molecule="nucl", digits=2, **known):
    """The cut points by shard count."""
    stored = listed(replaced_sets("nt", count, digits=digits) if blobs is None else blobs)
    fields = metadata.fields("nt", replaced_metadata("nt", count, **known))
    sets = {number: StoredSet("nt", number, stored) for number in fields.shard_sets}
    found = legacy_layouts(fields, volumes(count, digits, molecule), sets)
    return {layout.shard_count: layout.cuts for layout in found}


def test_whole_sets_are_recognised_with_their_own_cut_points():
    cuts = recognised(83)

    assert tuple(cuts) == PRESETS
    assert cuts[10] == (0, 9, 18, 27, 36, 45, 54, 63, 72, 81, 83)


@given(st.integers(1, 130), st.sampled_from([1, 2, 3]))
def test_law_whatever_the_replaced_system_makes_is_recognised_and_its_texts_follow_byte_for_byte(count, digits):
    blobs = replaced_sets("nt", count, digits=digits)
    stored = listed(blobs)
    fields = metadata.fields("nt", replaced_metadata("nt", count))
    found = legacy_layouts(fields, volumes(count, digits), {n: StoredSet("nt", n, stored) for n in fields.shard_sets})

    made = {name: data for layout in found for name, data in texts(volumes(count, digits), layout, None, 0).items()}
    assert made == blobs


@pytest.mark.parametrize(
    "damage",
    [
        {manifest("nt", 10, 9): None},
        {alias("nt", 10, 9): None},
        {manifest("nt", 10, 9): b"nt.81\nnt.81\n"},
        {manifest("nt", 10, 9): b"nt.82\nnt.81\n"},
        {manifest("nt", 10, 9): b"nt.81\n", alias("nt", 10, 9): b"TITLE nt_shard_09\nDBLIST /blast/blastdb/nt.81\n"},
        {alias("nt", 10, 9): b"TITLE nt_shard_09\nDBLIST /blast/blastdb/nt.81\n"},
        {manifest("nt", 1, 0): b""},
    ],
    ids=["no manifest", "no alias", "one twice", "out of order", "one lost", "one lost in the alias", "empty"],
)
def test_sets_that_would_lose_a_volume_are_not(damage):
    blobs = {**replaced_sets("nt", 83), **damage}

    assert recognised(83, {name: data for name, data in blobs.items() if data is not None}) == {}


def test_sets_of_other_volumes_are_not():
    assert recognised(84, replaced_sets("nt", 83)) == {}
    assert recognised(82, replaced_sets("nt", 83)) == {}
    assert recognised(83, shard_source_version="2026-01-01-01-05-02") == {}


def test_protein_sets_are_only_with_aliases_that_blast_opens():
    assert recognised(12, replaced_sets("nt", 12), molecule="prot") == {}
    assert 10 not in recognised(12, replaced_sets("nt", 12, extension="pal"), molecule="prot")
    assert 4 in recognised(12, replaced_sets("nt", 12, extension="pal"), molecule="prot")


@pytest.mark.parametrize(
    "field", [{"shard_generation": "d" * 32}, {"shard_alias_version": 0}, {"sharded": False}, {"shard_sets": []}]
)
def test_what_this_app_published_is_not_the_replaced_systems(field):
    assert not is_legacy(metadata.fields("nt", replaced_metadata("nt", 12, **field)))


# Passes


TERMS = Terms(presets=PRESETS, quiet_seconds=600, again_seconds=3600)


def stored(*, is_described=True, blobs=None, **known):
    files = database("nt", 12)
    return Stored(
        db="nt",
        files=listed(files),
        layouts=listed(replaced_sets("nt", 12) if blobs is None else blobs),
        known=metadata.fields("nt", replaced_metadata("nt", 12, **known)),
        described_at=NOW - timedelta(hours=1),
        is_described=is_described,
    )


def test_a_pass_tells_whole_sets_and_changes_nothing():
    found = judge(stored(), TERMS, NOW)

    assert (found.reason, found.can_be_repaired) == ("legacy", False)
    assert "shard it to renew them" in found.detail


def test_a_pass_completes_headers_and_still_changes_no_set():
    found = judge(stored(is_described=False), TERMS, NOW)

    assert (found.reason, found.correct, found.shard) == ("headers", True, False)


def test_the_setting_has_a_pass_renew_them():
    found = judge(stored(), TERMS.model_copy(update={"renew_legacy": True}), NOW)

    assert (found.shard, found.presets) == (True, PRESETS)


def test_a_pass_repairs_what_is_not_whole():
    blobs = replaced_sets("nt", 12)
    del blobs[manifest("nt", 4, 3)]

    assert judge(stored(blobs=blobs), TERMS, NOW).shard
    assert judge(stored(shard_source_version="2026-01-01-01-05-02"), TERMS, NOW).shard


# The record


def test_the_layout_is_recorded_once_and_with_its_own_moment():
    document = replaced_metadata("nt", 83)
    layouts = legacy_layouts(
        metadata.fields("nt", document), volumes(83), {n: StoredSet("nt", n, listed(replaced_sets("nt", 83))) for n in PRESETS}
    )
    sets = LegacySets(
        generation=Generation(source_version=None, digest="d" * 32), volumes=volumes(83), statistics=None, layouts=layouts
    )

    once = with_legacy(document, sets, (), NOW)

    (record,) = present(once)
    assert (record.form, record.sharded_at, set(record.layouts)) == (0, datetime(2026, 5, 20, 10, tzinfo=UTC), set(PRESETS))
    assert with_legacy(once, sets, (), NOW) == once
    assert previous(once) == ()
    assert present(with_legacy({**document, "sharded_at": "?"}, sets, (), NOW))[0].sharded_at == NOW
