"""Listings are read by our own few lines, and say what the SDK's reading of them says."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from azure.core.pipeline.policies import ContentDecodePolicy

from shared.storage.listing import listed, read_page
from tests.activities.conftest import ACCOUNT


class Answered:
    """A pipeline response with this page in it."""

    def __init__(self, xml: str) -> None:
        self.context = {ContentDecodePolicy.CONTEXT_NAME: ET.fromstring(xml)}


async def test_a_listing_says_what_the_sdk_says_over_many_pages(bench):
    await bench.blobs.upload({f"db/é & <x> {number}": b"x" * number for number in range(11)})
    staged = bench.blobs.container.get_blob_client("db/staged")
    await staged.stage_block("YQ==", b"blocks have no MD5 of their whole")
    await staged.commit_block_list(["YQ=="])
    container = bench.with_settings(list_page=3).accounts.container(ACCOUNT)

    listing = await container.list("db/")

    by_sdk = [listed(blob) async for blob in bench.blobs.container.list_blobs(name_starts_with="db/")]
    assert list(listing) == by_sdk
    assert len(by_sdk) == 12
    assert [blob.name for blob in by_sdk if blob.md5 is None] == ["db/staged"]


def test_a_name_that_xml_cannot_hold_is_decoded():
    answered = Answered(
        '<EnumerationResults><Blobs><Blob><Name Encoded="true">db/a%EF%BF%BEb</Name><Properties><Etag>0x1</Etag>'
        "<Last-Modified>Sun, 01 Mar 2026 12:00:01 GMT</Last-Modified>"
        "<Content-Length>3</Content-Length><Content-MD5 /></Properties></Blob></Blobs></EnumerationResults>"
    )

    (blob,) = read_page(answered)

    assert blob == ("db/a\ufffeb", 3, None, '"0x1"', datetime(2026, 3, 1, 12, 0, 1, tzinfo=UTC), {}, False, None)


async def test_a_look_at_the_first_names_does_not_ask_for_all_of_them(bench):
    await bench.blobs.upload({f"db/db.{number:02d}.nsq": b"x" for number in range(5)})
    container = bench.with_settings().accounts.container(ACCOUNT)

    assert await container.list_some_names("db/", at_most=2) == ("db/db.00.nsq", "db/db.01.nsq")
