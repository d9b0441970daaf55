"""Reconcile passes under test: fired as the timer would, waited for, and looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.driving import writes
from tests.orchestrators.scene import until

if TYPE_CHECKING:
    from tests.orchestrators.scene import Scene

IMPATIENT = {"SHARDWARM_RECONCILE_QUIET_SECONDS": "0", "SHARDWARM_RECONCILE_AGAIN_SECONDS": "0"}
"""Nothing is too young to be healed."""


async def passes(scene: Scene) -> list[dict]:
    """All passes so far, newest first."""
    reply = await scene.api.get("/api/operations", params={"kind": "reconcile"})
    assert reply.status_code == 200, reply.text
    return reply.json()["value"]


async def fire(scene: Scene) -> None:
    """Have the timer fire now."""
    assert (await scene.api.post("/admin/functions/start_reconcile")).status_code == 202


async def begun(scene: Scene) -> str:
    """Begin a pass; its operation id."""
    known = {one["id"] for one in await passes(scene)}
    await fire(scene)
    new: list[str] = []

    async def has_begun() -> bool:
        new[:] = [one["id"] for one in await passes(scene) if one["id"] not in known]
        return bool(new)

    await until(has_begun)
    return new[0]


async def reconciled(scene: Scene) -> dict:
    """Make a pass to a good end; its result."""
    operation = await scene.ended(await begun(scene))
    assert operation["status"] == "Succeeded", operation
    return operation["result"]


async def is_idle(scene: Scene) -> dict:
    """Fail unless a pass finds nothing to heal and writes nothing; its result."""
    scene.proxy.clear()
    result = await reconciled(scene)
    assert (result.get("healed", 0), writes(scene.proxy.records)) == (0, []), result
    return result


def actions(result: dict, db: str) -> list[tuple[str, str]]:
    """What a pass did or told of one database: action and reason."""
    found = result.get("actions", ())
    return [(one["action"], one["reason"]) for one in found if one["target"].endswith((f"/{db}", f":{db}"))]


def ago(**span) -> str:
    """A time in the past as the replaced system writes it."""
    return (datetime.now(UTC) - timedelta(**span)).isoformat(timespec="seconds")
