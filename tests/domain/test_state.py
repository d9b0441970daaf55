"""One judge: what a database must be, and whether it is that. Every caller gives the same answer to the same database.

Four judges stood here before, and they disagreed. `CASES` has every kind of difference, what each of them used to say, what is
said now, and why. "run" is a shard run's inspection, "settle" the end of an upload, "pass" a reconcile pass, "certificate" what
`verify` answers, "page" one database's document.
"""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fleet import sound
from shared.blastdb.certificate import Facts, certify
from shared.blastdb.generations import Generation, digest_of
from shared.blastdb.layout import split
from shared.blastdb.listings import ListedBlob, inventory_of, md5_hex
from shared.blastdb.statistics import Statistics
from shared.runs.database import headers, metadata
from shared.runs.database.inspection import inspection_of
from shared.runs.database.layouts import StoredSet
from shared.runs.database.state import DatabaseState, expected, is_current, metadata_findings, recorded_statistics
from shared.runs.reconcile.drift import Stored, judge
from shared.runs.reconcile.payloads import Terms
from shared.runs.replies import views
from shared.runs.shard.payloads import Inspect

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BLOBS = sound("nt")
SUMMARY = headers.read(BLOBS["nt-metadata.json"].headers)
LISTED = [
    ListedBlob(name, len(blob.data), md5_hex(blob.data), name, NOW - timedelta(hours=1), {})
    for name, blob in BLOBS.items()
    if name != "nt-metadata.json"
]
FILES = [blob for blob in LISTED if blob.name.startswith("nt/")]
LAYOUTS = [blob for blob in LISTED if not blob.name.startswith("nt/")]
INVENTORY = inventory_of("nt", FILES)
KNOWN = metadata.fields("nt", SUMMARY)
GENERATION = Generation(source_version=KNOWN.source_version, digest=digest_of(INVENTORY.files))
STATISTICS = Statistics(sequences=KNOWN.total_sequences, letters=KNOWN.total_letters, source=KNOWN.statistics)

CASES = {
    # name: (change to the metadata, was current for run/settle/pass/certificate, is current now)
    # All agreed, and still do.
    "nothing differs": ({}, "yes yes yes yes", True),
    "another generation": ({"shard_generation": "0" * 32}, "no no no no", False),
    "another version": ({"shard_source_version": "v0"}, "no no no no", False),
    "not sharded": ({"sharded": False}, "no no no no", False),
    "a run failed": ({"sharding_error": "InternalError: x"}, "no no no no", False),
    # The settle looked at the generation only, so that an upload which changed nothing left these untrue until the next pass.
    # They are untrue of what is stored, whoever looks.
    "bytes are wrong": ({"total_bytes": 1}, "no yes no no", False),
    "files are miscounted": ({"file_count": 1}, "no yes no no", False),
    "statistics of an unknown kind": ({"statistics": "guessed"}, "no yes no no", False),
    # The pass took totals that nobody could use for absent ones, and then called right aliases damaged.
    "no letters": ({"total_letters": None}, "no yes damaged no", False),
    "no sequences": ({"total_sequences": 0}, "no yes damaged no", False),
    # The pass did not compare totals beside `absent`. Consumers read them, so they must not be there.
    "totals beside absent statistics": ({"statistics": "absent"}, "no yes damaged no", False),
    # A set that cannot be was a fault for the pass and the certificate; the settle did not look.
    "lists a set that cannot be": ({"shard_sets": (1, 2, 9)}, "no yes no no", False),
    # Order and repetitions confuse readers that take the first or the last.
    "lists a set twice": ({"shard_sets": (1, 2, 2)}, "no yes yes yes", False),
    # A layout of the former release has aliases that are not exact for ungapped searches; one run renews it.
    "aliases of the former form": ({"shard_alias_version": 1}, "yes yes yes yes", False),
    "aliases of a form that was not told": ({"shard_alias_version": None}, "yes yes yes yes", False),
    # The mark of a run in progress was asked of separately by run and pass.
    "a run is marked": (
        {"sharding_in_progress": True, "sharding_started_at": "x", "shard_started_at": "x"},
        "no no no no",
        False,
    ),
}


