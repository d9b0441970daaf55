"""A file that was uploaded without an MD5 gets the MD5 of exactly its content, and loses nothing else."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from hashlib import md5

import pytest
from azure.storage.blob import ContentSettings

from activities.shard_identify import identify_files
from shared.errors import Code, TransientFailure
from shared.runs.shard.identifying import Identified, IdentifyFiles, IdentifySteering
from tests.activities.conftest import ACCOUNT
from tests.builders import database
from tests.driving import sent, writes
from tests.orchestrators.scene import held

FILES = database("db", 2)
ALL = sum(map(len, FILES.values()))
LARGEST = max(FILES, key=lambda name: (len(FILES[name]), name))
RANGE_BYTES = 4 * 1024 * 1024
MD5S = {name: md5(data, usedforsecurity=False).hexdigest() for name, data in FILES.items()}


def asking(*, seconds=60.0, passed=0, lane=0, db="db", **steering) -> IdentifyFiles:
    steering = IdentifySteering(**{"lanes": 1, **steering})
    write_before = datetime.now(UTC) + timedelta(seconds=seconds)
    return IdentifyFiles(account=ACCOUNT, db=db, lane=lane, steering=steering, passed=passed, write_before=write_before)


def setting_headers(request) -> bool:
    return request.method == "PUT" and "comp=properties" in request.query


def reading(request) -> bool:
    return request.method == "GET" and "comp=list" not in request.query


async def test_each_file_gets_the_md5_of_its_content_and_keeps_its_other_headers(bench):
    headers = {
        "content_type": "x/y",
        "content_encoding": "e",
        "content_language": "de",
        "content_disposition": "d",
        "cache_control": "c",
    }
    await bench.blobs.upload_in_blocks(FILES, content_settings=ContentSettings(**headers), metadata={"by": "hand"})
    assert set((await bench.blobs.md5s("db")).values()) == {None}

    reply = await identify_files(asking(), bench.clients)

    assert reply == Identified(passed=len(FILES), files=len(FILES), bytes=ALL)
    assert await bench.blobs.md5s("db") == MD5S
    for name in FILES:
        properties = await bench.blobs.container.get_blob_client(name).get_blob_properties()
        assert {header: getattr(properties.content_settings, header) for header in headers} == headers
        assert properties.metadata == {"by": "hand"}


async def test_step_that_is_repeated_reads_and_writes_nothing_more(bench):
    await bench.blobs.upload_in_blocks(FILES)
    await identify_files(asking(), bench.clients)
    bench.proxy.clear()

    assert await identify_files(asking(), bench.clients) == Identified(passed=len(FILES))

    assert [one.method for one in sent(bench.proxy.records)] == ["GET"]


async def test_two_deliveries_at_once_leave_what_one_leaves(bench):
    await bench.blobs.upload_in_blocks(FILES)

    replies = await asyncio.gather(*(identify_files(asking(), bench.clients) for _ in range(2)))

    assert [reply.problem for reply in replies] == [None, None]
    assert await bench.blobs.md5s("db") == MD5S


async def test_lanes_share_the_files_out_and_slices_go_on_where_the_last_one_stopped(bench):
    await bench.blobs.upload_in_blocks(FILES | {"db/other.txt": b"no file of BLAST's"})
    for lane in range(2):
        passed, calls, is_done = 0, 0, False
        while not is_done:
            reply = await identify_files(asking(passed=passed, lane=lane, lanes=2, slice_seconds=0.0), bench.clients)
            assert reply.passed == passed + 1
            passed, calls, is_done = reply.passed, calls + 1, reply.is_done
        assert calls == len(FILES) // 2

    assert await bench.blobs.md5s("db") == {**MD5S, "db/other.txt": None}


async def test_every_range_is_read_on_condition_of_the_content(bench):
    data = bytes(range(256)) * (RANGE_BYTES // 256 * 2) + b"rest"
    await bench.blobs.upload_in_blocks({LARGEST: data})
    unconditional = bench.proxy.fail(lambda request: reading(request) and "if-match" not in request.headers)

    reply = await identify_files(asking(), bench.clients)

    assert (reply.files, reply.bytes) == (1, len(data))
    assert await bench.blobs.md5s("db") == {LARGEST: md5(data, usedforsecurity=False).hexdigest()}
    assert len([one for one in sent(bench.proxy.records) if one.blob == LARGEST and one.method == "GET"]) == 3
    assert unconditional.hits == 0


@pytest.mark.parametrize("moment", [reading, setting_headers])
async def test_file_that_changes_meanwhile_gets_no_md5_of_its_former_content(bench, moment):
    await bench.blobs.upload_in_blocks({LARGEST: b"former"})
    blocked = bench.proxy.hold(moment)
    under_way = asyncio.create_task(identify_files(asking(), bench.clients))
    await held(blocked)
    await bench.blobs.upload_in_blocks({LARGEST: b"latter"})
    blocked.release()

    assert await under_way == Identified(passed=1)

    assert await bench.blobs.md5s("db") == {LARGEST: None}
    assert await bench.blobs.get(LARGEST) == b"latter"


async def test_file_that_goes_away_meanwhile_is_passed_over(bench):
    await bench.blobs.upload_in_blocks({LARGEST: b"x"})
    blocked = bench.proxy.hold(reading)
    under_way = asyncio.create_task(identify_files(asking(), bench.clients))
    await held(blocked)
    await bench.blobs.delete(LARGEST)
    blocked.release()

    assert await under_way == Identified(passed=1)


async def test_leased_file_is_passed_over_unread_and_the_others_are_not(bench):
    await bench.blobs.upload_in_blocks(FILES)
    lease = await bench.blobs.container.get_blob_client(LARGEST).acquire_lease()

    reply = await identify_files(asking(), bench.clients)

    assert (reply.problem.code, reply.problem.target) == (Code.BLOB_LEASED, LARGEST)
    assert (reply.files, reply.is_done) == (len(FILES) - 1, True)
    assert await bench.blobs.md5s("db") == {**MD5S, LARGEST: None}
    assert ("GET", LARGEST) not in [(one.method, one.blob) for one in sent(bench.proxy.records)]
    await lease.release()


@pytest.mark.parametrize(
    ("status", "code", "ours"),
    [
        (409, "BlobImmutableDueToPolicy", Code.BLOB_IMMUTABLE),
        (403, "AuthorizationPermissionMismatch", Code.STORAGE_REFUSED),
    ],
)
async def test_refusal_that_holds_for_every_file_ends_the_lane_after_one(bench, status, code, ours):
    await bench.blobs.upload_in_blocks(FILES)
    refusal = bench.proxy.fail(setting_headers, status=status, code=code)

    reply = await identify_files(asking(), bench.clients)

    assert (reply.problem.code, reply.files, reply.is_done) == (ours, 0, True)
    assert refusal.hits == 1


async def test_passing_fault_is_raised_and_the_repetition_does_the_rest(bench):
    await bench.blobs.upload_in_blocks(FILES)
    busy = bench.proxy.fail(lambda request: setting_headers(request) and request.path.endswith(".nhr"))
    with pytest.raises(TransientFailure):
        await identify_files(asking(), bench.clients)
    busy.remove()

    await identify_files(asking(), bench.clients)

    assert await bench.blobs.md5s("db") == MD5S


async def test_nothing_is_written_once_the_lease_is_over(bench):
    await bench.blobs.upload_in_blocks(FILES)

    reply = await identify_files(asking(seconds=-1), bench.clients)

    assert (reply.files, reply.is_done) == (0, True)
    assert writes(bench.proxy.records) == []
