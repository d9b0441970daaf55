"""The certificate: what it finds of damage that was really done, and that it writes nothing."""

from __future__ import annotations

from tests.builders import alias, database, manifest, papers
from tests.driving import writes
from tests.patience import patience


async def verified(api, db) -> dict:
    reply = await api.verify(db)
    assert reply.status_code == 200, reply.text
    return reply.json()


def found(certificate) -> set:
    return {(finding["fault"], finding["target"]) for finding in certificate["findings"]}


async def test_a_sharded_database_is_current_and_nothing_is_written(api, blobs, records):
    await blobs.upload(database("sound", 4))
    await api.sharded("sound")
    records.clear()

    certificate = await verified(api, "sound")

    assert (certificate["drift"], certificate["findings"]) == ("current", [])
    assert (certificate["volume_count"], certificate["shard_sets"]) == (4, [1, 2, 3, 4])
    assert certificate["blobs_compared"] == 20
    assert certificate["generation"]["digest"] == certificate["shard_generation"]
    assert not writes(records)


async def test_damage_is_named_blob_by_blob(api, blobs):
    await blobs.upload(database("unsound", 4))
    await api.sharded("unsound", presets=[2, 3])
    await blobs.delete(manifest("unsound", 2, 0))
    await blobs.put(alias("unsound", 3, 2), b"TITLE unsound_shard_02\nDBLIST /blast/blastdb/unsound.02\n")
    await blobs.put(manifest("unsound", 3, 9), b"unsound.00\n")

    certificate = await verified(api, "unsound")

    assert certificate["drift"] == "incomplete"
    assert {
        ("absent", manifest("unsound", 2, 0)),
        ("coverage", "unsound.00"),
        ("text", alias("unsound", 3, 2)),
        ("coverage", "unsound.03"),
        ("orphan", manifest("unsound", 3, 9)),
    } <= found(certificate)


async def test_a_volume_replaced_under_its_name_is_stale(api, blobs):
    await blobs.upload(database("verify_replaced", 2))
    await api.sharded("verify_replaced")
    await blobs.put("verify_replaced/verify_replaced.01.nsq", b"b" * 100)

    certificate = await verified(api, "verify_replaced")

    assert certificate["drift"] == "stale"
    assert ("generation", "shard_generation") in found(certificate)


async def test_ghosts_gaps_and_damaged_metadata_are_told_apart(api, blobs):
    await blobs.upload(database("ghostly", 3) | papers("ghostly", 2))
    await blobs.upload({name: data for name, data in database("gappy", 3).items() if ".01." not in name})
    await blobs.upload(database("garbled", 1) | {"garbled-metadata.json": b"{"})

    certificates = [await verified(api, db) for db in ("ghostly", "gappy", "garbled")]

    assert [one["drift"] for one in certificates] == ["ghosts", "incomplete", "stale"]
    assert [one["findings"][0]["message"].split(":")[0] for one in certificates] == [
        "GhostVolumes",
        "VolumeGap",
        "UnreadableMetadata",
    ]


async def test_a_database_that_was_never_sharded_is_incomplete(api, blobs):
    await blobs.upload(database("unsharded", 2))

    certificate = await verified(api, "unsharded")

    assert certificate["drift"] == "incomplete"
    assert ("absent", "unsharded") in found(certificate)


async def test_while_a_run_holds_the_database_nothing_is_certified(stack, api, blobs):
    await blobs.upload(database("busy_verify", 2))
    held = stack.proxy.hold(lambda request: request.method == "PUT" and "shards/busy_verify_shard" in request.path)
    run = (await api.start_shard("busy_verify")).json()["operation_id"]
    async with patience():
        await held.reached()

    reply = await api.verify("busy_verify")
    held.release()

    assert reply.status_code == 409, reply.text
    assert (reply.json()["error"]["code"], reply.json()["operation_id"]) == ("LeaseHeld", run)
    await api.end(run)
    assert (await verified(api, "busy_verify"))["drift"] == "current"


async def test_what_is_not_there_cannot_be_verified(api):
    reply = await api.verify("nowhere")
    unknown = await api.verify("nowhere", presets=[1])

    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "DatabaseNotFound")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "UnknownField")
