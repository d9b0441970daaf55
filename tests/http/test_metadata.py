"""The metadata blob has many writers; nothing of anybody's may be lost."""

from __future__ import annotations

import asyncio
import json

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError, ResourceNotFoundError

from tests.builders import database
from tests.driving import sent
from tests.patience import patience


class ForeignWriter:
    """Another program that adds fields of its own by compare-and-swap, as the replaced system does."""

    def __init__(self, blobs, db) -> None:
        self._client = blobs.container.get_blob_client(f"{db}-metadata.json")

    async def change(self, change) -> None:
        """Apply a change, again and again until nobody was faster."""
        while True:
            try:
                stream = await self._client.download_blob()
                document, conditions = (
                    json.loads(await stream.readall()),
                    {
                        "overwrite": True,
                        "etag": stream.properties.etag,
                        "match_condition": MatchConditions.IfNotModified,
                    },
                )
            except ResourceNotFoundError:
                document, conditions = {}, {"overwrite": False}
            change(document)
            try:
                await self._client.upload_blob(json.dumps(document).encode(), **conditions)
            except (ResourceModifiedError, ResourceExistsError):
                continue
            return

    async def write(self, field, times) -> None:
        """Add a field of its own, and count itself in a field that all writers share."""
        for number in range(times):

            def change(document, number=number) -> None:
                document[field] = number
                document["writes"] = document.get("writes", 0) + 1

            await self.change(change)


async def test_twenty_writers_during_runs_lose_nothing_and_neither_do_we(api, blobs):
    db = "twenty_writers"
    await blobs.upload(database(db, 3))
    writers = [ForeignWriter(blobs, db).write(f"field_{number}", 3) for number in range(20)]

    async def runs() -> list[dict]:
        return [await api.sharded(db, force=True) for _ in range(2)]

    results, *_ = await asyncio.gather(runs(), *writers)

    document = await blobs.metadata(db)
    assert [result["shard_sets"] for result in results] == [[1, 2, 3]] * 2
    assert {name: value for name, value in document.items() if name.startswith("field_")} == {f"field_{i}": 2 for i in range(20)}
    assert document["writes"] == 60
    assert (document["shard_sets"], document["sharded"], document["sharding_in_progress"]) == ([1, 2, 3], True, False)
    assert document["shard_epoch"] == 2


async def test_of_two_creators_neither_is_lost(stack, api, blobs, records):
    db = "two_creators"
    await blobs.upload(database(db, 2))
    held = stack.proxy.hold(lambda request: request.method == "PUT" and request.path.endswith(f"/{db}-metadata.json"))
    reply = await api.start_shard(db)
    async with patience():
        await held.reached()
    await blobs.put_metadata(db, {"source_version": None, "created_by": "another"})
    held.release()

    operation = await api.end(reply.json()["operation_id"])

    document = await blobs.metadata(db)
    assert operation["status"] == "Succeeded", operation["error"]
    assert document["created_by"] == "another"
    assert document["shard_sets"] == [1, 2]
    assert (409 in {one.status for one in sent(records)}) or (412 in {one.status for one in sent(records)})


async def test_a_new_version_that_arrives_during_the_run_is_not_mislabelled(stack, api, blobs):
    db = "new_version"
    await blobs.upload(database(db, 2))
    await blobs.put_metadata(db, {"source_version": "one"})
    held = stack.proxy.hold(lambda request: request.method == "PUT" and f"/1shards/{db}_shard_00" in request.path)
    reply = await api.start_shard(db)
    async with patience():
        await held.reached()
    await ForeignWriter(blobs, db).change(lambda document: document.update(source_version="two"))
    await blobs.upload(database(db, 2, content=b"z"))
    held.release()

    operation = await api.end(reply.json()["operation_id"])

    document = await blobs.metadata(db)
    assert operation["status"] == "Succeeded", operation["error"]
    assert operation["result"]["generation"]["source_version"] == "two"
    assert document["shard_source_version"] == document["source_version"] == "two"
    assert document["shard_generation"] == operation["result"]["generation"]["digest"]


async def test_every_foreign_value_survives_unchanged(api, blobs):
    db = "foreign_values"
    await blobs.upload(database(db, 2))
    foreign = {
        "text": 'größer 漢字 \U0001f9ec "quoted" \\ \n',
        "big": 2**63,
        "huge": 10**40,
        "small": 0.1,
        "tiny": 1e-300,
        "none": None,
        "nested": {"b": [1, {"c": None}], "a": []},
        "": "empty name",
        "db_order_oracle": {"status": "ready"},
        "copy_status": {"phase": "completed", "mode": "server-side"},
        "updating_to_source_version": None,
    }
    await blobs.put_metadata(db, foreign)

    await api.sharded(db)

    document = await blobs.metadata(db)
    assert {name: document[name] for name in foreign} == foreign


async def test_errors_in_metadata_are_short_and_without_secrets(stack, api, blobs):
    db = "short_errors"
    await blobs.upload(database(db, 2))
    await blobs.put_metadata(db, {"sharding_error": "old"})
    rule = stack.proxy.fail(
        lambda request: request.method == "PUT" and f"shards/{db}_shard_" in request.path, status=403, code="sig=" + "a1" * 60
    )
    await api.refused(db)
    rule.remove()

    error = (await blobs.metadata(db))["sharding_error"]
    assert len(error) <= 300
    assert "a1a1" not in error
    assert "\n" not in error


async def test_no_write_of_metadata_is_unconditional(stack, api, blobs):
    db = "conditional"
    seen = []

    def look(request) -> bool:
        if request.method == "PUT" and db in request.path:
            seen.append({"if-match", "if-none-match", "if-unmodified-since"} & set(request.headers))
        return False

    rule = stack.proxy.fail(look)
    await blobs.upload(database(db, 2))
    await api.sharded(db)
    await api.sharded(db, force=True)
    rule.remove()

    assert len(seen) == 2 * (6 + 2)
    assert all(seen)
