"""A cluster, the app and real databases; and what tests do with them: warm, look, search on nodes, hold agents up."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from local.cluster.api import STRATEGIC_MERGE, ApiError
from local.cluster.api import Api as Kubernetes
from local.cluster.manifests import NAMESPACE
from local.demo import blast
from local.demo.blast import Search
from local.demo.databases import Specimen, make
from local.demo.proof import Comparison, compare
from local.demo.sequences import Recipe
from local.demo.storage import Shard
from shared.agent.assignment import ASSIGNMENT_FILE
from shared.blastdb.alias import LOCAL_FOLDER
from shared.kube.api import ApiServer
from shared.kube.manifests import database_hash, object_name
from shared.runs.ids import lease_key, operation_id
from shared.runs.warmup.clusters import Access, ClusterRef
from tests.builders import alias
from tests.builders import database as synthetic
from tests.driving import Api, Blobs
from tests.patience import eventually, patience

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from local.demo.databases import Database
    from local.proxy import Held, Request
    from local.stack.warm import WarmStack
    from tests.orchestrators.crossroads import Crossroads, Step, Stop

OUTAGE_SECONDS = 2
HOST_PATH = "workspace/blast"
_CORE = f"/api/v1/namespaces/{NAMESPACE}"
_APPS = f"/apis/apps/v1/namespaces/{NAMESPACE}"


def api_server(identity) -> ApiServer:
    """The app's own client of the cluster, by this identity; the caller closes it."""

    async def token() -> str:
        return identity.token

    return ApiServer("aks-local", Access(identity.server, identity.authority), token)


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

    def __init__(self, place: WarmStack, crossroads: Crossroads, folder: Path) -> None:
        self.stack = place.stack
        self.crossroads = crossroads
        self.cluster = place.cluster
        self.nodes = place.cluster.nodes
        self._address = place.cluster_address
        cluster = place.cluster
        self.key = ClusterRef(
            subscription_id=cluster.subscription_id, resource_group=cluster.resource_group, name=cluster.cluster_name
        ).key
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

    async def publish(self, db: str, molecule: str = "nucl", *, seed: int = 41) -> Database:
        """Make a database of several volumes by makeblastdb and upload it; another seed is another generation."""
        made = await make(specimen(db, molecule, seed), self._folder)
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

    def stop(self, db: str, step: Step, moment: str, *, number: int = 1, redeliver: bool = False) -> Stop:
        """Hold up one step of a database's warmup or release of that number, or of the shard run that it needs."""
        run = operation_id("warm", self.key, db, number)
        if step.name == "upload_shard_set":
            run = f"{run}-shard-0"
        instance = f"@lease@{lease_key(self.key, db)}" if step.kind == "entity" else run
        return self.crossroads.stop(instance, step, moment, redeliver=redeliver)

    async def started(self, db: str, **fields) -> str:
        """Start a warmup that must be accepted; returns its operation id."""
        reply = await self.ask(db, **{"shard_count": 3, **fields})
        assert reply.status_code == 202, reply.text
        return reply.json()["operation_id"]

    async def ended(self, run: str) -> dict:
        """The operation once it has ended, which must not take for ever."""
        async with patience():
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

    async def releasing(self, db: str) -> str:
        """Start a release that must be accepted; returns its operation id."""
        reply = await self.ask(db, "release")
        assert reply.status_code == 202, reply.text
        return reply.json()["operation_id"]

    async def released(self, db: str) -> dict:
        """Release to a good end; returns the result."""
        operation = await self.ended(await self.releasing(db))
        assert operation["status"] == "Succeeded", operation
        return operation["result"]

    async def statuses(self) -> dict:
        """The status of every warmed database, by name."""
        summary = await self.summary()
        assert summary["error"] is None, summary
        return {row["name"]: row for row in summary["databases"]}

    async def summary(self) -> dict:
        """What there is to say of the cluster as a whole."""
        reply = await self.api.get("/api/monitor/aks/warmup-status", params=self._query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def preflight(self) -> dict:
        """What the readiness says of the app's rights in the cluster."""
        return (await self.api.get("/api/health/ready", params=self._query)).json()

    @property
    def _query(self) -> dict[str, str]:
        return {name.removeprefix("aks_"): value for name, value in self._address.items()}

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

    async def replace_assignment(self, db: str, text: str) -> None:
        """Write another assignment past the app."""
        await self.admin.patch(f"{_CORE}/configmaps/{object_name(db)}", {"data": {ASSIGNMENT_FILE: text}})

    async def tell_agents(self, db: str, **variables: str | None) -> None:
        """Change the environment of a database's agents past the app, which starts them anew; None takes a variable away."""
        env = [
            {"name": name, "value": value} if value is not None else {"name": name, "$patch": "delete"}
            for name, value in variables.items()
        ]
        template = {"spec": {"containers": [{"name": "warmer", "env": env}]}}
        await self.admin.patch(f"{_APPS}/daemonsets/{object_name(db)}", {"spec": {"template": template}}, STRATEGIC_MERGE)

    async def label(self, node: str, name: str, value: str | None) -> None:
        """Give a node a label, or with None take it away."""
        await self.admin.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": {name: value}}}, STRATEGIC_MERGE)

    async def strays(self, database: Database) -> list[str]:
        """The files of a database on nodes, by their final names, that are not what storage has."""
        names = [alias(database.name, 3, index, f"{kind}al") for index in range(3) for kind in "np"]
        aliases = {Path(name).name: await self.blobs.get(name) for name in names if await self.blobs.exists(name)}
        right = {file.name: file.read_bytes() for file in database.files} | aliases
        there = {file for node in self.nodes.names for file in self.files(node, database.name)}
        return [str(file) for file in sorted(there) if file.read_bytes() != right.get(file.name)]

    def files(self, node: str, db: str) -> list[Path]:
        """What a node has of a database by the final names."""
        folder = self.folder(node)
        return [file for pattern in (f"{db}.*", f"{db}_shard_*") for file in folder.glob(pattern)]

    async def pods(self, db: str) -> dict[str, str]:
        """The names of a database's agents, by node."""
        found = await self.admin.get(f"{_CORE}/pods", labelSelector=f"shardwarm/database={database_hash(db)}")
        return {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in found["items"]}

    async def delete_pod(self, name: str) -> None:
        """Delete an agent's pod past the app, as an operator or a drain would; the DaemonSet makes another."""
        await self.admin.delete(f"{_CORE}/pods/{name}")

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

    @asynccontextmanager
    async def outage(self) -> AsyncGenerator[None]:
        """Kill the API server; this begins when it does not answer, and ends when it does again, a few seconds later."""
        restart = asyncio.create_task(self.cluster.restart_api_server(after_seconds=OUTAGE_SECONDS))

        async def is_away() -> bool:
            return not await self.admin.is_ready()

        await eventually(is_away)
        try:
            yield
        finally:
            await restart

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


def specimen(db: str, molecule: str, seed: int) -> Specimen:
    """A small database of at least four volumes."""
    if molecule == "nucl":
        letters, long_subjects, long_letters, search = (800, 3000), 4, (250_000, 300_000), Search("blastn", "blastn")
    else:
        letters, long_subjects, long_letters, search = (80, 700), 8, (5000, 35_000), Search("blastp", "blastp")
    recipe = Recipe(
        db=db,
        molecule=molecule,
        seed=seed,
        subjects=60,
        subject_letters=letters,
        long_subjects=long_subjects,
        long_letters=long_letters,
        ancestor_letters=(700, 300, 150),
        copies=20,
    )
    return Specimen(recipe, volume_size="60KB", least_volumes=4, shard_counts=(3,), searches=(search,))


async def held(rule: Held, count: int = 1) -> None:
    """Wait until a rule has met so many requests."""
    async with patience():
        await rule.reached(count)


def _dblist(alias: str) -> list[str]:
    (line,) = [line for line in alias.splitlines() if line.startswith("DBLIST ")]
    return line.split()[1:]
