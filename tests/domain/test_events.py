"""Which events of storage count, in both schemas; everything else is dropped for a reason, and nothing ever fails."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb import blobs
from shared.runs.upload.events import BlobChanged, Drop, read_event
from tests.builders import database
from tests.storage_events import event

ACCOUNT = "devstoreaccount1"
NT = "nt/nt.00.nsq"


def read(body, accounts=(ACCOUNT,), container="blast-db"):
    return read_event(body, accounts=accounts, container=container)


schemas = pytest.mark.parametrize("cloud", [False, True], ids=["Event Grid schema", "CloudEvents"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@schemas
@pytest.mark.parametrize("deleted", [False, True])
def test_file_of_a_database_is_what_the_event_says(cloud, deleted):
    body = event(NT, cloud=cloud, deleted=deleted, etag="0x8D1", sequencer="0001")
    changed = read(body)

    change = "deleted" if deleted else "created"
    assert changed[:6] == (ACCOUNT, "nt", "nt.00.nsq", change, "0x8D1", "0001")
    assert isinstance(changed, BlobChanged)
    assert changed.time is not None
    assert datetime.now(UTC) >= changed.time


@schemas
@pytest.mark.parametrize(
    "api",
    ["PutBlob", "PutBlockList", "CopyBlob", "FlushWithClose", "SftpCommit", "PutBlobFromURL", "CopyBlobFromURL", "Tomorrow", ""],
)
def test_every_api_after_which_content_may_be_complete_counts(cloud, api):
    assert isinstance(read(event(NT, api=api, cloud=cloud)), BlobChanged)


@schemas
@pytest.mark.parametrize("api", ["CreateFile", "SftpCreate"])
def test_file_that_was_only_opened_does_not_count(cloud, api):
    assert read(event(NT, api=api, cloud=cloud)) is Drop.INCOMPLETE_CONTENT


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        ("8shards/nt_shard_01/nt_shard_01.nal", Drop.LAYOUT),
        ("32shards/nt_shard_01/nt_shard_01.manifest", Drop.LAYOUT),
        ("nt-metadata.json", Drop.METADATA),
        ("nt.v2-metadata.json", Drop.METADATA),
        ("nt/.staging/2026-01-01/nt.00.nsq", Drop.STAGING),
        ("nt/.staging/nt.00.nsq", Drop.STAGING),
        ("nt/taxdb.btd", Drop.FOREIGN_PATH),
        ("nt/taxonomy4blast.sqlite3", Drop.FOREIGN_PATH),
        ("nt/nt_euk.00.nsq", Drop.FOREIGN_PATH),
        ("nt/nt.00.tar.gz", Drop.FOREIGN_PATH),
        ("nt/nt-metadata.json", Drop.FOREIGN_PATH),
        ("nt/more/nt.00.nsq", Drop.FOREIGN_PATH),
        ("nt.00.nsq", Drop.FOREIGN_PATH),
        ("nt", Drop.FOREIGN_PATH),
        ("metadata/metadata.00.nsq", Drop.FOREIGN_PATH),
        ("custom_db/custom_db.nsq", Drop.FOREIGN_PATH),
        ("a b/a b.nsq", Drop.FOREIGN_PATH),
        ("nt\n/nt\n.nsq", Drop.MALFORMED),
        ("nt/nt.00.nsq\n", Drop.MALFORMED),
        ("/nt.00.nsq", Drop.FOREIGN_PATH),
        ("nt/", Drop.FOREIGN_PATH),
    ],
)
def test_blob_that_is_no_file_of_a_database_is_dropped(blob, reason):
    assert read(event(blob)) is reason


@pytest.mark.parametrize("leaf", ["nt.nal", "nt.njs", "nt.ndb", "nt.00.nog", "nt-nucl-metadata.json", "nt-prot-metadata.json"])
def test_every_file_of_a_database_counts_and_what_ncbi_publishes_beside_it(leaf):
    assert isinstance(read(event(f"nt/{leaf}")), BlobChanged)


def test_other_containers_and_accounts_are_dropped():
    assert read(event(NT, container="results")) is Drop.OTHER_CONTAINER
    assert read(event(NT, account="stranger1")) is Drop.ACCOUNT_NOT_ALLOWED
    assert read(event(NT), accounts=()) is Drop.ACCOUNT_NOT_ALLOWED
    assert isinstance(read(event(NT, account="stranger1"), accounts=("*",)), BlobChanged)


def test_account_is_read_in_lower_case_whatever_the_case_of_its_resource():
    body = event(NT)
    body["topic"] = body["topic"].replace("resourceGroups", "resourcegroups").replace(ACCOUNT, ACCOUNT.upper())

    assert read(body).account == ACCOUNT


@pytest.mark.parametrize("kind", ["Microsoft.Storage.BlobTierChanged", "Microsoft.Storage.BlobRenamed", "x", ""])
def test_unknown_types_are_dropped(kind):
    assert read(event(NT) | {"eventType": kind}) is Drop.UNKNOWN_TYPE


@pytest.mark.parametrize("field", ["topic", "subject", "eventType", "data"])
@pytest.mark.parametrize("value", [None, 7, "", [], {"x": 1}])
def test_event_with_a_broken_field_is_dropped(field, value):
    broken = read(event(NT) | {field: value})

    allowed = {Drop.MALFORMED, Drop.UNKNOWN_TYPE}
    # An event whose data is an object without an API still says which blob it is about.
    assert broken in allowed or (field == "data" and isinstance(value, dict))


@pytest.mark.parametrize("field", ["eTag", "sequencer"])
def test_marks_are_bounded(field):
    body = event(NT)
    body["data"][field] = "x" * 257

    assert read(body) is Drop.MALFORMED


@given(json_values)
def test_nothing_that_is_json_makes_it_fail(body):
    assert read(body) in {Drop.MALFORMED, Drop.UNKNOWN_TYPE}


@given(st.text(min_size=1, max_size=60))
def test_whatever_the_path_an_event_counts_only_for_the_folder_it_lies_in(path):
    changed = read(event(path))

    if isinstance(changed, BlobChanged):
        assert path == f"{changed.db}/{changed.leaf}"
        assert changed.leaf.startswith(changed.db)


@given(st.from_regex(r"[A-Za-z][A-Za-z0-9_\-]{0,20}", fullmatch=True), st.integers(1, 32), st.integers(0, 31))
def test_nothing_that_the_app_writes_counts(db, count, index):
    own = [blobs.metadata_blob(db), blobs.manifest_blob(db, count, index)]
    own += [blobs.alias_blob(db, count, index, molecule) for molecule in ("nucl", "prot")]
    own += [f"{db}/.staging/2026/{db}.00.nsq"]

    for blob in own:
        for deleted in (False, True):
            assert isinstance(read(event(blob, deleted=deleted)), Drop)


@given(st.sampled_from(["nt", "core_nt", "16S_ribosomal_RNA", "a.b-c"]), st.integers(1, 12), st.booleans())
def test_every_file_of_a_database_counts_in_both_schemas_alike(db, volumes, deleted):
    for name in database(db, volumes):
        body = event(name, deleted=deleted, sequencer="1", etag="2")
        cloud = event(name, deleted=deleted, sequencer="1", etag="2", cloud=True)
        assert read(json.loads(json.dumps(body)))[:6] == read(json.loads(json.dumps(cloud)))[:6]
        assert isinstance(read(body), BlobChanged)
