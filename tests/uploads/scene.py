"""An uploader that tells of what it uploads as Event Grid would, and what came of it."""

from __future__ import annotations

import asyncio

from durabletask.entities import EntityInstanceId

from shared.runs.ids import UPLOAD_ENTITY, lease_key, operation_id
from shared.runs.upload.transitions import UploadState
from tests.builders import database
from tests.driving import ENDED
from tests.orchestrators.scene import ACCOUNT, Scene, until
from tests.storage_events import CLOUD, NOTIFICATION, event

WEBHOOK = "/runtime/webhooks/EventGrid?functionName=on_blob_event"
QUIET_SECONDS = 1.0
_BATCH = 100


class UploadScene(Scene):
    """The stack under test. Tests keep apart by databases of their own names."""

    def __init__(self, root, **settings: str) -> None:
        waits = {"SHARDWARM_UPLOAD_QUIET_SECONDS": str(QUIET_SECONDS), "SHARDWARM_UPLOAD_GIVE_UP_SECONDS": "3600"}
        super().__init__(root, **{**waits, **settings})

    async def tell(self, *events: dict, cloud=False) -> None:
        """Deliver events in requests of a hundred, which must be taken."""
        headers = CLOUD if cloud else NOTIFICATION
        pieces = [events[at : at + _BATCH] for at in range(0, len(events), _BATCH)]
        replies = await asyncio.gather(*(self.api.post(WEBHOOK, json=list(piece), headers=headers) for piece in pieces))
        assert {reply.status_code for reply in replies} <= {200, 202}, [reply.text for reply in replies]

    async def arrives(self, db: str, volumes=3, *, without: tuple[str, ...] = (), **fields) -> dict[str, bytes]:
        """Upload a database, all but some files, and tell of it."""
        files = {name: data for name, data in database(db, volumes, **fields).items() if not name.endswith(without or ("\0",))}
        await self.blobs.upload(files)
        await self.tell(*map(event, files))
        return files

    def settle_of(self, db: str, number=1) -> str:
        """The operation id of a database's settle of that number."""
        return operation_id("settle", ACCOUNT, db, number)

    async def settled(self, db: str, number=1) -> dict:
        """The operation of a settle, once it has ended."""
        run = self.settle_of(db, number)
        await until(lambda: self.exists(run))
        return await self.ended(run)

    async def exists(self, run: str) -> bool:
        return (await self.api.get(f"/api/operations/{run}")).status_code == 200

    async def phase(self, db: str, number=1) -> str | None:
        """What a settle is doing."""
        reply = await self.api.get(f"/api/operations/{self.settle_of(db, number)}")
        return ((reply.json().get("progress") or {}).get("phase")) if reply.status_code == 200 else None

    async def upload_state(self, db: str) -> UploadState:
        """What the entity keeps of an upload."""
        async with self.client() as client:
            entity = await client.get_entity(EntityInstanceId(UPLOAD_ENTITY, lease_key(ACCOUNT, db)))
        return UploadState.model_validate(entity.get_typed_state() if entity is not None else {})

    async def waits_in_vain(self, db: str, number=1) -> None:
        """Wait until a settle has looked and found the upload incomplete."""
        await until(lambda: self._is_incomplete(db, number))

    async def _is_incomplete(self, db: str, number: int) -> bool:
        return await self.phase(db, number) == "incomplete"

    async def operations(self, kind: str, db: str) -> list[dict]:
        """All operations of a kind on a database."""
        reply = await self.api.get("/api/operations", params={"kind": kind})
        return [one for one in reply.json()["value"] if one["db_name"] == db]

    async def runs(self, db: str) -> list[dict]:
        """All shard runs of a database."""
        return await self.operations("shard", db)

    async def has_settled(self, db: str) -> bool:
        """Whether a settle has been there and none is under way."""
        settles = await self.operations("settle", db)
        return bool(settles) and all(settle["status"] in ENDED for settle in settles)
