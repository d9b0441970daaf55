"""What a certificate finds: whatever is done to what is stored, it is named."""

from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.blobs import alias_blob, manifest_blob
from shared.blastdb.certificate import Facts, certify, refused
from shared.blastdb.generations import Generation
from shared.blastdb.layout import split
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import ListedFile, VolumeSet, take_inventory
from shared.runs.database.layouts import texts
from shared.runs.database.metadata import ShardFields
from shared.runs.database.state import expected, metadata_findings

VOLUMES = VolumeSet(db="nt", molecule="nucl", count=4, digits=2)
STATISTICS = Statistics(sequences=7, letters=500, source="njs")
GENERATION = Generation(source_version="v1", digest="d" * 32)
SETS = (1, 2, 3)
EXPECTED = {name: text for count in SETS for name, text in texts(VOLUMES, split((9, 9, 9, 9), count), STATISTICS).items()}
FILES = [
    ListedFile(f"nt.{index:02d}.{extension}", size, "0" * 32)
    for index in range(4)
    for extension, size in (("nsq", 7), ("nin", 1), ("nhr", 1))
]
INVENTORY = take_inventory("nt", [*FILES, ListedFile("nt.ndb", 1, "0" * 32)])
FACTS = Facts(
    volumes=VOLUMES,
    generation=GENERATION,
    shard_generation=GENERATION.digest,
    shard_sets=SETS,
    expected=EXPECTED,
    stored=EXPECTED,
)
TARGET = expected(INVENTORY, STATISTICS, SETS, legacy_alias=False, record=None)
KNOWN = ShardFields(
    sharded=True,
    shard_sets=SETS,
    shard_generation=GENERATION.digest,
    shard_source_version="v1",
    total_bytes=37,
    file_count=13,
    statistics="njs",
    total_letters=500,
    total_sequences=7,
    shard_alias_version=2,
)
MANIFEST = manifest_blob("nt", 2, 0)
ALIAS = alias_blob("nt", 2, 1, "nucl")


def certified(facts=FACTS, known=KNOWN):
    return certify(facts, metadata_findings(known, GENERATION, TARGET))


def faults(facts=FACTS, known=KNOWN):
    certificate = certified(facts, known)
    return certificate.drift, {(finding.fault, finding.target) for finding in certificate.findings}


def stored(**changes):
    return FACTS._replace(stored={**EXPECTED, **changes})


def test_what_is_as_it_must_be_is_current_and_nothing_is_found():
    certificate = certified()

    assert (certificate.drift, certificate.findings, certificate.findings_total) == ("current", (), 0)
    assert (certificate.volume_count, certificate.shard_sets, certificate.blobs_compared) == (4, SETS, 12)


@given(st.sampled_from(sorted(EXPECTED)))
def test_every_text_that_is_missing_is_named(name):
    facts = FACTS._replace(stored={other: text for other, text in EXPECTED.items() if other != name})

    drift, found = faults(facts)

    assert drift == "incomplete"
    assert ("absent", name) in found


@given(st.sampled_from(sorted(EXPECTED)), st.binary(max_size=30))
def test_every_text_that_differs_is_named(name, text):
    drift, found = faults(stored(**{name: text}))

    assert drift == "stale"
    assert ("text", name) in found


def test_a_volume_in_no_shard_and_one_in_two_are_named():
    drift, found = faults(stored(**{MANIFEST: b"nt.00\nnt.02\n"}))

    assert drift == "stale"
    assert found == {("text", MANIFEST), ("coverage", "nt.01"), ("coverage", "nt.02")}


def test_a_volume_that_only_the_alias_lacks_is_named():
    _, found = faults(stored(**{ALIAS: b"TITLE nt_shard_01\nDBLIST /blast/blastdb/nt.03\n"}))

    assert found == {("text", ALIAS), ("coverage", "nt.02")}


def test_coverage_does_not_trust_what_was_expected():
    damaged = {**EXPECTED, MANIFEST: b"nt.00\n"}

    drift, found = faults(FACTS._replace(expected=damaged, stored=damaged))

    assert (drift, found) == ("stale", {("coverage", "nt.01")})


def test_texts_that_are_not_text_are_found_and_not_an_error():
    drift, found = faults(stored(**{MANIFEST: b"\xff\xfe", ALIAS: b"\xff"}))

    assert drift == "stale"
    assert {("text", MANIFEST), ("text", ALIAS), ("coverage", "nt.00"), ("coverage", "nt.03")} <= found


def test_a_blob_of_no_set_is_an_orphan():
    assert faults(stored(**{manifest_blob("nt", 3, 7): b"x"})) == ("stale", {("orphan", manifest_blob("nt", 3, 7))})


def test_a_database_without_a_set_is_incomplete():
    drift, found = faults(
        FACTS._replace(shard_sets=(), expected={}, stored={}),
        KNOWN.model_copy(update={"sharded": False, "shard_sets": (), "shard_generation": None}),
    )

    assert drift == "incomplete"
    assert ("absent", "nt") in found


def test_each_claim_of_the_metadata_is_compared():
    wrong = {
        "sharded": False,
        "shard_generation": "e" * 32,
        "shard_source_version": None,
        "total_bytes": 35,
        "file_count": None,
        "statistics": "index",
        "total_letters": 499,
        "total_sequences": 8,
        "sharding_in_progress": True,
        "shard_sets": (1, 2, 3, 9),
        "shard_alias_version": 1,
        "sharding_error": "InternalError: x",
    }
    for name, value in wrong.items():
        drift, found = faults(known=KNOWN.model_copy(update={name: value}))
        assert (drift, len(found)) == ("stale", 1), name


def test_the_worst_finding_decides():
    certificate = certified(FACTS._replace(stored={}), KNOWN.model_copy(update={"shard_generation": "e"}))

    assert certificate.drift == "incomplete"
    assert refused("nt", "ghosts", "x").drift == "ghosts"
    assert refused("nt", "volumes", "x").drift == "incomplete"


def test_of_many_findings_all_are_counted_and_the_first_are_named():
    strays = {manifest_blob("nt", 3, index): b"x" for index in range(3, 99)}

    certificate = certified(stored(**strays))

    assert (certificate.findings_total, len(certificate.findings)) == (96, 50)
