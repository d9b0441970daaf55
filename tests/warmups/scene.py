"""A cluster, the app and real databases; and what tests do with them: warm, look, search on nodes, hold agents up."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple, Self

from local.cluster.api import Api as Kubernetes
from local.cluster.api import ApiError
from local.cluster.manifests import NAMESPACE
from local.demo import blast
from local.demo.databases import Search, Specimen, make
from local.demo.proof import Comparison, compare
from local.demo.sequences import Recipe
from local.demo.storage import Shard
from shared.blastdb.alias import LOCAL_FOLDER
from shared.kube.manifests import database_hash, object_name
from tests.builders import database as synthetic
from tests.driving import Api, Blobs

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from local.demo.databases import Database
    from local.proxy import Held, Request
    from local.stack.warm import WarmStack

PATIENCE_SECONDS = 60
HOST_PATH = "workspace/blast"
_CORE = f"/api/v1/namespaces/{NAMESPACE}"
_APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"


class Written(NamedTuple):
    """What the cluster has of a warmed database; None for what there is not."""

    config_map: dict | None
    daemon_set: dict | None

    @property
    def is_nothing(self) -> bool:
        return self == (None, None)

    @property
    def versions(self) -> tuple:
        """What changes with every write by the app; the DaemonSet's status is written by its controller."""
        assert self.config_map is not None
        assert self.daemon_set is not None
        return self.config_map["metadata"]["resourceVersion"], self.daemon_set["metadata"]["generation"]


