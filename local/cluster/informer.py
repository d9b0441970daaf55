"""An informer: a local copy of one kind of object, listed once, then watched, through restarts of the API server."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import aiohttp

from local.cluster.api import Api, ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cluster.api import Object

_PAUSE_SECONDS = 0.1
_GONE = 410


class Informer:
    """The objects at one path, by namespace and name; `run` keeps them up to date until it is cancelled."""

    def __init__(self, api: Api, path: str, changed: Callable[[Object, bool], None] | None = None) -> None:
        """Describe an informer.

        Args:
            api: the API server.
            path: of the collection, over all namespaces.
            changed: called for each object that was added or changed (True) or removed (False). Must not raise.
        """
        self.objects: dict[tuple[str, str], Object] = {}
        self.is_synced = asyncio.Event()
        """Set once the first list has arrived."""
        self._api = api
        self._path = path
        self._changed = changed
        self._version = ""
        self._condition = asyncio.Condition()

    def get(self, namespace: str, name: str) -> Object | None:
        """The last known state of an object; None when there is none."""
        return self.objects.get((namespace, name))

    async def run(self) -> None:
        """Follow the server until cancelled."""
        while True:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
                try:
                    if not self._version:
                        await self._list()
                    await self._watch()
                except ApiError as error:
                    if error.status == _GONE:
                        self._version = ""
            await asyncio.sleep(_PAUSE_SECONDS)

    async def wait_for(self, says_yes: Callable[[], bool]) -> None:
        """Wait until `says_yes` returns True; calls it again after each change in this informer."""
        async with self._condition:
            await self._condition.wait_for(says_yes)

    async def _list(self) -> None:
        reply = await self._api.get(self._path)
        listed = {_key(item): item for item in reply["items"]}
        for key in self.objects.keys() - listed.keys():
            await self._apply(self.objects[key], is_there=False)
        for item in listed.values():
            await self._apply(item, is_there=True)
        self._version = reply["metadata"]["resourceVersion"]
        self.is_synced.set()

    async def _watch(self) -> None:
        async for event in self._api.watch(self._path, self._version):
            item = event["object"]
            if event["type"] != "BOOKMARK":
                await self._apply(item, is_there=event["type"] != "DELETED")
            self._version = item["metadata"]["resourceVersion"]

    async def _apply(self, item: Object, *, is_there: bool) -> None:
        if is_there:
            self.objects[_key(item)] = item
        else:
            self.objects.pop(_key(item), None)
        if self._changed is not None:
            self._changed(item, is_there)
        async with self._condition:
            self._condition.notify_all()


def _key(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]
