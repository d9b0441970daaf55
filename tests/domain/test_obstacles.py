"""Files that storage keeps so that they cannot be read: seen in a listing, counted, and named with the remedy."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from shared.blastdb.blob_xml import read_blobs
from shared.blastdb.listings import ListedBlob
from shared.blastdb.obstacles import obstruction, refuse_obstructed
from shared.errors import Code, Unusable

PAGE = """<EnumerationResults><Blobs><Blob><Name>db/db.00.nsq</Name>
<Properties><Etag>0x1</Etag><Content-Length>3</Content-Length><Content-MD5 /><BlobType>BlockBlob</BlobType>{}</Properties>
</Blob></Blobs></EnumerationResults>"""


def listed(name, obstacle=None) -> ListedBlob:
    return ListedBlob(name, 1, None, '"0x1"', datetime(2026, 1, 1, tzinfo=UTC), {}, obstacle=obstacle)


@pytest.mark.parametrize(
    ("properties", "obstacle"),
    [
        ("", None),
        ("<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>", None),
        ("<AccessTier>Cold</AccessTier>", None),
        ("<AccessTier>Archive</AccessTier>", "archived"),
        ("<AccessTier>Archive</AccessTier><ArchiveStatus>rehydrate-pending-to-hot</ArchiveStatus>", "rehydrating"),
        ("<AccessTier>Archive</AccessTier><ArchiveStatus>rehydrate-pending-to-cold</ArchiveStatus>", "rehydrating"),
        ("<ServerEncrypted>true</ServerEncrypted>", None),
        ("<ServerEncrypted>true</ServerEncrypted><CustomerProvidedKeySha256>x=</CustomerProvidedKeySha256>", "encrypted"),
    ],
)
def test_a_listing_tells_how_a_blob_is_kept(properties, obstacle):
    (blob,) = read_blobs(ET.fromstring(PAGE.format(properties)))

    assert blob.obstacle == obstacle


@pytest.mark.parametrize(("kind", "obstacle"), [("AppendBlob", "not block"), ("PageBlob", "not block"), ("BlockBlob", None)])
def test_a_listing_tells_what_type_a_blob_is(kind, obstacle):
    (blob,) = read_blobs(ET.fromstring(PAGE.format("").replace("BlockBlob", kind)))

    assert blob.obstacle == obstacle


def test_the_first_files_are_named_and_all_are_counted():
    problem = obstruction("db", [listed(f"db/db.{number:02d}.nsq", "archived") for number in reversed(range(12))])

    assert (problem.code, problem.target) == (Code.BLOB_ARCHIVED, "db/db.00.nsq")
    assert problem.message == (
        "'db' has files in the archive tier (12): db/db.00.nsq, db/db.01.nsq, db/db.02.nsq, db/db.03.nsq, db/db.04.nsq "
        "and 7 more. Rehydrate all of them to the hot or cool tier, which takes hours, then start again."
    )


@pytest.mark.parametrize(
    ("obstacle", "code", "remedy"),
    [
        ("archived", Code.BLOB_ARCHIVED, "Rehydrate all of them to the hot or cool tier"),
        ("rehydrating", Code.BLOB_ARCHIVED, "Wait until they are in the hot or cool tier"),
        ("encrypted", Code.BLOB_ENCRYPTED, "without such a key"),
        ("not block", Code.WRONG_BLOB_TYPE, "upload them as block blobs"),
    ],
)
def test_each_obstacle_has_its_code_and_its_remedy(obstacle, code, remedy):
    with pytest.raises(Unusable) as caught:
        refuse_obstructed("db", [listed("db/db.ndb")], [listed("db/db.00.nin", obstacle)])

    assert caught.value.problem.code is code
    assert remedy in caught.value.problem.message
    assert "(1): db/db.00.nin." in caught.value.problem.message


def test_what_is_archived_is_said_before_what_only_needs_time():
    blobs = [listed("db/db.00.nsq", "rehydrating"), listed("db/db.01.nsq", "archived")]

    assert "archive tier (1): db/db.01.nsq" in obstruction("db", blobs).message


@pytest.mark.parametrize(
    "name",
    [
        "db/db.fasta",
        "db/db.00.tar.gz",
        "db/.staging/v2/db.00.nsq",
        "db/other.00.nsq",
        "other/other.00.nsq",
        "2shards/other_shard_00/other_shard_00.nal",
        "other-metadata.json",
    ],
)
def test_a_file_that_is_nothing_to_the_database_is_no_obstacle(name):
    assert obstruction("db", [listed(name, "archived")]) is None


@pytest.mark.parametrize(
    "name", ["db/db.ndb", "db/taxdb.btd", "2shards/db_shard_01/db_shard_01.manifest", "2shards/db_shard_01/db_shard_01.nal"]
)
def test_every_file_that_a_run_reads_or_a_node_copies_counts(name):
    assert obstruction("db", [listed(name, "archived")]).target == name