class Warmups:
    """One cluster and app under test. Tests keep apart by databases of their own names."""

    def __init__(self, place: WarmStack, folder: Path) -> None:
        self.stack = place.stack
        self.cluster = place.cluster
        self.nodes = place.cluster.nodes
        self._address = place.cluster_address
        self._folder = folder
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        account = self.stack.account
        self.api = await self._exit.enter_async_context(Api(self.stack.addresses.functions_url, account.name, [account.key]))
        self.admin = await self._exit.enter_async_context(Kubernetes(self.cluster.admin))
        self.blobs = Blobs(account.connection_string)
        self._exit.push_async_callback(self.blobs.close)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    async def publish(self, db: str, molecule: str = "nucl") -> Database:
        """Make a database of several volumes by makeblastdb and upload it."""
        made = await make(specimen(db, molecule), self._folder)
        await self.blobs.upload({f"{db}/{file.name}": file.read_bytes() for file in made.files})
        return made

    async def sham(self, db: str) -> str:
        """Upload a database that no agent will see; returns its name."""
        await self.blobs.upload(synthetic(db))
        return db

    def body(self, db: str, **fields) -> dict:
        return {**self._address, "storage_account": self.api.account, "database_name": db, **fields}

    async def ask(self, db: str, action: str = "start", **fields):
        """The reply to a request for a warmup or a release."""
        return await self.api.post(f"/api/warmup/{action}", json=self.body(db, **fields))

    async def started(self, db: str, **fields) -> str:
        """Start a warmup that must be accepted; returns its operation id."""
        reply = await self.ask(db, **{"shard_count": 3, **fields})
        assert reply.status_code == 202, reply.text
        return reply.json()["operation_id"]

    async def ended(self, run: str) -> dict:
        """The operation once it has ended, which must not take for ever."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.api.end(run)

    async def warmed(self, db: str, **fields) -> dict:
        """Warm to a good end; returns the result."""
        operation = await self.ended(await self.started(db, **fields))
        assert operation["status"] == "Succeeded", operation
        return operation["result"]

    async def refused(self, db: str, **fields) -> dict:
        """Warm to a bad end; returns the error."""
        operation = await self.ended(await self.started(db, **fields))
        assert operation["status"] == "Failed", operation
        return operation["error"]

    async def released(self, db: str) -> dict:
        reply = await self.ask(db, "release")
        assert reply.status_code == 202, reply.text
        operation = await self.ended(reply.json()["operation_id"])
        assert operation["status"] == "Succeeded", operation
        return operation["result"]

    async def statuses(self) -> dict:
        """The status of every warmed database, by name."""
        query = {name.removeprefix("aks_"): value for name, value in self._address.items()}
        reply = await self.api.get("/api/monitor/aks/warmup-status", params=query)
        assert reply.status_code == 200, reply.text
        assert reply.json()["error"] is None, reply.text
        return {row["name"]: row for row in reply.json()["databases"]}

    async def status(self, db: str) -> dict:
        return (await self.statuses())[db]

    async def until(self, db: str, says_yes: Callable[[dict], bool]) -> dict:
        """Wait until something holds of a database's status; returns that status."""
        seen: list[dict] = []

        async def holds() -> bool:
            found = (await self.statuses()).get(db)
            seen[:] = [found] if found else []
            return found is not None and says_yes(found)

        try:
            await eventually(holds)
        except TimeoutError:
            raise AssertionError(f"waited in vain; the status is {seen}") from None
        return seen[0]

    async def ready(self, db: str) -> dict:
        """Wait until a database is warm; returns its status."""
        return await self.until(db, lambda status: status["status"] == "Ready")

    async def copying(self, db: str) -> dict:
        """Wait until all three agents copy; returns the status, which is not warm."""
        status = await self.until(db, lambda status: status["phase_counts"] == {"copying_files": 3})
        assert (status["status"], status["nodes_ready"], status["nodes_active"]) == ("Loading", 0, 3)
        return status

    async def written(self, db: str) -> Written:
        """What the cluster has of a database."""

        async def find(path: str) -> dict | None:
            try:
                return await self.admin.get(f"{path}/{object_name(db)}")
            except ApiError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                return None

        return Written(await find(f"{_CORE}/configmaps"), await find(f"{_APPS}/daemonsets"))

    async def pods(self, db: str) -> dict[str, str]:
        """The names of a database's agents, by node."""
        found = await self.admin.get(f"{_CORE}/pods", labelSelector=f"shardwarm/database={database_hash(db)}")
        return {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in found["items"]}

    async def drop(self, db: str) -> None:
        """Take a database out of the cluster without the app, and wait for the end of its agents."""

        async def is_gone() -> bool:
            # Each time anew: where a test has failed, a warmup may still be under way.
            for path in (f"{_APPS}/daemonsets", f"{_CORE}/configmaps"):
                await self.admin.delete(f"{path}/{object_name(db)}")
            return not await self.pods(db)

        await eventually(is_gone)

    def folder(self, node: str) -> Path:
        """A node's folder of databases."""
        return self.nodes.folder(node) / HOST_PATH

    def volumes(self, database: Database, status: dict, labels: set[str]) -> set[str]:
        """The volumes of these shards, by the aliases on their nodes."""
        nodes = status["shard_nodes"]
        return {volume for label in labels for volume in self._shard(database, label, nodes[label]).volumes}

    def downloads(self, match: Callable[[str], bool]) -> list[str]:
        """The blobs that agents have fetched and whose name matches; agents are known by their SAS."""
        return [record.path for record in self.stack.proxy.records if "sig=" in record.query and match(record.path)]

    @asynccontextmanager
    async def holding(self, *parts: str) -> AsyncGenerator[Held]:
        """Let the agents' requests for blobs with all of these in their names wait as long as this lasts."""

        def match(request: Request) -> bool:
            return "sig=" in request.query and all(part in request.path for part in parts)

        held = self.stack.proxy.hold(match)
        try:
            yield held
        finally:
            held.release()

    async def compare(self, database: Database) -> Comparison:
        """The search of every shard on its own node, merged, against the search of the whole database."""
        status = await self.status(database.name)
        (how,) = database.specimen.searches
        shards = [self._shard(database, label, node) for label, node in sorted(status["shard_nodes"].items())]
        oids = await blast.ordinals(database.name, database.folder)
        queries = [line[1:] for line in database.queries.read_text().splitlines() if line.startswith(">")]
        whole = await blast.search(how, database.name, database.queries, database.folder)
        parts = [await blast.search(how, shard.name, database.queries, shard.folder) for shard in shards]
        return compare(database, how, shards, whole, blast.merge(parts, oids, queries))

    def _shard(self, database: Database, label: str, node: str) -> Shard:
        """A shard that can be searched where it lies: its alias speaks of /blast/blastdb, which is elsewhere here."""
        name = f"{database.name}_shard_{label}"
        (alias,) = self.folder(node).glob(f"{name}.[np]al")
        text = alias.read_text()
        volumes = tuple(path.removeprefix(f"{LOCAL_FOLDER}/") for path in _dblist(text))
        place = self.nodes.folder(node) / "workspace" / "search"
        place.mkdir(exist_ok=True)
        (place / alias.name).write_text(text.replace(LOCAL_FOLDER, os.path.relpath(self.folder(node), place)))
        return Shard(name, place, volumes)


def specimen(db: str, molecule: str) -> Specimen:
    """A small database of at least four volumes."""
    if molecule == "nucl":
        letters, long_subjects, long_letters, search = (800, 3000), 4, (250_000, 300_000), Search("blastn", "blastn")
    else:
        letters, long_subjects, long_letters, search = (80, 700), 8, (5000, 35_000), Search("blastp", "blastp")
    recipe = Recipe(
        db=db,
        molecule=molecule,
        seed=41,
        subjects=60,
        subject_letters=letters,
        long_subjects=long_subjects,
        long_letters=long_letters,
        ancestor_letters=(700, 300, 150),
        copies=20,
    )
    return Specimen(recipe, volume_size="60KB", least_volumes=4, shard_counts=(3,), searches=(search,))


async def eventually(says_yes: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so that gives no sign of its own."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await says_yes():  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.05)


async def held(rule: Held, count: int = 1) -> None:
    """Wait until a rule has met so many requests."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        await rule.reached(count)


def _dblist(alias: str) -> list[str]:
    (line,) = [line for line in alias.splitlines() if line.startswith("DBLIST ")]
    return line.split()[1:]