def state(**changes):
    known = KNOWN.model_copy(update=changes)
    stored = {count: StoredSet("nt", count, LAYOUTS) for count in (1, 2)}
    return DatabaseState({}, "etag", known, INVENTORY, GENERATION, STATISTICS, stored)


def target(statistics, counts):
    return expected(INVENTORY, statistics, counts, legacy_alias=False, record=None)


def run_says(changes):
    request = Inspect(account="acct", db="nt", presets=(1, 2))
    return inspection_of(request, state(**changes), NOW).is_done


def settle_says(changes):
    known = KNOWN.model_copy(update=changes)
    return is_current(known, GENERATION, target(recorded_statistics(known), known.shard_sets))


def pass_says(changes):
    known = KNOWN.model_copy(update=changes)
    stored = Stored("nt", FILES, LAYOUTS, known, NOW - timedelta(hours=1), is_described=True)
    return judge(stored, Terms(presets=(1, 2), quiet_seconds=600, again_seconds=0), NOW) is None


def certificate_says(changes):
    seen = state(**changes)
    wanted = target(STATISTICS, seen.known.shard_sets)
    texts = {name: blob.data for name, blob in BLOBS.items() if name in {one.name for one in LAYOUTS}}
    facts = Facts(INVENTORY.volumes, GENERATION, seen.known.shard_generation, wanted.shard_counts, wanted.texts(), texts)
    return certify(facts, metadata_findings(seen.known, GENERATION, wanted)).drift == "current"


@pytest.mark.parametrize("says", [run_says, settle_says, pass_says, certificate_says])
@pytest.mark.parametrize("name", CASES)
def test_every_judge_says_the_same(says, name):
    changes, _, current = CASES[name]

    assert says(changes) is current


def test_sets_that_a_request_adds_are_its_own_matter():
    """A run that is asked for a new preset writes it; an upload or a pass that finds the rest true does not."""
    known = KNOWN.model_copy(update={"shard_sets": (1,)})

    assert is_current(known, GENERATION, target(STATISTICS, (1,)))
    assert not is_current(known, GENERATION, target(STATISTICS, (1, 2)))


def test_the_listing_goes_by_what_metadata_says_and_the_page_by_what_is_stored():
    """A listing reads no files; what it says of staleness is the replaced system's rule, by versions alone."""
    moved = state(shard_generation="0" * 32)

    assert not views.row("nt", moved.known).shards_stale
    assert views.database("nt", moved, legacy_alias=False).shards_stale


def test_findings_name_the_generation_first_and_hide_nothing():
    known = KNOWN.model_copy(update={"shard_generation": "0" * 32, "total_bytes": 1, "sharding_error": "X: y"})

    found = metadata_findings(known, GENERATION, target(STATISTICS, (1, 2)))

    assert [finding.target for finding in found] == ["shard_generation", "total_bytes", "sharding_error"]


@given(st.sets(st.integers(-2, 40)))
def test_expected_sets_are_those_that_the_volumes_allow_and_nothing_of_them_differs_from_itself(counts):
    wanted = target(STATISTICS, counts)

    assert set(wanted.shard_counts) == {count for count in counts if 1 <= count <= INVENTORY.volumes.count}
    assert all(wanted.layouts[count] == split(INVENTORY.volume_bytes, count) for count in wanted.shard_counts)
    listed = [ListedBlob(name, len(text), md5_hex(text), name, NOW, {}) for name, text in wanted.texts().items()]
    stored = {count: StoredSet("nt", count, listed) for count in wanted.shard_counts}
    assert all(plan.writes == 0 for plan in wanted.differences(stored))
    assert all(plan.writes == len(stored[plan.shard_count].blobs) for plan in wanted.differences(stored, force=True))
